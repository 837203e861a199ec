"""Turns: what can wait takes as long as what could not took, and then lets it go first."""

from __future__ import annotations

import asyncio

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.execution import Accepted
from cerebelum_core.turns import LEAST_NS, MOST_NS, Turns
from cerebelum_engine import Cancel
from tests.core.hands import Bench, HandClock
from tests.simulation.virtual_time import in_virtual_time


async def length_ns(others_ns: int) -> int:
    """Of a turn, when others had so much to do before."""
    clock = HandClock()
    turns = Turns(clock)
    asyncio.get_running_loop().call_soon(clock.pass_s, others_ns / 1e9)
    await turns.take()
    begun_ns = clock.now_ns
    while not turns.is_over:
        clock.now_ns += 100_000
    return clock.now_ns - begun_ns


@in_virtual_time
async def test_a_turn_is_as_long_as_what_others_had_to_do_within_limits() -> None:
    assert await length_ns(0) == LEAST_NS
    assert await length_ns(7_000_000) == 7_000_000
    assert await length_ns(900_000_000) == MOST_NS


@in_virtual_time
async def test_those_that_want_a_turn_have_one_after_another_and_the_loop_goes_round_in_between() -> None:
    turns, said = Turns(HandClock()), list[str]()

    async def work(name: str) -> None:
        for _ in range(2):
            await turns.take()
            said.append(name)

    async def others() -> None:
        while len(said) < 4:
            before = len(said)
            await asyncio.sleep(0)
            assert len(said) <= before + 1

    await asyncio.gather(work("a"), work("b"), others())
    assert said == ["a", "b", "a", "b"]


class BusyClock(HandClock):
    """Every look at it takes a millisecond."""

    def now(self) -> Timestamp:
        self.now_ns += 1_000_000
        return super().now()


@in_virtual_time
async def test_who_tells_one_execution_something_does_not_wait_for_who_tells_many() -> None:
    bench = Bench(clock=BusyClock())
    many = [f"x{number}" for number in range(50)]
    for name in (*many, "one"):
        await bench.started(name)
    bench.told.committed_states.clear()
    telling = asyncio.create_task(bench.registry.tell_each(many, Cancel()))
    await asyncio.sleep(0)
    assert isinstance(await bench.registry.tell("one", Cancel()), Accepted)
    assert len(bench.told.committed_states) < 10
    assert all(isinstance(answer, Accepted) for answer in (await telling).values())


@in_virtual_time
async def test_who_wants_one_execution_does_not_wait_until_many_are_read() -> None:
    bench = Bench(clock=BusyClock())
    many = [f"x{number}" for number in range(50)]
    for name in (*many, "one"):
        await bench.started(name)
    cold = bench.again()
    reading = asyncio.create_task(cold.registry.gather(many))
    await asyncio.sleep(0)
    assert isinstance(await cold.registry.tell("one", Cancel()), Accepted)
    assert cold.registry.live_count < 25
    await reading
    assert cold.registry.live_count == 50
