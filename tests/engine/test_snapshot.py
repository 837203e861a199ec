"""A snapshot brings back the very state, or says that it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_engine import State, new, restore, snapshot, take
from cerebelum_engine.phase import Phase
from cerebelum_engine.steps import Steps
from cerebelum_engine.visit import StepState
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, ExecutionStarted
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import ExecutionState, SatisfiedMarker, SleepElapsed
from tests.engine.play import blueprint

NOW = Timestamp(1_700_000_000, 5)


def busy_state() -> State:
    """A state with something in every kind of place."""
    waiting = StepState(
        phase=Phase.AWAITING_APPROVAL,
        visit=3,
        failures=2,
        markers=(SatisfiedMarker(outcome=SleepElapsed(due_at=NOW)), SatisfiedMarker()),
        entered_at=NOW,
        ready_at=NOW,
        waiting_for=ApprovalRequested(step="b", approval_type="é", timeout_ms=-1),
        failure=Failure(kind="ValueError", message="no"),
    )
    done = StepState(phase=Phase.COMPLETED, entered_at=NOW, ready_at=NOW, output=Payload(encoding="x", data=b"\0\xff"))
    return replace(
        new(blueprint("a", "b")),
        execution_id="x",
        version=7,
        status=ExecutionState.EXECUTION_RUNNING,
        started=ExecutionStarted(workflow="w", tags=["t"]),
        started_at=NOW,
        steps=steps_of({"b": waiting, "a": done}),
    )


def steps_of(visits: dict[str, StepState]) -> Steps:
    steps = Steps()
    for name, visit in visits.items():
        steps.put(name, visit)
    return steps


def test_every_part_of_a_state_comes_back_and_its_steps_in_their_order() -> None:
    state = busy_state()
    restored = restore(Snapshot.from_bytes(take(state).to_bytes()), state.blueprint)
    assert restored == state
    assert restored is not None
    assert list(restored.steps) == ["b", "a"]
    assert restored.steps["b"].phase is Phase.AWAITING_APPROVAL


def test_a_snapshot_of_other_states_or_another_blueprint_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    state = busy_state()
    taken = take(state)
    assert restore(taken, replace(state.blueprint, hash="other")) is None
    monkeypatch.setattr(snapshot, "MEANING", snapshot.MEANING + 1)
    snapshot.shape.cache_clear()
    assert restore(taken, state.blueprint) is None
    monkeypatch.undo()
    snapshot.shape.cache_clear()
    assert restore(taken, state.blueprint) == state


def test_what_is_at_its_default_takes_no_room() -> None:
    state = new(blueprint("a"))
    record = take(state).state
    assert record is not None
    assert record.members == {}
