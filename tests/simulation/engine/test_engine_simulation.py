"""The engine against a random world, by seeds. A failing seed prints its story and stays in KEPT_SEEDS."""

from __future__ import annotations

import pytest

from tests.simulation.engine import walk
from tests.simulation.engine.bugs import BUGS
from tests.simulation.engine.world import World, play
from tests.simulation.planted.catching import survivors

SEEDS = 2000
BATCH = 250
WALKS = 2_000
KEPT_WALKS = (95, 260)
BUGS_AT_ONCE = 14
KEPT_SEEDS: tuple[int, ...] = (852, 10461, 16419, 20375)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_invariant_holds_in_every_world(first: int) -> None:
    for seed in range(first, first + BATCH):
        play(seed)


@pytest.mark.parametrize("seed", KEPT_SEEDS or (0,))
def test_a_seed_that_once_failed_holds(seed: int) -> None:
    play(seed)


@pytest.mark.parametrize("first", range(0, WALKS, 500))
def test_every_walk_through_rules_comes_to_its_end_as_the_model_says(first: int) -> None:
    for seed in range(first, first + 500):
        walk.play(seed)


@pytest.mark.parametrize("seed", KEPT_WALKS)
def test_a_walk_that_once_failed_holds(seed: int) -> None:
    walk.play(seed)


def test_a_seed_tells_the_same_story_again() -> None:
    first, second = World(7), World(7)
    assert first.run() == second.run()
    assert first.story == second.story


def test_the_worlds_reach_every_kind_of_fact() -> None:
    seen = {type(event.fact).__name__ for seed in range(300) for event in World(seed).run()}
    assert seen == {
        "ExecutionStarted",
        "ExecutionCompleted",
        "ExecutionFailed",
        "ExecutionCancelled",
        "ExecutionPaused",
        "ExecutionResumed",
        "ExecutionRetried",
        "ExecutionForked",
        "ExecutionMigrated",
        "CancellationRequested",
        "StepCancelled",
        "StepDeadLettered",
        "StepRedriven",
        "StepCompleted",
        "StepFailed",
        "AttemptFailed",
        "AttemptLost",
        "RetryDue",
        "SleepStarted",
        "SleepEnded",
        "ApprovalRequested",
        "ApprovalGranted",
        "ApprovalRejected",
        "ApprovalExpired",
        "MemoRecorded",
        "SignalReceived",
        "SignalAwaited",
        "SignalConsumed",
        "SignalWaitExpired",
    }


@pytest.mark.parametrize("first", range(0, len(BUGS), BUGS_AT_ONCE))
def test_every_planted_bug_is_caught(first: int) -> None:
    """A bug that survives means that an invariant is missing, or a kind of world."""
    assert survivors("engine", 1500, BUGS[first : first + BUGS_AT_ONCE]) == []
