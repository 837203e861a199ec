"""Every part of a step on its own, on the real objects, a hundred executions a frame; then the whole beside their sum.

What the whole takes beyond the parts is the event loop, HTTP/2 and waiting for the disk.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.engine import ours
from benchmarks.engine.loops import closed_loop, run_quick, warmed
from benchmarks.engine.peers import figures_of, prepare
from benchmarks.engine.workflows import five
from benchmarks.frame import Figure, Settings
from cerebelum.runner import run_task
from cerebelum.threads import Threads
from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.execution import head_of
from cerebelum_core.offers import Pool
from cerebelum_core.router import TaskRouter
from cerebelum_core.store import Append, EventStore, open_store, rows
from cerebelum_engine import (
    RecordResult,
    Rejected,
    StartExecution,
    State,
    build_task,
    carry_out,
    compile_blueprint,
    new,
    owed_by,
    read_result,
)
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.stream.v1.stream_pb import WorkRequest, WorkResponse
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import Task, TaskResult, TaskStatus

BATCH = 100
"""Executions in one frame and in one commit."""
_STEPS = 5


def figures(settings: Settings) -> Iterator[Figure]:
    """Microseconds a step, part by part."""
    prepare(["compiled"], settings)
    yield from our_figures(settings)
    yield from figures_of(["compiled"], settings, "--case", "profile")


def our_figures(settings: Settings) -> Iterator[Figure]:
    """Those of this project, as it is installed here."""
    total = 0.0
    for where, part, took_us in run_quick(_parts(settings.rounds)):
        total += took_us if where == "core" else 0.0
        yield {"peer": "cerebelum", "where": where, "part": part, "us_per_step": round(took_us, 2)}
    yield {"peer": "cerebelum", "where": "core", "part": "all of these", "us_per_step": round(total, 2)}
    for concurrency in settings.concurrency:
        yield {"peer": "cerebelum", **run_quick(_whole(settings, concurrency))}


async def _whole(settings: Settings, concurrency: int) -> Figure:
    async with ours.remote(settings.store, max(concurrency, 10)) as stack:
        await warmed(stack.stream_five, concurrency)
        rounds = [await closed_loop(stack.stream_five, concurrency) for _ in range(settings.rounds)]
    return {
        "where": "core, worker and caller",
        "part": "CPU of the whole, batched on a stream",
        "concurrency": concurrency,
        "us_per_step": round(median(each.cpu_ms_each for each in rounds) * 1e3 / _STEPS, 2),
    }


async def _parts(rounds: int) -> list[tuple[str, str, float]]:
    scene = Scene()
    found: list[tuple[str, str, float]] = []

    def measure(where: str, part: str, work: Callable[[], object]) -> None:
        found.append((where, part, median(_took_us(work) for _ in range(rounds))))

    measure("core", "decode: a frame of results", lambda: WorkRequest.from_bytes(scene.results_frame))
    measure("core", "read: each result as a command", lambda: [read_result(result) for result in scene.results])
    measure("core", "decide and evolve", lambda: [carry_out(s, c, scene.now) for s, c in scene.decisions])
    measure("core", "what is owed", lambda: [owed_by(state) for state in scene.after])
    measure("core", "the row of each execution", lambda: [head_of(s, o) for s, o in scene.owing])
    measure("core", "rows: encode each event", lambda: [_rows(append) for append in scene.appends])
    measure("core", "route: match tasks with a worker", scene.route)
    measure("core", "build: each task", lambda: [build_task(s, t) for s, t in scene.dispatches])
    measure("core", "encode: a frame of tasks", lambda: WorkResponse(tasks=scene.tasks).to_bytes())
    measure("worker", "decode: a frame of tasks", lambda: WorkResponse.from_bytes(scene.tasks_frame))
    measure("worker", "encode: a frame of results", lambda: WorkRequest(results=scene.results).to_bytes())
    found.append(("worker", "run: each step", median([await scene.run_steps() for _ in range(rounds)])))
    found.append(("disk", f"append and commit: {BATCH} at once", await _commit_us(scene, rounds)))
    found.append(("disk", "append and commit: one alone", await _commit_us(scene, rounds, 1)))
    return found


def _took_us(work: Callable[[], object]) -> float:
    """CPU, which others on the machine do not stretch as much as they do time."""
    begun = time.thread_time()
    work()
    return (time.thread_time() - begun) * 1e6 / BATCH


def _rows(append: Append) -> object:
    return rows.cells_of(append)


async def _commit_us(scene: Scene, rounds: int, at_once: int = BATCH) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder)}/parts.db", node_id="profile", clock=SystemClock(), apart=True)
        try:
            await store.remove_worker("")  # now the writer is there
            return median([await _append_us(store, scene.starts()[:at_once]) for _ in range(rounds)])
        finally:
            await store.close()


async def _append_us(store: EventStore, appends: list[Append]) -> float:
    begun = time.perf_counter()
    await asyncio.gather(*(asyncio.ensure_future(store.append(append)) for append in appends))
    return (time.perf_counter() - begun) * 1e6 / len(appends)


class Scene:
    """A hundred executions whose workers hand in the result of their second step."""

    def __init__(self) -> None:
        self.now = Timestamp.from_ns(time.time_ns())
        self.blueprint = compile_blueprint(five.blueprint)
        begun = [self._after(new(self.blueprint), self._start())[1] for _ in range(BATCH)]
        before = [self._after(state, self._record(self._result(state)))[1] for state in begun]
        self.results = [self._result(state) for state in before]
        self.results_frame = WorkRequest(results=self.results, room=BATCH).to_bytes()
        self.decisions = [(state, self._record(result)) for state, result in zip(before, self.results, strict=True)]
        carried = [self._after(state, command) for state, command in self.decisions]
        self.after = [state for _, state in carried]
        self.owing = [(state, owed_by(state)) for state in self.after]
        self.appends = [self._append(events, state) for events, state in carried]
        self.dispatches = [(state, owed.tasks[0]) for state, owed in self.owing]
        self.tasks = [self._task(state) for state in self.after]
        self.tasks_frame = WorkResponse(tasks=self.tasks).to_bytes()

    def starts(self) -> list[Append]:
        """The first appends of new executions."""
        return [self._append(*self._after(new(self.blueprint), self._start())) for _ in range(BATCH)]

    def route(self) -> None:
        """Offer the tasks to a worker with room for them, as commits do."""
        router = TaskRouter(lambda _, __: None, lambda _, __: None, SystemClock())
        router.serve(_Taker(frozenset({Pool(blueprint_hash=self.blueprint.hash)})))
        for state, owed in self.owing:
            router.sync(state, owed.tasks)
        router.drain()

    async def run_steps(self) -> float:
        """Run the steps as a worker does; microseconds each."""
        begun = time.thread_time()
        running = [
            asyncio.create_task(run_task(task, five.code, worker_id="w", threads=Threads(), now=lambda: self.now))
            for task in self.tasks
        ]
        await asyncio.gather(*running)
        return (time.thread_time() - begun) * 1e6 / BATCH

    def _start(self) -> StartExecution:
        inputs = Payload(encoding="json", data=b"1")
        return StartExecution(execution_id=secrets.token_hex(16), workflow="five", inputs=inputs)

    def _after(self, state: State, command: StartExecution | RecordResult) -> tuple[tuple[Event, ...], State]:
        carried = carry_out(state, command, self.now)
        if isinstance(carried, Rejected):
            raise TypeError(carried.message)
        return carried

    def _append(self, events: tuple[Event, ...], state: State) -> Append:
        return Append(
            execution_id=state.execution_id,
            expected_version=state.version - len(events),
            events=list(events),
            head=head_of(state, owed_by(state)),
        )

    def _task(self, state: State) -> Task:
        task = build_task(state, owed_by(state).tasks[0])
        task.created_at, task.lease_ms = self.now, 30_000
        return task

    def _result(self, state: State) -> TaskResult:
        task = self._task(state)
        return TaskResult(
            task_id=task.task_id,
            execution_id=task.execution_id,
            worker_id="worker-12345-abcdef",
            status=TaskStatus.SUCCESS,
            started_at=self.now,
            completed_at=self.now,
            output=Payload(encoding="json", data=b"2"),
        )

    def _record(self, result: TaskResult) -> RecordResult:
        command = read_result(result)
        if isinstance(command, Rejected):
            raise TypeError(command.message)
        return command


class _Taker:
    """A worker's stream with room for everything."""

    worker_id = "worker-12345-abcdef"
    lease_s = 30.0
    room = BATCH

    def __init__(self, pools: frozenset[Pool]) -> None:
        self.pools = pools

    def take(self, lease: object) -> None:
        """Be handed a task."""

    def dismiss(self) -> None:
        """Wait no longer."""
