"""A hundred executions in the middle of their work: what the parts of a step are measured on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from contextvars import copy_context

from benchmarks.engine.workflows import five
from cerebelum.lifeline import Lifeline
from cerebelum.runner import run_into
from cerebelum.running import ALONE, LoopThread
from cerebelum.threads import Threads
from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.execution import head_of
from cerebelum_core.offers import Pool
from cerebelum_core.router import TaskRouter
from cerebelum_core.store import Append
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
WORKER = "worker-12345-abcdef"


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

    def run_steps(self) -> None:
        """Run the steps as a worker's lane does, in a loop: one after the other, each in a context of its own."""
        threads, on = Threads(), LoopThread()
        for task in self.tasks:
            result = TaskResult(task_id=task.task_id, execution_id=task.execution_id, worker_id=WORKER)
            step = run_into(result, task, five.code, lambda: self.now, threads, Lifeline(), ALONE, on)
            copy_context().run(next, step.__await__(), None)

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
        return result_of(self._task(state), self.now)

    def _record(self, result: TaskResult) -> RecordResult:
        command = read_result(result)
        if isinstance(command, Rejected):
            raise TypeError(command.message)
        return command


def result_of(task: Task, now: Timestamp) -> TaskResult:
    """What a worker hands in for a task."""
    return TaskResult(
        task_id=task.task_id,
        execution_id=task.execution_id,
        worker_id=WORKER,
        status=TaskStatus.SUCCESS,
        started_at=now,
        completed_at=now,
        output=Payload(encoding="json", data=b"2"),
    )


class _Taker:
    """A worker's stream with room for everything."""

    worker_id = WORKER
    lease_s = 30.0
    room = BATCH

    def __init__(self, pools: Collection[Pool]) -> None:
        self.pools = pools

    def take(self, lease: object) -> None:
        """Be handed a task."""

    def dismiss(self) -> None:
        """Wait no longer."""
