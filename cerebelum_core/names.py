"""Names and ids that every store can keep: PostgreSQL's texts hold no NUL, and its indexes nothing long."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cerebelum_proto.worker.worker_service_pb import Blueprint

LONGEST_BYTES = 500
_TEXT = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{0,{LONGEST_BYTES}}}")


def name_fault(what: str, name: str) -> str:
    """Why this cannot be a name or an id, with its mend; empty when it can, or when there is none."""
    if name.isascii() and name.isprintable() and len(name) <= LONGEST_BYTES:  # as nearly all are
        return ""
    if _TEXT.fullmatch(name) and len(name.encode()) <= LONGEST_BYTES:
        return ""
    limits = f"give it at most {LONGEST_BYTES} bytes of UTF-8, without control characters"
    return f"{what} {spelled_out(name)} cannot be kept: {limits}"


def spelled_out(name: str) -> str:
    """A name in quotes, of which everybody sees what is in it, as far as it is not too long for that."""
    return ascii(name if len(name) <= 40 else f"{name[:40]}...")


def blueprint_name_faults(blueprint: Blueprint) -> Iterator[str]:
    """What is wrong with the names in a blueprint that is brought here. One that is kept is read as it is."""
    named = [("workflow_module", blueprint.workflow_module)]
    if blueprint.definition is not None:
        named += [("step", step.name) for step in blueprint.definition.timeline]
        named += [("signal", name) for name in blueprint.definition.signals]
    yield from (fault for what, name in named if (fault := name_fault(what, name)))
