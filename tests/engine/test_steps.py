"""A map of steps reads like a dict, however much of it is shared, and a copy is its own."""

from __future__ import annotations

import sys
from types import FrameType

from hypothesis import given
from hypothesis import strategies as st

from cerebelum_codegen.runtime import Timestamp
from cerebelum_engine import Completed, RecordResult, Rejected, State, carry_out
from cerebelum_engine.phase import Phase
from cerebelum_engine.steps import Steps
from cerebelum_engine.visit import StepState, task_id
from tests.engine.play import Play, blueprint, payload

NOW = Timestamp(1_700_000_000)
CHANGES = st.lists(st.tuples(st.integers(0, 200), st.sampled_from([Phase.READY, Phase.COMPLETED])), max_size=400)


def visit(phase: Phase) -> StepState:
    return StepState(phase=phase, entered_at=NOW, ready_at=NOW)


@given(changes=CHANGES)
def test_it_reads_like_a_dict_of_what_was_put(changes: list[tuple[int, Phase]]) -> None:
    steps, plain = Steps(), dict[str, StepState]()
    for number, phase in changes:
        steps.put(f"s{number}", visit(phase))
        plain[f"s{number}"] = visit(phase)
    assert list(steps.items()) == list(plain.items())
    assert list(steps.values()) == list(plain.values())
    assert len(steps) == len(plain)
    assert steps.completed == sum(each.phase is Phase.COMPLETED for each in plain.values())
    assert all(name in steps and steps[name] == steps.get(name) for name in plain)
    assert "other" not in steps
    assert steps.get("other") is None


@given(before=CHANGES, after=CHANGES)
def test_what_is_put_into_a_copy_is_not_in_the_original(
    before: list[tuple[int, Phase]], after: list[tuple[int, Phase]]
) -> None:
    steps = Steps()
    for number, phase in before:
        steps.put(f"s{number}", visit(phase))
    was, completed = list(steps.items()), steps.completed
    copy = steps.copied()
    for number, phase in after:
        copy.put(f"s{number}", visit(phase))
    assert (list(steps.items()), steps.completed) == (was, completed)
    assert (copy == steps) == (list(copy.items()) == was)


def completed(state: State, lane: str) -> State:
    """The state once a step of a group has its result."""
    task = task_id(state.execution_id, lane, state.steps[lane])
    carried = carry_out(state, RecordResult(task_id=task, worker_id="w", outcome=Completed(output=payload(""))), NOW)
    assert not isinstance(carried, Rejected)
    return carried[1]


def looks_at(lanes: int) -> int:
    """How many calls it takes to record a result of a group when half of the others have theirs."""
    names = [f"s{number}" for number in range(lanes)]
    state, calls = Play(blueprint(names, ["after"])).state, 0
    for lane in names[: lanes // 2]:
        state = completed(state, lane)

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        completed(state, names[lanes // 2])
    finally:
        sys.setprofile(None)
    return calls


def test_a_step_of_a_wide_group_is_recorded_without_a_look_at_all_the_others() -> None:
    assert looks_at(lanes=400) <= looks_at(lanes=4) + 5
