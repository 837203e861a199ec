"""What a Core wakes at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.resurrector import Resurrector
from cerebelum_core.store import MemoryStore
from cerebelum_proto.events.v1.events_pb import Event
from tests.core.hands import Bench, question, start
from tests.simulation.virtual_time import in_virtual_time


class Faltering(MemoryStore):
    """A store that fails the first times that it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self.unread = 0
        """How many single histories cannot be read yet."""

    async def ready(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        self._falter()
        return await super().ready(after=after, limit=limit)

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        if self.unread > 0:
            self.unread -= 1
            raise StoreUnavailable("not yet")
        return await super().read(execution_id, after_version=after_version, limit=limit)

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        self._falter()
        return await super().histories(execution_ids, limit=limit)

    def _falter(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise StoreUnavailable("not yet")


@in_virtual_time
async def test_executions_that_owe_a_task_are_woken_and_sleepers_are_left_on_disk() -> None:
    bench = Bench()
    await bench.started("x1")
    await bench.started("x2")
    await bench.registry.tell("x1", question(await bench.registry.state("x1")))
    cold = bench.again()
    assert await Resurrector(bench.store, cold.registry, 1).run() == 1
    assert [state.execution_id for state in cold.told.loaded_states] == ["x2"]
    assert cold.registry.live_count == 1


@in_virtual_time
async def test_more_than_a_page_of_them_are_woken() -> None:
    bench = Bench(max_live=10)
    for number in range(1_203):
        await bench.started(f"x{number:05}")
    cold = bench.again()
    assert await Resurrector(bench.store, cold.registry, 1).run() == 1_203
    assert len(cold.told.loaded_states) == 1_203


@in_virtual_time
async def test_a_store_that_does_not_answer_yet_is_asked_again() -> None:
    bench = Bench(store=Faltering())
    await bench.started("x1")
    await bench.started("x2")
    cold = bench.again()
    bench.store.failures = 5  # type: ignore[attr-defined]  # it is the one that falters
    assert await Resurrector(bench.store, cold.registry, 1).run() == 2
    assert len(cold.told.loaded_states) == 2


@in_virtual_time
async def test_one_whose_repeated_start_found_nothing_out_is_read_all_the_same() -> None:
    bench = Bench(store=(store := Faltering()))
    shape = await bench.started("x1")
    cold = bench.again()
    store.unread = 5
    repeated = asyncio.create_task(cold.registry.begin(start("x1"), shape))
    await asyncio.sleep(0)
    assert await Resurrector(store, cold.registry, 1).run() == 1
    assert [state.execution_id for state in cold.told.loaded_states] == ["x1"]
    await asyncio.wait([repeated])
    assert isinstance(repeated.exception(), StoreUnavailable)


@in_virtual_time
async def test_one_that_cannot_be_read_keeps_no_other_asleep(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    await bench.started("x1")
    await bench.started("x2")
    bench.store._histories["x1"] = [Event(execution_id="x1", version=1).to_bytes()]  # type: ignore[attr-defined]
    cold = bench.again()
    await Resurrector(bench.store, cold.registry, 1).run()
    assert [state.execution_id for state in cold.told.loaded_states] == ["x2"]
    assert "execution x1 cannot be brought back; the others go on" in caplog.text
