"""Restart budgets."""

from __future__ import annotations

import pytest

from cerebelum_core.errors import Quarantined
from cerebelum_core.supervisor import Supervisor
from tests.core.hands import HandClock


def test_an_execution_may_crash_as_often_as_its_budget_says() -> None:
    supervisor = Supervisor(HandClock(), restarts=3, window_s=60)
    assert [supervisor.crashed("x", ValueError("bad")) for _ in range(4)] == [True, True, True, False]


def test_crashes_that_lie_far_apart_are_forgiven() -> None:
    clock = HandClock()
    supervisor = Supervisor(clock, restarts=1, window_s=60)
    for _ in range(10):
        assert supervisor.crashed("x", ValueError("bad"))
        clock.pass_s(61)
    supervisor.require_healthy("x")


def test_one_that_is_set_aside_is_named_with_its_last_crash() -> None:
    supervisor = Supervisor(HandClock(), restarts=0)
    supervisor.crashed("x", ValueError("bad"))
    with pytest.raises(Quarantined, match=r"'x' is set aside after 1 crashes \(ValueError: bad\); its history"):
        supervisor.require_healthy("x")


def test_the_crashes_of_one_do_not_count_for_another() -> None:
    supervisor = Supervisor(HandClock(), restarts=1)
    assert supervisor.crashed("x", ValueError("bad"))
    assert supervisor.crashed("y", ValueError("bad"))
    supervisor.require_healthy("x")
    supervisor.require_healthy("y")


def test_crashes_that_are_forgiven_take_no_room() -> None:
    clock = HandClock()
    supervisor = Supervisor(clock, window_s=60)
    for number in range(1_000):
        supervisor.crashed(f"x{number}", ValueError("bad"))
        clock.pass_s(1)
    assert len(supervisor._crashes) <= 61
