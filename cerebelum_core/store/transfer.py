"""Copies a store into another, of any kind, executions that run included, and proves that it is all there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from cerebelum_core.errors import CopyRefused
from cerebelum_core.names import spelled_out
from cerebelum_core.store.records import (
    Append,
    BlueprintRecord,
    EventStore,
    HeadQuery,
    Place,
    StoredHead,
    WorkerRecord,
)
from cerebelum_proto.worker.worker_service_pb import Blueprint

_PAGE = 200
_NAMED = 20
"""So many of what cannot be kept are named."""
_LONGEST_BYTES = 2_600
"""What is longer may not fit into an index of PostgreSQL."""

_Record: TypeAlias = StoredHead | BlueprintRecord | WorkerRecord
_Keeps: TypeAlias = Callable[[_Record], bool]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, with its checksum, which is the same in both stores."""

    executions: int
    events: int
    checksum: str
    left_out: Sequence[str] = ()
    """What the target cannot keep, in words."""


async def copy(source: EventStore, target: EventStore, *, leave_out: bool = False) -> Copied:
    """Copy everything. Run again after it was interrupted, it goes on. Both stores are this process's alone.

    `leave_out`: but for what the target cannot keep.

    Raises:
        CopyRefused: the target holds something else, or cannot keep something, and is left as it is; or what was
            written is not what was read.
    """
    keeps = await _in_postgresql(source) if target.kind == "postgresql" else _everything
    await _require_only(source, target)
    left_out = await _not_kept(source, keeps)
    if left_out and not leave_out:
        raise CopyRefused(
            f"the target cannot keep {_listed(left_out)}: PostgreSQL takes no NUL in a text, and nothing longer than "
            f"{_LONGEST_BYTES} bytes; nothing was copied. `--leave-out` copies all else, and leaves it in the source"
        )
    async for heads in _pages(source):
        await asyncio.gather(*(_copy_execution(source, target, head) for head in filter(keeps, heads)))
    # Blueprints last: until they are there, nothing of a half copy can run.
    for blueprint in filter(keeps, await source.blueprints()):
        await target.put_blueprint(blueprint)
    for worker in filter(keeps, await source.workers()):
        await target.put_worker(worker)
    theirs, ours = await _sum(source, keeps), await _sum(target, _everything)
    if theirs.checksum != ours.checksum:
        raise CopyRefused(
            f"the copy has {ours.executions} executions and {ours.events} events, checksum {ours.checksum}; the "
            f"original {theirs.executions} and {theirs.events}, {theirs.checksum}: keep the original"
        )
    return replace(ours, left_out=left_out)


def _everything(_: _Record) -> bool:
    return True


async def _in_postgresql(source: EventStore) -> _Keeps:
    """What of a source PostgreSQL keeps. Of a blueprint that it cannot go by no execution could go on."""
    without = {each.hash for each in await source.blueprints() if _odd_step(each)}

    def keeps(record: _Record) -> bool:
        match record:
            case StoredHead(execution_id=execution_id, head=head):
                texts = execution_id + head.workflow + head.blueprint_hash + head.step_name
                return head.blueprint_hash not in without and _fits(texts)
            case BlueprintRecord():
                return record.hash not in without and _fits(record.hash + record.workflow)
            case WorkerRecord():
                return _fits(record.worker_id)

    return keeps


def _fits(texts: str) -> bool:
    return "\0" not in texts and len(texts.encode()) <= _LONGEST_BYTES


def _odd_step(record: BlueprintRecord) -> str:
    """A step that could be nobody's current one, for its name stands in the row of its execution; none is as good."""
    definition = Blueprint.from_bytes(record.data).definition
    return next((step.name for step in definition.timeline if "\0" in step.name), "") if definition else ""


async def _not_kept(source: EventStore, keeps: _Keeps) -> list[str]:
    """What of the source the target cannot keep."""
    found = [
        f"execution {spelled_out(head.execution_id)} of the workflow {spelled_out(head.head.workflow)}"
        async for heads in _pages(source)
        for head in heads
        if not keeps(head)
    ]
    found += [_told(each) for each in await source.blueprints() if not keeps(each)]
    return found + [f"worker {spelled_out(each.worker_id)}" for each in await source.workers() if not keeps(each)]


def _told(record: BlueprintRecord) -> str:
    step = _odd_step(record)
    return f"workflow {spelled_out(record.workflow)}{f' with the step {spelled_out(step)}' if step else ''}"


def _listed(found: Sequence[str]) -> str:
    more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return ", ".join([*found[:_NAMED], *more])


async def _require_only(source: EventStore, target: EventStore) -> None:
    """Refuse a target that holds what the source does not."""
    async for heads in _pages(target):
        theirs = await asyncio.gather(*(source.head(each.execution_id) for each in heads))
        for ours, other in zip(heads, theirs, strict=True):
            if ours != other:
                raise _refused(f"an execution {ours.execution_id!r}")
    hashes = {each.hash for each in await source.blueprints()}
    for blueprint in await target.blueprints():
        if blueprint.hash not in hashes:
            raise _refused(f"a version of the workflow {blueprint.workflow!r}")
    ids = {each.worker_id for each in await source.workers()}
    for worker in await target.workers():
        if worker.worker_id not in ids:
            raise _refused(f"a worker {worker.worker_id!r}")


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


async def _sum(store: EventStore, keeps: _Keeps) -> Copied:
    """Sum up what is kept in an order that is the same in every store."""
    digest = hashlib.sha256()
    executions = events = 0
    async for page in _pages(store):
        heads = [*filter(keeps, page)]
        for stored, history in zip(
            heads, await asyncio.gather(*(store.read(each.execution_id) for each in heads)), strict=True
        ):
            digest.update(repr(stored).encode())
            for event in history:
                digest.update(event.to_bytes())
            executions, events = executions + 1, events + len(history)
    records: list[_Record] = [*await store.blueprints(), *await store.workers()]
    for record in filter(keeps, records):
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
