"""What is owed, told by what has changed: whoever keeps the account knows what `pending` says."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    Cancel,
    Command,
    Completed,
    DispatchTask,
    Failed,
    FireTimers,
    LoseTask,
    Owed,
    Pause,
    RecordResult,
    Rejected,
    Resume,
    StartExecution,
    Suspended,
    carry_out,
    new,
    next_timer,
    owed_since,
    owed_tasks,
)
from cerebelum_proto.types.v1.types_pb import Failure, RetryPolicy
from cerebelum_proto.worker.worker_service_pb import SleepRequest
from tests.engine.play import START_NS, blueprint, payload

LANES = 30
SHAPE = blueprint(
    [f"a{lane}" for lane in range(LANES)],
    [f"b{lane}" for lane in range(LANES)],
    retry=RetryPolicy(max_attempts=3, initial_interval_ms=1_000),
)


class Account:
    """Knows what an execution owes by what it is told of it alone."""

    def __init__(self, seed: int = 0) -> None:
        self.dice = Random(seed)
        self.state = new(SHAPE)
        self.now_ns = START_NS
        self.tasks: dict[str, DispatchTask] = {}
        self.by_change = 0
        self.carry_out(StartExecution(execution_id="x", workflow="play", inputs=payload("in"), timeout_ms=3_600_000))

    def carry_out(self, *commands: Command) -> Owed:
        """All of these become durable at once; what is told of it is noted and audited."""
        before, state = self.state, self.state
        for command in commands:
            carried = carry_out(state, command, Timestamp.from_ns(self.now_ns))
            if not isinstance(carried, Rejected):
                state = carried[1]
        self.state, told = state, owed_since(before, state)
        self._note(told)
        self._audit(told)
        return told

    def _note(self, told: Owed) -> None:
        if told.gone is None:
            self.tasks.clear()
        for task_id in told.gone or ():
            del self.tasks[task_id]
        self.tasks |= {task.task_id: task for task in told.tasks}
        self.by_change += told.gone is not None

    def _audit(self, told: Owed) -> None:
        assert self.tasks == {task.task_id: task for task in owed_tasks(self.state)}
        assert told.ready == bool(self.tasks)
        assert told.wake_at == next_timer(self.state)

    def anything(self) -> Sequence[Command]:
        """What may happen next; several things at once now and then."""
        return [self._one() for _ in range(self.dice.choice((1, 1, 3)))]

    def _one(self) -> Command:
        tasks = list(self.tasks.values())
        what = self.dice.random()
        if not tasks or what < 0.15:
            self.now_ns += self.dice.randrange(2_000_000_000)
            return FireTimers()
        if what < 0.25:
            return self.dice.choice((Pause(), Resume(), Resume()))
        task_id = self.dice.choice(tasks).task_id
        if what < 0.35:
            return LoseTask(task_id=task_id, worker_id="w", reason="its worker fell silent")
        failure = Failure(kind="ValueError", message="boom")
        sleep = SleepRequest(duration_ms=self.dice.randrange(1, 5_000))
        outcomes = (Completed(output=payload("done")), Failed(failure=failure), Suspended(marker=sleep))
        return RecordResult(
            task_id=task_id, worker_id=self.dice.choice("uvw"), outcome=self.dice.choices(outcomes, (4, 1, 2))[0]
        )


def test_a_result_in_a_wide_group_tells_of_its_own_task_alone() -> None:
    account = Account()
    result = RecordResult(task_id="x/a7/1.1.0", worker_id="w", outcome=Completed(output=payload("done")))
    told = account.carry_out(result)
    assert (list(told.tasks), told.gone) == ([], ["x/a7/1.1.0"])


def test_whatever_befalls_a_wide_execution_what_is_told_of_it_adds_up_to_what_is_owed() -> None:
    for seed in range(10):
        account = Account(seed)
        for _ in range(150):
            if account.state.ended:
                break
            account.carry_out(*account.anything())
        assert account.by_change > 10


@pytest.mark.parametrize("command", [Pause(), Cancel(reason="enough")])
def test_what_concerns_every_step_is_told_of_every_step(command: Command) -> None:
    account = Account()
    account.carry_out(RecordResult(task_id="x/a0/1.1.0", worker_id="w", outcome=Completed(output=payload("done"))))
    assert account.carry_out(command).gone is None


def test_an_execution_that_has_ended_owes_nothing() -> None:
    account = Account()
    account.now_ns += 3_600_000_000_000
    told = account.carry_out(FireTimers())
    assert account.state.ended
    assert (list(told.tasks), told.gone, told.ready, told.wake_at) == ([], None, False, None)
