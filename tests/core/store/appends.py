"""Appends to try a store with."""

from __future__ import annotations

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.store import Append, Head
from cerebelum_proto.events.v1.events_pb import Event, RetryDue
from cerebelum_proto.worker.worker_service_pb import ExecutionState

START = Timestamp(1_700_000_000)


def head(
    *,
    workflow: str = "order",
    status: ExecutionState = ExecutionState.EXECUTION_RUNNING,
    started_s: int = 0,
    ready: bool = True,
    wake_s: int | None = None,
) -> Head:
    return Head(
        workflow=workflow,
        blueprint_hash="hash",
        status=status,
        started_at=Timestamp(START.seconds + started_s, 123_456_789),
        ready=ready,
        wake_at=None if wake_s is None else Timestamp(START.seconds + wake_s),
        step_index=1,
        total_steps=3,
        step_name="pay",
    )


def append(execution_id: str, expected: int, count: int = 1, row: Head | None = None) -> Append:
    events = [
        Event(execution_id=execution_id, version=expected + n + 1, recorded_at=START, fact=RetryDue(step=f"s{n}"))
        for n in range(count)
    ]
    return Append(execution_id=execution_id, expected_version=expected, events=events, head=row or head())


WRITER = """
import asyncio, sys
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import open_store
from tests.core.store.appends import append

async def main() -> None:
    store = open_store(sys.argv[1], node_id="victim", clock=SystemClock(), apart=sys.argv[2] == "True")
    async def write(number: int) -> None:
        await store.append(append(f"x{number:06}", 0, 2))
        print(number, flush=True)
    print("open", flush=True)
    for first in range(0, 1_000_000, 50):
        await asyncio.gather(*(write(first + n) for n in range(50)))

asyncio.run(main())
"""
"""A process that writes to a store until it is killed, and says what is written: its URL, and whether apart."""
