"""Fills a store with copies of an execution that a real Core wrote: the same events under other ids."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from cerebelum import DistributedExecutor, Worker, Workflow
from cerebelum.embedded import embedded_core
from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import Append, EventStore, Head, open_store
from cerebelum_proto.events.v1.events_pb import Event, SleepStarted, StepCompleted

_AT_ONCE = 1_000
_TEMPLATE = "template"


@dataclass(frozen=True)
class Template:
    """An execution as a Core has written it."""

    events: Sequence[Event]
    head: Head

    def copy(self, execution_id: str, due_at: Timestamp | None) -> Append:
        """The same under another id; one that sleeps is due then."""
        events = [_renamed(event, execution_id, due_at) for event in self.events]
        head = self.head if due_at is None else replace(self.head, wake_at=due_at)
        return Append(execution_id=execution_id, expected_version=0, events=events, head=head)


async def write_template(store_url: str, workflow: Workflow, inputs: object, until: str) -> Template:
    """Run a workflow in an embedded Core until it is in a state, and keep what was written."""
    async with embedded_core(store_url) as core:
        worker = Worker(core, workflows=[workflow])
        ready = asyncio.Event()
        working = asyncio.create_task(worker.run(ready.set))
        await ready.wait()
        handle = await DistributedExecutor(core).submit(workflow, inputs, execution_id=_TEMPLATE)
        async with asyncio.timeout(30):
            while (await handle.status()).status != until:
                await asyncio.sleep(0.01)
        worker.stop()
        await working
    async with opened(store_url) as store:
        stored = await store.head(_TEMPLATE)
        if stored is None:
            raise AssertionError("what has run is stored")
        return Template(await store.read(_TEMPLATE), stored.head)


@asynccontextmanager
async def opened(store_url: str) -> AsyncIterator[EventStore]:
    """A store without a Core."""
    store = open_store(store_url, node_id="benchmark", clock=SystemClock())
    try:
        yield store
    finally:
        await store.close()


async def fill(
    store: EventStore, template: Template, numbers: range, due_at: Callable[[int], Timestamp | None] = lambda _: None
) -> float:
    """Add copies; how many seconds it took."""
    begun = time.perf_counter()
    for first in range(numbers.start, numbers.stop, _AT_ONCE):
        page = range(first, min(first + _AT_ONCE, numbers.stop))
        await asyncio.gather(*(store.append(template.copy(id_of(number), due_at(number))) for number in page))
    return time.perf_counter() - begun


def id_of(number: int) -> str:
    """An id as long as a UUID, in order."""
    return f"01920000-0000-7000-8000-{number:012x}"


def _renamed(event: Event, execution_id: str, due_at: Timestamp | None) -> Event:
    copied = Event.from_bytes(event.to_bytes())
    copied.execution_id = execution_id
    fact = copied.fact
    if isinstance(fact, SleepStarted | StepCompleted):
        fact.task_id = fact.task_id.replace(_TEMPLATE, execution_id)
    if isinstance(fact, SleepStarted) and due_at is not None:
        fact.due_at = due_at
    return copied
