"""The event store: few verbs, several places to keep things."""

from __future__ import annotations

import re
from pathlib import Path

from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreUnusable, StoreUrlError
from cerebelum_core.store.memory import MemoryStore
from cerebelum_core.store.records import (
    Append,
    BlueprintRecord,
    Done,
    Due,
    EventStore,
    Head,
    HeadPage,
    HeadQuery,
    Outcome,
    Place,
    StoredHead,
    WorkerRecord,
    shard_of,
)

_FORMS = "sqlite:///FILE (sqlite:////ABSOLUTE/FILE), postgresql://USER@HOST/DATABASE or memory://"


def open_store(url: str, *, node_id: str, clock: Clock, apart: bool = False) -> EventStore:
    """Open the store that a URL names: `sqlite:///FILE`, `postgresql://USER@HOST/DATABASE` or `memory://`.

    `apart`: what writes to it may be a process of its own.

    Raises:
        StoreUrlError: the URL names no store.
        StoreUnusable, StoreInUse: it names one that cannot be had.
    """
    require_text(url)
    if url in ("memory://", "memory:"):
        return MemoryStore()
    if url.startswith(("postgresql://", "postgres://")):
        try:
            from cerebelum_core.store.postgres import open_postgres
        except ImportError as error:
            raise StoreUnusable(
                f"the PostgreSQL store needs more packages ({error}): pip install 'cerebelum[postgres]'"
            ) from None
        return open_postgres(url, node_id, clock, apart=apart)
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path not in ("", ":memory:"):  # which SQLite gives each connection anew
        try:
            from cerebelum_core.store.sqlite import open_sqlite
        except ImportError as error:
            raise StoreUnusable(
                f"the SQLite store needs more packages ({error}): pip install 'cerebelum[core]'"
            ) from None
        return open_sqlite(Path(path), node_id, clock, apart=apart)
    raise StoreUrlError(f"store URL {shown(url)!r} is not understood: use {_FORMS}")


def require_text(url: str) -> None:
    """Refuse a URL that nothing can be named by.

    Raises:
        StoreUrlError: it has bytes in it that are not UTF-8.
    """
    try:
        url.encode()
    except UnicodeEncodeError:
        raise StoreUrlError(f"store URL {shown(url)!a} is not written in UTF-8: name the store otherwise") from None


def shown(url: str) -> str:
    """A store's URL as people may read it: without its password."""
    url = re.sub(r"(?<=://)([^:/@?]*):[^@]*@", r"\1@", url)
    return re.sub(r"(?<=[?&])password=[^&]*&?", "", url).rstrip("?&")


__all__ = [
    "Append",
    "BlueprintRecord",
    "Done",
    "Due",
    "EventStore",
    "Head",
    "HeadPage",
    "HeadQuery",
    "MemoryStore",
    "Outcome",
    "Place",
    "StoredHead",
    "WorkerRecord",
    "open_store",
    "require_text",
    "shard_of",
    "shown",
]
