"""Plays one execution against the engine, one command at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    Blueprint,
    Command,
    Completed,
    DispatchTask,
    Failed,
    Outcome,
    RecordResult,
    Rejected,
    StartExecution,
    compile_blueprint,
    decide,
    evolve,
    new,
    owed_tasks,
)
from cerebelum_proto.events.v1.events_pb import Event, Event_Fact
from cerebelum_proto.types.v1.types_pb import Failure, Payload, RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

START_NS = 1_700_000_000_000_000_000


def payload(text: str) -> Payload:
    return Payload(encoding="json", data=f'"{text}"'.encode())


def submitted(
    *stages: Sequence[str], depends: dict[str, list[str]] | None = None, retry: RetryPolicy | None = None
) -> pb.Blueprint:
    steps = [
        pb.Step(name=name, depends_on=(depends or {}).get(name, []), retry=retry) for stage in stages for name in stage
    ]
    definition = pb.WorkflowDefinition(timeline=steps, stages=[pb.Stage(steps=list(stage)) for stage in stages])
    return pb.Blueprint(workflow_module="play", definition=definition)


def blueprint(
    *stages: Sequence[str], depends: dict[str, list[str]] | None = None, retry: RetryPolicy | None = None
) -> Blueprint:
    return compile_blueprint(submitted(*stages, depends=depends, retry=retry))


class Play:
    """One execution and a clock that moves when told."""

    def __init__(
        self,
        shape: Blueprint,
        timeout_ms: int = 0,
        queue: str = "",
        retries: Mapping[str, RetryPolicy] | None = None,
    ) -> None:
        self.state = new(shape)
        self.now_ns = START_NS
        self.history: list[Event] = []
        start = StartExecution(execution_id="x", workflow="play", inputs=payload("in"))
        self.do(replace(start, timeout_ms=timeout_ms, queue=queue, retries=retries or {}))

    @classmethod
    def of(cls, shape: pb.Blueprint, queue: str = "") -> Play:
        return cls(compile_blueprint(shape), queue=queue)

    @property
    def now(self) -> Timestamp:
        return Timestamp.from_ns(self.now_ns)

    def do(self, command: Command) -> list[Event_Fact]:
        """Carry out a command that must not be rejected; the facts that it led to."""
        events = decide(self.state, command, self.now)
        assert not isinstance(events, Rejected), events
        for event in events:
            before, kept = self.state, deepcopy(self.state)
            self.state = evolve(before, event)
            assert before == kept, "whoever holds a state sees it never change"
            self.history.append(event)
        return [event.fact for event in events if event.fact is not None]

    def refuse(self, command: Command) -> Rejected:
        """Carry out a command that must be rejected."""
        answer = decide(self.state, command, self.now)
        assert isinstance(answer, Rejected), answer
        return answer

    def pass_ms(self, duration_ms: int) -> None:
        self.now_ns += duration_ms * 1_000_000

    def owed(self) -> list[str]:
        return [task.step for task in owed_tasks(self.state)]

    def task(self, step: str) -> DispatchTask:
        return next(task for task in owed_tasks(self.state) if task.step == step)

    def answer(self, step: str, outcome: Outcome) -> list[Event_Fact]:
        return self.do(self.result(step, outcome))

    def result(self, step: str, outcome: Outcome) -> RecordResult:
        return RecordResult(task_id=self.task(step).task_id, worker_id="w1", outcome=outcome)

    def complete(self, step: str, text: str = "") -> list[Event_Fact]:
        return self.answer(step, Completed(output=payload(text or step)))

    def fail(self, step: str, kind: str = "ValueError") -> list[Event_Fact]:
        return self.answer(step, Failed(failure=Failure(kind=kind, message="boom")))
