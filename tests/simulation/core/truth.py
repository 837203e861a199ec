"""What the world was told by the Core, to hold it to its word; and what must hold of the histories in the end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cerebelum_core.leases import Leases
from cerebelum_core.store import Append
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.engine.auditor import ENDINGS, Broken

History = Sequence[ev.Event]


@dataclass(frozen=True)
class Promise:
    """Something that the Core acknowledged."""

    execution_id: str
    what: str
    holds: Callable[[History], bool]


@dataclass
class Truth:
    promises: list[Promise] = field(default_factory=list)
    results: dict[str, list[pb.TaskResult]] = field(default_factory=lambda: defaultdict(list))

    # -- what is told ------------------------------------------------------------------------

    def handed_in(self, result: pb.TaskResult) -> None:
        self.results[result.task_id].append(result)

    def acknowledged(self, result: pb.TaskResult, ack: pb.Ack) -> None:
        if ack.success:
            task_id = result.task_id
            self.promise(result.execution_id, f"the result of {task_id}", lambda past: task_id in _task_ids(past))

    def started(self, execution_id: str, inputs: Payload) -> None:
        self.promise(execution_id, "its start", lambda past: _inputs(past) == inputs)

    def decided(self, execution_id: str, step: str, kind: type[object]) -> None:
        def holds(past: History) -> bool:
            return any(isinstance(event.fact, kind) and getattr(event.fact, "step", "") == step for event in past)

        self.promise(execution_id, f"{kind.__name__} of '{step}'", holds)

    def signalled(self, execution_id: str, signal_id: str) -> None:
        def holds(past: History) -> bool:
            return any(isinstance(e.fact, ev.SignalReceived) and e.fact.signal_id == signal_id for e in past)

        self.promise(execution_id, f"signal {signal_id}", holds)

    def kept(self, request: pb.MemoRequest, response: pb.MemoResponse) -> None:
        def holds(past: History) -> bool:
            kept = [event.fact for event in past if isinstance(event.fact, ev.MemoRecorded)]
            return any((fact.key, fact.value) == (request.key, response.value) for fact in kept)

        if response.outcome is not pb.ResultOutcome.RESULT_OUTCOME_STALE:
            self.promise(request.execution_id, f"what {request.task_id} has kept", holds)

    def cancelled(self, execution_id: str) -> None:
        self.promise(execution_id, "its end", lambda past: end_of(past) == "CANCELLED")

    def seen(self, status: pb.ExecutionStatus, past: History) -> None:
        """A status was shown: it tells of nothing that is not durable, and of an end only where there is one."""
        require(status.history_length <= len(past), f"{status.execution_id} was shown ahead of its history")
        then = past[: status.history_length]
        told = f"{status.execution_id} was shown as {status.status.name} at version {len(then)}"
        require((status.completed_at is not None) == has_ended(then), told)
        require(not has_ended(then) or status.status.name.endswith(end_of(then)), told)

    def promise(self, execution_id: str, what: str, holds: Callable[[History], bool]) -> None:
        self.promises.append(Promise(execution_id, what, holds))

    # -- what must hold ----------------------------------------------------------------------

    def check(self, histories: dict[str, list[ev.Event]]) -> None:
        for promise in self.promises:
            past = histories.get(promise.execution_id) or []
            require(bool(past) and promise.holds(past), f"{promise.execution_id}: {promise.what} was lost")
        for past in histories.values():
            self._results_are_real(past)

    def _results_are_real(self, past: History) -> None:
        for event in past:
            if isinstance(event.fact, ev.StepCompleted) and event.fact.task_id:
                outputs = [result.output for result in self.results[event.fact.task_id]]
                foreign = any(output is None for output in outputs)
                real = foreign or event.fact.output in outputs
                require(real, f"the result of {event.fact.task_id} is none that a worker handed in")


class Hands:
    """A step is in one living worker's hands: while it gives signs of life and no result, nobody else gets the step."""

    def __init__(self, term_s: float, runs: Callable[[str, str], bool]) -> None:
        self._term_s = term_s
        self._runs = runs
        self._heard: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        self.lied_about: set[str] = set()
        """Tasks of which somebody claimed wrongly to have them."""
        self._lost: set[str] = set()
        """Tasks that are recorded as lost."""
        self._over: set[str] = set()
        """Executions that have ended."""

    def keep(self, worker_id: str, held: Iterable[str], lost: Iterable[str]) -> None:
        """The Core has heard that a worker holds these, and agreed."""
        for task_id in set(held) - set(lost):
            self._hear(worker_id, task_id)

    def beat(self, worker_id: str, leases: Leases) -> None:
        """The Core has heard that a worker lives: it keeps what it has."""
        for lease in leases.of(worker_id):
            self._hear(worker_id, lease.task_id)

    def wrote(self, append: Append) -> None:
        """This is durable. Once an execution has ended, nobody has anything of it, also if it is let go on later."""
        for event in append.events:
            match event.fact:
                case ev.AttemptLost(task_id=task_id):
                    self._lost.add(task_id)
                case ev.AttemptFailed(task_id=task_id, failure=Failure(kind="timeout" | "heartbeat_timeout")):
                    for heard in self._heard.values():  # a worker that has not stopped it is cut off
                        for holder in [holder for holder, held in heard if held == task_id]:
                            del heard[holder, task_id]
                case _:
                    pass
        if append.head.ended_at is None:
            self._over.discard(append.execution_id)
            return
        self._over.add(append.execution_id)
        for visit in [visit for visit in self._heard if visit.startswith(f"{append.execution_id}/")]:
            del self._heard[visit]

    def give(self, worker_id: str, task_id: str) -> None:
        """The Core hands a task out."""
        for (holder, held), heard_at in self._heard[_visit(task_id)].items():
            lives = holder != worker_id and self._is_in_time(heard_at) and self._runs(holder, held)
            if held not in self.lied_about:
                require(not lives, f"{task_id} goes to {worker_id} while {holder} has {held} and is alive")
        self._heard[_visit(task_id)][worker_id, task_id] = _now()

    def _hear(self, worker_id: str, task_id: str) -> None:
        """A sign of life that comes after a lease has ended is too late, whatever it is answered. So is the first one
        of a task that is recorded as lost, and each one after the end: the Core may not know of it yet.
        """
        heard = self._heard[_visit(task_id)]
        lost = task_id in self._lost and (worker_id, task_id) not in heard
        if lost or task_id.partition("/")[0] in self._over:
            return
        if self._is_in_time(heard.get((worker_id, task_id), _now())):
            heard[worker_id, task_id] = _now()

    def _is_in_time(self, heard_at: float) -> bool:
        """Whether a lease that was renewed then lasts. At the very instant of its end, it has ended."""
        return heard_at + self._term_s > _now() + 1e-6


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)


def _visit(task_id: str) -> str:
    """The visit of a step that a task is of, whichever try."""
    return task_id.partition(".")[0]


def has_ended(past: History) -> bool:
    return end_of(past) != ""


def end_of(past: History) -> str:
    """How an execution has ended, in capitals. One that has failed may still move to another blueprint."""
    last = next((event.fact for event in reversed(past) if not isinstance(event.fact, ev.ExecutionMigrated)), None)
    return type(last).__name__.removeprefix("Execution").upper() if isinstance(last, ENDINGS) else ""


def _task_ids(past: History) -> set[str]:
    return {getattr(event.fact, "task_id", "") for event in past}


def _inputs(past: History) -> Payload | None:
    return past[0].fact.inputs if isinstance(past[0].fact, ev.ExecutionStarted) else None


def _now() -> float:
    return asyncio.get_running_loop().time()
