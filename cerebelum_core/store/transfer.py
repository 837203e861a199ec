"""Copies a store into another, of any kind, executions that run included, and proves that it is all there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from cerebelum_core.errors import CopyRefused
from cerebelum_core.store.records import Append, EventStore, HeadQuery, Place, StoredHead

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. `checksum` is that of both stores."""

    executions: int
    events: int
    checksum: str


async def copy(source: EventStore, target: EventStore) -> Copied:
    """Copy everything. Run again after it was interrupted, it goes on. Both stores are this process's alone.

    Raises:
        CopyRefused: the target holds something else, and is left as it is; or what was written is not what was read.
    """
    await _require_only(source, target)
    async for heads in _pages(source):
        await asyncio.gather(*(_copy_execution(source, target, head) for head in heads))
    # Blueprints last: until they are there, nothing of a half copy can run.
    for blueprint in await source.blueprints():
        await target.put_blueprint(blueprint)
    for worker in await source.workers():
        await target.put_worker(worker)
    theirs, ours = await _sum(source), await _sum(target)
    if theirs.checksum != ours.checksum:
        raise CopyRefused(
            f"the copy has {ours.executions} executions and {ours.events} events, checksum {ours.checksum}; the "
            f"original {theirs.executions} and {theirs.events}, {theirs.checksum}: keep the original"
        )
    return ours


async def _require_only(source: EventStore, target: EventStore) -> None:
    """Refuse a target that holds what the source does not."""
    async for heads in _pages(target):
        theirs = await asyncio.gather(*(source.head(each.execution_id) for each in heads))
        for ours, other in zip(heads, theirs, strict=True):
            if ours != other:
                raise _refused(f"an execution '{ours.execution_id}'")
    hashes = {each.hash for each in await source.blueprints()}
    for blueprint in await target.blueprints():
        if blueprint.hash not in hashes:
            raise _refused(f"a version of the workflow '{blueprint.workflow}'")
    ids = {each.worker_id for each in await source.workers()}
    for worker in await target.workers():
        if worker.worker_id not in ids:
            raise _refused(f"a worker '{worker.worker_id}'")


def _refused(what: str) -> CopyRefused:
    return CopyRefused(
        f"the target has {what} that is not the source's: copy into an empty store, and name the source first"
    )


async def _copy_execution(source: EventStore, target: EventStore, stored: StoredHead) -> None:
    if await target.head(stored.execution_id) is None:
        events = await source.read(stored.execution_id)
        await target.append(
            Append(execution_id=stored.execution_id, expected_version=0, events=list(events), head=stored.head)
        )


async def _sum(store: EventStore) -> Copied:
    """Sum up everything in an order that is the same in every store."""
    digest = hashlib.sha256()
    executions = events = 0
    async for heads in _pages(store):
        for stored, history in zip(
            heads, await asyncio.gather(*(store.read(each.execution_id) for each in heads)), strict=True
        ):
            digest.update(repr(stored).encode())
            for event in history:
                digest.update(event.to_bytes())
            executions, events = executions + 1, events + len(history)
    for record in [*await store.blueprints(), *await store.workers()]:
        digest.update(repr(record).encode())
    return Copied(executions, events, digest.hexdigest())


async def _pages(store: EventStore) -> AsyncIterator[list[StoredHead]]:
    after: Place | None = None
    while True:
        page = await store.list_heads(HeadQuery(limit=_PAGE, after=after))
        yield list(page.heads)
        if page.next is None:
            return
        after = page.next
