"""Mailboxes: found, built again, let go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from cerebelum_core.errors import Quarantined, UnknownExecution
from cerebelum_core.execution import Accepted, Answer
from cerebelum_core.registry import MAX_READING
from cerebelum_core.store import BlueprintRecord, MemoryStore
from cerebelum_engine import Approve, Cancel, FireTimers, Rejected
from cerebelum_proto.events.v1.events_pb import Event
from tests.core.hands import Bench, question, result, start
from tests.core.trouble import Trouble
from tests.simulation.virtual_time import in_virtual_time


@in_virtual_time
async def test_an_execution_that_waits_for_a_person_leaves_memory() -> None:
    bench = Bench()
    await bench.started()
    assert bench.registry.live_count == 1
    await bench.registry.tell("x", question(await bench.registry.state("x")))
    assert bench.registry.live_count == 0


@in_virtual_time
async def test_it_is_built_again_when_somebody_has_something_for_it() -> None:
    bench = Bench()
    await bench.started()
    await bench.registry.tell("x", question(await bench.registry.state("x")))
    answer = await bench.again().registry.tell("x", Approve(decided_by="ada"))
    assert isinstance(answer, Accepted)
    assert answer.state.version == 3


@in_virtual_time
async def test_callers_that_come_at_once_share_one_reading() -> None:
    bench = Bench(store=Trouble())
    await bench.started()
    cold = bench.again()
    await asyncio.gather(*(cold.registry.tell("x", FireTimers()) for _ in range(20)))
    assert cold.store.reads == 1  # type: ignore[attr-defined]  # it is the one that counts
    assert len(cold.told.loaded_states) == 1


@in_virtual_time
async def test_callers_find_it_however_soon_after_its_reading_they_come() -> None:
    bench = Bench()
    await bench.started()
    await bench.registry.tell("x", question(await bench.registry.state("x")))

    async def told_after(turns: int) -> Answer:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await bench.registry.tell("x", FireTimers())

    for latest in range(60):
        answers = await asyncio.gather(*(told_after(turns) for turns in (0, *[latest] * 9)))
        assert all(isinstance(each, Rejected) for each in answers)
        assert bench.registry.live_count == 0


@in_virtual_time
async def test_to_wake_it_waits_for_a_repeated_start_that_has_yet_to_find_that_it_began_long_ago() -> None:
    bench = Bench(store=Trouble())
    shape = await bench.started()
    cold = bench.again()
    repeated = asyncio.create_task(cold.registry.begin(start(), shape))
    await asyncio.sleep(0)
    await cold.registry.wake("x")
    assert [state.version for state in cold.told.loaded_states] == [1]
    await repeated


class SlowBlueprints(MemoryStore):
    """The first that asks for a blueprint waits for long."""

    def __init__(self) -> None:
        super().__init__()
        self.delays_s: list[float] = []

    async def blueprint(self, blueprint_hash: str) -> BlueprintRecord | None:
        await asyncio.sleep(self.delays_s.pop(0) if self.delays_s else 0)
        return await super().blueprint(blueprint_hash)


@in_virtual_time
async def test_what_a_start_has_overtaken_while_it_was_read_is_read_again() -> None:
    bench = Bench(store=(store := SlowBlueprints()))
    shape = await bench.started()
    cold = bench.again()
    store.delays_s.append(100)
    waking = asyncio.create_task(cold.registry.wake("x"))
    await asyncio.sleep(1)
    await cold.registry.begin(start(), shape)
    await cold.registry.tell("x", question(await cold.registry.state("x")))
    await waking
    assert [state.version for state in cold.told.loaded_states] == [1, 2]


@in_virtual_time
async def test_reading_its_state_does_not_wake_it() -> None:
    bench = Bench()
    await bench.started()
    cold = bench.again()
    assert (await cold.registry.state("x")).version == 1
    assert cold.registry.live_count == 0


@in_virtual_time
async def test_of_too_many_the_ones_that_rested_longest_are_let_go() -> None:
    bench = Bench(max_live=3)
    for number in range(5):
        await bench.started(f"x{number}")
    assert bench.registry.live_count == 3
    await bench.registry.tell("x0", result(await bench.registry.state("x0")))
    assert bench.registry.live_count == 3


@in_virtual_time
async def test_there_is_no_execution_that_was_not_started() -> None:
    bench = Bench()
    with pytest.raises(UnknownExecution, match="no execution 'nobody'"):
        await bench.registry.tell("nobody", FireTimers())
    with pytest.raises(UnknownExecution):
        await bench.registry.state("nobody")
    assert bench.registry.live_count == 0


@in_virtual_time
async def test_a_caller_that_goes_away_while_it_is_read_leaves_nothing_in_memory() -> None:
    bench = Bench(store=Trouble())
    await bench.started()
    await bench.registry.tell("x", question(await bench.registry.state("x")))
    telling = asyncio.ensure_future(bench.registry.tell("x", FireTimers()))
    await asyncio.sleep(0.001)
    telling.cancel()
    await asyncio.sleep(1)
    assert bench.registry.live_count == 0


@in_virtual_time
async def test_a_history_that_does_not_begin_with_its_start_is_named() -> None:
    bench = Bench()
    await bench.started()
    history = bench.store._histories  # type: ignore[attr-defined]  # a memory store
    history["x"] = [replace(Event.from_bytes(history["x"][0]), fact=None).to_bytes()]
    with pytest.raises(ValueError, match="the history of 'x' does not begin with its start"):
        await bench.again().registry.tell("x", FireTimers())


class Counting(MemoryStore):
    """A store that notes how many histories each look asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[int] = []

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        self.looks.append(len(execution_ids))
        return await super().histories(execution_ids, limit=limit)


@in_virtual_time
async def test_many_are_told_with_one_look_at_the_store_and_those_that_cannot_be_had_spoil_nothing() -> None:
    store = Counting()
    bench = Bench(store=store)
    for execution_id in ("x1", "x2", "broken"):
        await bench.started(execution_id)
    store._histories["broken"] = [Event(execution_id="broken", version=1).to_bytes()]
    cold = bench.again()
    answers = await cold.registry.tell_each(["x1", "broken", "x2", "nobody"], Cancel())
    assert store.looks[0] == 4
    assert all(isinstance(answers[each], Accepted) for each in ("x1", "x2"))
    assert isinstance(answers["broken"], ValueError)
    assert isinstance(answers["nobody"], UnknownExecution)
    assert len(store.looks) == 3  # those two again, each alone


class Slow(MemoryStore):
    """A store whose reads take a second; how many were under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = self.most = 0

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(1)
        self.under_way -= 1
        return await super().histories(execution_ids, limit=limit)


@in_virtual_time
async def test_no_more_reads_of_many_are_under_way_than_others_can_wait_for() -> None:
    store = Slow()
    bench = Bench(store=store)
    names = [f"x{number}" for number in range(20)]
    for name in names:
        await bench.started(name)
    cold = bench.again()
    answers = await asyncio.gather(*(cold.registry.tell_each(names[at : at + 2], Cancel()) for at in range(0, 20, 2)))
    assert store.most == MAX_READING
    assert all(isinstance(answer, Accepted) for each in answers for answer in each.values())


@in_virtual_time
async def test_one_that_is_set_aside_is_not_brought_back_with_others() -> None:
    bench = Bench()
    for execution_id in ("bad", "good"):
        await bench.started(execution_id)
    cold = bench.again()
    while cold.registry._supervisor.crashed("bad", ValueError("a bug")):
        pass
    await cold.registry.gather(["bad", "good"])
    assert [state.execution_id for state in cold.told.loaded_states] == ["good"]
    answers = await cold.registry.tell_each(["bad", "good"], Cancel())
    assert isinstance(answers["bad"], Quarantined)
    assert isinstance(answers["good"], Accepted)


@in_virtual_time
async def test_who_wants_an_execution_that_is_being_read_with_others_waits_for_that_read() -> None:
    store = Counting()
    bench = Bench(store=store)
    await bench.started("x1")
    await bench.started("x2")
    cold = bench.again()
    many, one = cold.registry.tell_each(["x1", "x2"], FireTimers()), cold.registry.tell("x2", Cancel())
    answers, alone = await asyncio.gather(many, one)
    assert store.looks == [2]
    assert isinstance(alone, Accepted)
    assert [type(answer) for answer in answers.values()] == [Rejected, Rejected]
