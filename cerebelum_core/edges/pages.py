"""Page tokens: where a list goes on, opaque to callers."""

from __future__ import annotations

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.edges.refusals import require
from cerebelum_core.store import Place
from cerebelum_core.store.rows import LAST_NS


def page_token(place: Place | None) -> str:
    """The token of the page behind a place; empty when there is none."""
    return f"{place.started_at.to_ns()}:{place.execution_id}" if place else ""


def place_of(token: str) -> Place | None:
    """The place that a token stands for; None for the first page.

    Raises:
        RpcError: it is none of ours.
    """
    if not token:
        return None
    started_ns, separator, execution_id = token.partition(":")
    require(
        bool(separator)
        and started_ns.isascii()
        and started_ns.isdigit()
        and len(started_ns) < 20
        and int(started_ns) <= LAST_NS,
        f"page_token {token[:60]!r} is not one that a list returned: leave it empty for the first page",
    )
    return Place(Timestamp.from_ns(int(started_ns)), execution_id)
