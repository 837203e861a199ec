"""Timers: never early, soon enough, and never forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.scheduler import AT_ONCE, MAX_FIRING, MAX_PREPARED, WorkflowScheduler
from cerebelum_core.store import Due, MemoryStore
from tests.core.store.appends import append, head
from tests.simulation.virtual_time import in_virtual_time

_START_S = 1_700_000_000


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Wall:
    """A wall clock that goes with the loop and can be set."""

    ahead_s: float = 0

    def now(self) -> Timestamp:
        return Timestamp.from_ns(_START_S * 10**9 + round((_now() + self.ahead_s) * 1e9))


def at(seconds: float) -> Timestamp:
    return Timestamp.from_ns(_START_S * 10**9 + round(seconds * 1e9))


class Flaky(MemoryStore):
    """A store whose timers cannot be read for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.looks = 0

    async def due(self, until: Timestamp, *, limit: int) -> Sequence[Due]:
        self.looks += 1
        if self.down:
            raise StoreUnavailable("the timers cannot be read")
        return await super().due(until, limit=limit)


@dataclass
class Alarm:
    """A scheduler that notes what it fires, and when by the loop's clock."""

    store: Flaky = field(default_factory=Flaky)
    wall: Wall = field(default_factory=Wall)
    fired: list[tuple[str, float]] = field(default_factory=list)
    failures: int = 0
    failing: set[str] = field(default_factory=set)
    prepared: list[tuple[str, float]] = field(default_factory=list)
    unreadable: bool = False

    def __post_init__(self) -> None:
        self.scheduler = WorkflowScheduler(self.store, self.wall, self._fire, self._prepare)

    async def _fire(self, execution_ids: Sequence[str]) -> Mapping[str, Exception]:
        self.fired += [(execution_id, _now()) for execution_id in execution_ids]
        if self.failures > 0:
            self.failures -= 1
            raise StoreUnavailable("the store is away")
        return {each: StoreUnavailable("not this one") for each in execution_ids if each in self.failing}

    async def _prepare(self, execution_ids: Sequence[str]) -> None:
        self.prepared += [(execution_id, _now()) for execution_id in execution_ids]
        if self.unreadable:
            raise StoreUnavailable("they cannot be read")

    async def keep(self, execution_id: str, due_s: float) -> None:
        """A timer that only the store knows."""
        await self.store.append(append(execution_id, 0, row=head(wake_s=int(due_s))))

    async def wait(self, seconds: float) -> list[tuple[str, float]]:
        await asyncio.sleep(seconds)
        return self.fired


@in_virtual_time
async def test_a_timer_fires_when_it_is_due_and_not_before() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0.1)
    alarm.scheduler.arm("x", at(12.5))
    assert await alarm.wait(12.3) == []
    assert await alarm.wait(1) == [("x", 12.5)]


@in_virtual_time
async def test_timers_fire_in_the_order_of_their_instants() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0)
    for execution_id, due_s in (("c", 3), ("a", 1), ("b", 2)):
        alarm.scheduler.arm(execution_id, at(due_s))
    assert [execution_id for execution_id, _ in await alarm.wait(4)] == ["a", "b", "c"]


@in_virtual_time
async def test_timers_that_came_due_while_no_core_ran_fire_at_the_start() -> None:
    alarm = Alarm()
    await alarm.keep("x", -3_600)
    alarm.scheduler.start()
    assert await alarm.wait(0.1) == [("x", 0.0)]


@in_virtual_time
async def test_a_timer_far_ahead_is_left_to_the_store_and_read_when_its_time_comes_near() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0.1)
    await alarm.keep("x", 86_400)
    alarm.scheduler.arm("x", at(86_400))
    assert alarm.scheduler.armed_count == 0
    await alarm.wait(86_000)
    assert alarm.fired == []
    await alarm.wait(500)
    assert [round(instant) for _, instant in alarm.fired][:1] == [86_400]


@in_virtual_time
async def test_a_clock_that_is_set_forward_is_noticed_within_seconds() -> None:
    alarm = Alarm()
    await alarm.keep("x", 86_400)
    alarm.scheduler.start()
    await alarm.wait(10)
    alarm.wall.ahead_s += 86_400
    await alarm.wait(5.1)
    assert [execution_id for execution_id, _ in alarm.fired[:1]] == ["x"]


@in_virtual_time
async def test_a_clock_that_is_set_back_makes_nothing_fire_early_and_holds_nothing_for_long() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(1)
    alarm.wall.ahead_s -= 86_400
    await alarm.wait(6)
    alarm.scheduler.arm("x", at(0))  # a day ahead by now
    await alarm.wait(100)
    assert alarm.fired == []
    assert alarm.scheduler.armed_count == 0


@in_virtual_time
async def test_a_timer_that_is_not_wanted_any_more_does_not_fire() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0)
    alarm.scheduler.arm("x", at(5))
    alarm.scheduler.arm("x", None)
    assert await alarm.wait(100) == []


@in_virtual_time
async def test_a_timer_that_was_armed_anew_fires_once_and_at_its_new_instant() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0)
    for due_s in (40, 20, 30):
        alarm.scheduler.arm("x", at(due_s))
    assert await alarm.wait(100) == [("x", 30.0)]


@in_virtual_time
async def test_who_reminds_late_does_not_take_the_place_of_what_is_newer() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0)
    alarm.scheduler.arm("x", at(5))
    alarm.scheduler.remind("x", None)
    alarm.scheduler.remind("x", at(50))
    assert await alarm.wait(10) == [("x", 5.0)]


@in_virtual_time
async def test_timers_wait_a_second_at_a_time_for_a_store_that_does_not_answer() -> None:
    alarm = Alarm()
    await alarm.keep("x", 1)
    alarm.store.down = True
    alarm.scheduler.start()
    await alarm.wait(30)
    assert alarm.fired == []
    assert alarm.store.looks <= 31
    alarm.store.down = False
    await alarm.wait(1.1)
    assert [execution_id for execution_id, _ in alarm.fired[:1]] == ["x"]


@in_virtual_time
async def test_a_timer_whose_execution_cannot_be_told_is_tried_again() -> None:
    alarm = Alarm(failures=2)
    alarm.scheduler.start()
    await alarm.wait(0)
    alarm.scheduler.arm("x", at(5))
    assert await alarm.wait(20) == [("x", 5.0), ("x", 6.0), ("x", 7.0)]


@in_virtual_time
async def test_a_timer_that_fails_among_others_is_tried_again_alone() -> None:
    alarm = Alarm(failing={"y"})
    alarm.scheduler.start()
    await alarm.wait(0)
    for execution_id in "xyz":
        alarm.scheduler.arm(execution_id, at(5))
    await alarm.wait(5.5)
    alarm.failing.clear()
    assert await alarm.wait(20) == [("x", 5.0), ("y", 5.0), ("z", 5.0), ("y", 6.0)]


@in_virtual_time
async def test_what_is_due_within_a_second_is_brought_back_before_and_fires_on_time_also_when_that_fails() -> None:
    alarm = Alarm(unreadable=True)
    alarm.scheduler.start()
    await alarm.wait(0)
    for number in range(MAX_PREPARED + 500):
        alarm.scheduler.arm(f"x{number:05}", at(10))
    alarm.scheduler.arm("later", at(20))
    await alarm.wait(9.5)
    assert {instant for _, instant in alarm.prepared} == {9.0}
    assert len(alarm.prepared) <= MAX_PREPARED
    assert {instant for _, instant in await alarm.wait(1)} == {10.0}
    await alarm.wait(20)
    assert alarm.prepared[-1] == ("later", 19.0)
    assert alarm.fired[-1] == ("later", 20.0)


@in_virtual_time
async def test_timers_that_are_due_one_shortly_after_another_are_all_brought_back_before() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0)
    for number in range(500):
        alarm.scheduler.arm(f"x{number:03}", at(10 + number / 100))
    await alarm.wait(20)
    prepared, fired = dict(alarm.prepared), dict(alarm.fired)
    assert len(alarm.prepared) == len(prepared) == 500
    assert all(0.5 < fired[each] - prepared_at <= 1 for each, prepared_at in alarm.prepared)


@in_virtual_time
async def test_an_execution_that_is_firing_does_not_fire_beside_itself_and_fires_after_what_it_was_armed_for() -> None:
    alarm = Alarm()
    ended: list[float] = []

    async def arms_itself(execution_ids: Sequence[str]) -> Mapping[str, Exception]:
        if not ended:
            alarm.scheduler.arm("x", at(1))
        await asyncio.sleep(3)
        ended.append(_now())
        return {}

    alarm.scheduler = WorkflowScheduler(alarm.store, alarm.wall, arms_itself, alarm._prepare)
    alarm.scheduler.start()
    await alarm.wait(0)
    alarm.scheduler.arm("x", at(1))
    await alarm.wait(30)
    assert ended == [4.0, 7.0]


@in_virtual_time
async def test_so_many_timers_fire_at_once_and_the_others_follow() -> None:
    alarm = Alarm()
    running, most = 0, 0

    async def slowly(execution_ids: Sequence[str]) -> Mapping[str, Exception]:
        nonlocal running, most
        running += len(execution_ids)
        most = max(most, running)
        await asyncio.sleep(1)
        running -= len(execution_ids)
        alarm.fired += [(execution_id, _now()) for execution_id in execution_ids]
        return {}

    alarm.scheduler = WorkflowScheduler(alarm.store, alarm.wall, slowly, alarm._prepare)
    alarm.scheduler.start()
    await alarm.wait(0)
    for number in range(AT_ONCE * MAX_FIRING * 2):
        alarm.scheduler.arm(f"x{number}", at(1))
    await alarm.wait(10)
    assert most == AT_ONCE * MAX_FIRING
    assert len(alarm.fired) == AT_ONCE * MAX_FIRING * 2


@in_virtual_time
async def test_the_stop_waits_for_timers_that_are_firing_and_lets_no_other_begin() -> None:
    alarm = Alarm()
    ended: list[str] = []

    async def slowly(execution_ids: Sequence[str]) -> Mapping[str, Exception]:
        await asyncio.sleep(3)
        ended.extend(execution_ids)
        return {}

    alarm.scheduler = WorkflowScheduler(alarm.store, alarm.wall, slowly, alarm._prepare)
    alarm.scheduler.start()
    await alarm.wait(0)
    alarm.scheduler.arm("x", at(1))
    alarm.scheduler.arm("y", at(2))
    await alarm.wait(1.5)
    await alarm.scheduler.stop()
    assert ended == ["x"]
    await alarm.wait(10)
    assert ended == ["x"]


@in_virtual_time
async def test_timers_that_are_armed_again_and_again_take_no_room() -> None:
    alarm = Alarm()
    alarm.scheduler.start()
    await alarm.wait(0)
    for number in range(20_000):
        alarm.scheduler.arm("x", at(10 + number / 1_000))
    assert alarm.scheduler.armed_count == 1
    assert len(alarm.scheduler._heap) < 2_000


class Rearming(Alarm):
    """Whoever fires a timer finds it due, arms it, and fails."""

    async def _fire(self, execution_ids: Sequence[str]) -> Mapping[str, Exception]:
        for execution_id in execution_ids:
            self.scheduler.arm(execution_id, at(1))
        return await super()._fire(execution_ids)


@in_virtual_time
async def test_a_timer_that_fails_and_is_armed_meanwhile_is_not_fired_again_at_once() -> None:
    alarm = Rearming(failing={"x"})
    alarm.scheduler.start()
    await alarm.wait(0)
    alarm.scheduler.arm("x", at(1))
    assert [round(fired_at, 6) for _, fired_at in await alarm.wait(4.5)] == [1, 2, 3, 4]
