"""What operators do to a store between or beside the runs of a Core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from uuid import uuid4

from cerebelum_codegen.runtime import Duration, Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import CopyRefused, StoreUnusable, StoreUrlError
from cerebelum_core.store import EventStore, open_store, transfer
from cerebelum_core.store.archive import Archive
from cerebelum_core.store.database import KEPT, open_database
from cerebelum_core.store.inspection import Report, inspect, owner
from cerebelum_core.store.retention import prune_page
from cerebelum_core.store.transfer import Copied

_NODE_ID = "cerebelum-store"


async def migrate(url: str) -> None:
    """Bring the schema of a store up to date. No Core may be running on it.

    Raises:
        StartError: the store cannot be had.
    """
    await _open(url).close()


def check(url: str) -> Report:
    """Look at a whole store. A Core may be running on it.

    Raises:
        StartError: the store cannot be read.
    """
    with open_database(url) as database:
        return inspect(database)


async def copy(source_url: str, target_url: str, *, leave_out: bool = False) -> Copied:
    """Copy a store into another; with `leave_out`, but for what it cannot keep. No Core may be running on either.

    Raises:
        StartError, StoreError: a store cannot be had, or fails.
        CopyRefused: the target is the source, or holds something else, or cannot keep something, or the copy is not
            the original.
    """
    node_id = f"{_NODE_ID}-{uuid4().hex[:8]}"
    with open_database(source_url):
        source = _open(source_url, node_id)  # which would make a file where there is none
    try:
        if _owner(target_url) == node_id:
            raise CopyRefused("both are the same store: name another one to copy into")
        target = _open(target_url)
        try:
            return await transfer.copy(source, target, leave_out=leave_out)
        finally:
            await target.close()
    finally:
        await source.close()


def prune(url: str, older_than: Duration, archive: Path | None = None) -> Iterator[int]:
    """Remove executions that ended so long ago, a few at a time; how many there were, each time.

    A Core may be running: leave it some time between one and the next.

    Raises:
        StartError: the store, or the archive, cannot be written.
    """
    before = Timestamp.from_ns(max(0, SystemClock().now().to_ns() - older_than.to_ns()))
    with open_database(url) as database, Archive(archive) if archive else nullcontext() as file:
        if database.outstanding():
            raise StoreUnusable("the store is not up to date: run `cerebelum store migrate`")
        while count := prune_page(database, before, file):
            yield count


def _open(url: str, node_id: str = _NODE_ID) -> EventStore:
    store = open_store(url, node_id=node_id, clock=SystemClock())
    if store.kind == "memory":
        raise StoreUrlError(f"a store in memory ends with this command: name one that is kept, {KEPT}")
    return store


def _owner(url: str) -> str:
    """Whose a store is; nobody's as long as there is none."""
    try:
        with open_database(url) as database:
            return "" if database.outstanding() else owner(database)
    except StoreUnusable:
        return ""
