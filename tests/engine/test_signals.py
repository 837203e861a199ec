"""Signals: kept in order, given once, each to the first wait for its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    Cancel,
    FireTimers,
    Fork,
    Migrate,
    Pause,
    Reason,
    Rejected,
    Resume,
    Retry,
    SendSignal,
    State,
    Suspended,
    build_task,
    carry_out,
    decide,
    new,
    owed_tasks,
    reconstruct,
    restore,
    status_of,
    take,
    validate,
)
from cerebelum_engine.signals import MOST_KEPT, REMEMBERED
from cerebelum_engine.status import summary
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from tests.engine.play import Play, blueprint, payload, submitted


def names(facts: list[ev.Event_Fact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def signal(signal_id: str, name: str = "paid") -> SendSignal:
    return SendSignal(signal_id=signal_id, name=name, payload=payload(f"with {signal_id}"), sent_by="shop")


def wait(name: str = "paid", timeout_ms: int = 0) -> Suspended:
    return Suspended(marker=pb.SignalRequest(name=name, timeout_ms=timeout_ms))


def told(state: State, numbers: Iterable[int]) -> State:
    """The state after signals of these ids."""
    for number in numbers:
        carried = carry_out(state, signal(str(number)), Timestamp())
        assert not isinstance(carried, Rejected)
        state = carried[1]
    return state


def given_to(state: State, step: str) -> list[str]:
    """The ids of the signals that a step goes on with."""
    outcomes = [marker.outcome for marker in state.steps[step].markers]
    return [outcome.signal_id for outcome in outcomes if isinstance(outcome, pb.Signal)]


def declaring(*signals: str) -> pb.Blueprint:
    shape = submitted(["a"])
    assert shape.definition is not None
    shape.definition.signals = list(signals)
    return shape


def test_a_signal_ends_the_wait_for_it_and_brings_what_came_from_whom_and_when() -> None:
    play = Play(blueprint(["a"]))
    assert names(play.answer("a", wait())) == ["SignalAwaited"]
    assert play.owed() == []
    play.pass_ms(5)
    assert names(play.do(signal("1"))) == ["SignalReceived", "SignalConsumed"]
    (marker,) = build_task(play.state, play.task("a")).satisfied_markers
    assert marker.outcome == pb.Signal(
        signal_id="1", name="paid", payload=payload("with 1"), sent_by="shop", received_at=play.now
    )
    assert names(play.complete("a")) == ["StepCompleted", "ExecutionCompleted"]


def test_a_signal_that_comes_early_is_kept_and_given_at_once_to_the_first_that_waits() -> None:
    play = Play(blueprint(["a"], ["b"]))
    assert names(play.do(signal("1"))) == ["SignalReceived"]
    assert status_of(play.state, play.now).kept_signals == {"paid": 1}
    play.complete("a")
    assert names(play.answer("b", wait())) == ["SignalAwaited", "SignalConsumed"]
    assert given_to(play.state, "b") == ["1"]
    assert status_of(play.state, play.now).kept_signals == {}


def test_signals_of_a_name_are_given_in_the_order_in_which_they_came() -> None:
    play = Play(blueprint(["a"]))
    for each in (signal("1"), signal("2", "other"), signal("3")):
        play.do(each)
    play.answer("a", wait())
    play.answer("a", wait())
    play.answer("a", wait("other"))
    assert given_to(play.state, "a") == ["1", "3", "2"]


def test_waits_are_served_in_the_order_in_which_they_began_and_each_signal_serves_one() -> None:
    play = Play(blueprint(["a", "b"]))
    play.answer("b", wait())
    play.now_ns -= 10**9  # a clock that is set back changes nothing
    play.answer("a", wait())
    play.do(signal("1"))
    assert (given_to(play.state, "b"), play.owed()) == (["1"], ["b"])
    play.do(signal("2"))
    assert given_to(play.state, "a") == ["2"]


def test_the_same_signal_again_changes_nothing_also_after_the_end() -> None:
    play = Play(blueprint(["a"]))
    play.do(signal("1"))
    assert play.do(signal("1")) == []
    play.answer("a", wait())
    assert play.do(signal("1")) == []
    play.complete("a")
    assert play.do(signal("1")) == []
    assert play.refuse(signal("2")).reason is Reason.ENDED


def test_an_id_belongs_to_one_name() -> None:
    play = Play(blueprint(["a"]))
    play.do(signal("1"))
    refused = play.refuse(signal("1", "other"))
    assert (refused.reason, "'paid'" in refused.message) == (Reason.ALREADY_EXISTS, True)
    assert play.refuse(signal("")).reason is Reason.INVALID


def test_a_wait_ends_when_no_signal_comes_in_time_and_a_later_one_is_kept() -> None:
    play = Play(blueprint(["a"]))
    play.answer("a", wait(timeout_ms=10))
    play.do(signal("1", "other"))
    play.pass_ms(9)
    assert play.refuse(FireTimers()).reason is Reason.NOT_DUE
    play.pass_ms(1)
    assert names(play.do(FireTimers())) == ["SignalWaitExpired"]
    (marker,) = build_task(play.state, play.task("a")).satisfied_markers
    assert marker.outcome == pb.SignalTimeout(expired_at=play.now)
    assert names(play.do(signal("2"))) == ["SignalReceived"]


def test_a_signal_ends_the_timer_of_its_wait() -> None:
    play = Play(blueprint(["a"]))
    play.answer("a", wait(timeout_ms=10))
    play.do(signal("1"))
    play.pass_ms(10)
    assert play.refuse(FireTimers()).reason is Reason.NOT_DUE


def test_the_status_tells_who_waits_for_what_and_for_how_long() -> None:
    play = Play(blueprint(["a"]))
    play.answer("a", wait(timeout_ms=10))
    play.pass_ms(4)
    status = status_of(play.state, play.now)
    assert status.status is pb.ExecutionState.EXECUTION_WAITING_FOR_SIGNAL
    assert status.signal_info is not None
    assert (status.signal_info.name, status.signal_info.step_name) == ("paid", "a")
    assert (status.signal_info.timeout_ms, status.signal_info.remaining_timeout_ms) == (10, 6)


def test_a_workflow_that_names_its_signals_takes_no_others() -> None:
    play = Play.of(declaring("paid", "cancelled"))
    refused = play.refuse(signal("1", "payed"))
    assert refused.reason is Reason.INVALID
    assert refused.message == "workflow 'play' has no signal 'payed': it takes paid, cancelled"
    facts = play.answer("a", wait("payed"))
    assert names(facts) == ["StepFailed", "ExecutionFailed"]
    assert isinstance(facts[0], ev.StepFailed)
    assert facts[0].failure is not None
    assert facts[0].failure.kind == "unknown_signal"


def test_signals_that_are_named_twice_or_not_at_all_are_told_with_the_blueprint() -> None:
    assert validate(declaring("paid", "", "paid")).errors == (
        "signal 'paid' stands 2 times: leave it out but once",
        "a signal has no name: give it one, or leave it out",
    )


def test_an_execution_keeps_so_many_signals_and_says_so_when_they_are_too_many() -> None:
    play = Play(blueprint(["a"]))
    play.state = told(play.state, range(MOST_KEPT))
    refused = play.refuse(signal("more"))
    assert (refused.reason, str(MOST_KEPT) in refused.message) == (Reason.EXHAUSTED, True)
    assert play.do(signal("7")) == []
    play.answer("a", wait())
    play.do(signal("more"))


def test_the_ids_of_long_ago_are_forgotten_one_by_one() -> None:
    play = Play(blueprint(["a"]))
    play.state = replace(play.state, signal_ids={str(number): "paid" for number in range(REMEMBERED)})
    play.do(signal("new"))
    assert play.do(signal("1")) == []
    assert names(play.do(signal("0"))) == ["SignalReceived"]


def test_a_failed_try_keeps_the_signal_that_it_got() -> None:
    play = Play(blueprint(["a"], retry=RetryPolicy(max_attempts=2, initial_interval_ms=1)))
    play.answer("a", wait())
    play.do(signal("1"))
    play.fail("a")
    play.pass_ms(1)
    play.do(FireTimers())
    assert given_to(play.state, "a") == ["1"]


def test_a_pause_remembers_signals_and_a_cancellation_takes_none() -> None:
    play = Play(blueprint(["a", "b"]))
    play.answer("a", wait())
    play.do(Pause())
    assert names(play.do(signal("1"))) == ["SignalReceived", "SignalConsumed"]
    play.do(Resume())
    play.do(Cancel(in_hand=frozenset(task.task_id for task in owed_tasks(play.state))))
    assert play.refuse(signal("2")).reason is Reason.CANCELLING


def test_a_retry_after_the_deadline_goes_on_waiting() -> None:
    play = Play(blueprint(["a"]), timeout_ms=10)
    play.answer("a", wait())
    play.pass_ms(10)
    play.do(FireTimers())
    assert play.refuse(signal("1")).reason is Reason.ENDED
    play.do(Retry())
    assert summary(play.state) is pb.ExecutionState.EXECUTION_WAITING_FOR_SIGNAL
    play.do(signal("1"))
    assert given_to(play.state, "a") == ["1"]


def test_a_fork_has_the_signals_that_had_come_by_then() -> None:
    play = Play(blueprint(["a"], ["b"]))
    play.do(signal("1"))
    play.do(Pause())
    play.do(Resume())
    play.complete("a")
    play.answer("b", wait())
    play.do(signal("2"))
    forked = decide(
        new(play.state.blueprint), Fork(execution_id="y", origin="x", history=play.history, step="b"), play.now
    )
    assert not isinstance(forked, Rejected)
    play.state, play.history = reconstruct(new(play.state.blueprint), forked), list(forked)
    play.answer("b", wait())
    assert given_to(play.state, "b") == ["1"]
    assert play.do(signal("1")) == []
    assert names(play.do(signal("2"))) == ["SignalReceived"]


def test_a_migration_keeps_signals() -> None:
    play = Play(blueprint(["a"]))
    play.do(signal("1"))
    assert names(play.do(Migrate(blueprint=submitted(["a"], ["b"]), history=play.history))) == ["ExecutionMigrated"]
    play.answer("a", wait())
    assert given_to(play.state, "a") == ["1"]


def test_history_that_makes_no_sense_changes_nothing() -> None:
    play = Play(blueprint(["a"]))
    play.answer("a", wait())
    before = play.state
    event = ev.Event(
        execution_id="x", version=9, recorded_at=play.now, fact=ev.SignalConsumed(step="a", signal_id="no")
    )
    assert reconstruct(before, [event]).steps == before.steps


_MOVES = st.lists(
    st.sampled_from(["send", "send again", "wait a", "wait b", "pass time", "crash", "done a", "done b"]), max_size=60
)


class _Shop:
    """An execution of two steps at once, and what the rules say that it must be: read from the moves alone."""

    def __init__(self) -> None:
        self.play = Play(blueprint(["a", "b"]))
        self.sent: list[str] = []
        self.queue: list[str] = []
        self.waits: list[str] = []
        self.got: dict[str, list[str]] = {"a": [], "b": []}

    def move(self, move: str) -> None:
        step = move[-1]
        match move.split():
            case ["send"]:
                self.sent.append(f"{len(self.sent)}")
                self.play.do(signal(self.sent[-1]))
                self.queue.append(self.sent[-1])
            case ["send", "again"] if self.sent:
                assert self.play.do(signal(self.sent[len(self.sent) // 2])) == []
            case ["wait", _] if step in self.play.owed():
                self.play.answer(step, wait())
                self.waits.append(step)
            case ["crash"]:
                kept = Snapshot.from_bytes(take(self.play.state).to_bytes())
                restored = restore(kept, self.play.state.blueprint)
                assert restored == self.play.state
                self.play.state = restored
            case ["pass", "time"]:
                self.play.pass_ms(1)
            case _:
                pass
        while self.queue and self.waits:
            self.got[self.waits.pop(0)].append(self.queue.pop(0))


@given(_MOVES)
def test_each_signal_is_given_once_in_order_whatever_happens(moves: list[str]) -> None:
    shop = _Shop()
    for move in moves:
        shop.move(move)
        assert {step: given_to(shop.play.state, step) for step in "ab"} == shop.got
        assert [each.signal_id for each in shop.play.state.signals] == shop.queue
        assert reconstruct(new(shop.play.state.blueprint), shop.play.history) == shop.play.state
