"""A long history is folded from its last snapshot; without one, or with one that cannot be read, from its start."""

from __future__ import annotations

from collections.abc import Sequence

from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import SystemClock
from cerebelum_core.execution import head_of
from cerebelum_core.reconstructor import StateReconstructor
from cerebelum_core.store import Append, MemoryStore
from cerebelum_engine import StartExecution, State, compile_blueprint, decide, evolve, new, owed_by
from cerebelum_proto.events.v1.events_pb import AttemptLost, Event
from cerebelum_proto.types.v1.types_pb import Payload
from tests.engine.play import submitted

EVERY = 10


class CountingStore(MemoryStore):
    """Notes how many events were read, and can lose its snapshots' meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.events_read = 0

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        found = await super().read(execution_id, after_version=after_version, limit=limit)
        self.events_read += len(found)
        return found


class Stage:
    """One execution whose task is lost again and again, each loss an event."""

    def __init__(self) -> None:
        self.store = CountingStore()
        self.blueprints = BlueprintRegistry(self.store, SystemClock())
        self.state: State

    def reconstructor(self) -> StateReconstructor:
        return StateReconstructor(self.store, self.blueprints, EVERY)

    async def start(self) -> None:
        blueprint = submitted("a", "b")
        await self.blueprints.submit(blueprint)
        command = StartExecution(execution_id="x", workflow="play", inputs=Payload())
        self.state = new(compile_blueprint(blueprint))
        events = decide(self.state, command, SystemClock().now())
        assert isinstance(events, tuple)
        await self.add(*events)

    async def add(self, *events: Event) -> None:
        before = self.state.version
        for event in events:
            self.state = evolve(self.state, event)
        head = head_of(self.state, owed_by(self.state))
        await self.store.append(Append(execution_id="x", expected_version=before, events=list(events), head=head))

    async def grow(self, to_version: int, reconstructor: StateReconstructor | None = None) -> None:
        while self.state.version < to_version:
            await self.add(
                Event(
                    execution_id="x",
                    version=self.state.version + 1,
                    recorded_at=SystemClock().now(),
                    fact=AttemptLost(step="a"),
                )
            )
            if reconstructor is not None:
                reconstructor.grown(self.state)
                await reconstructor.settle()


async def test_a_short_history_is_read_at_one_go_and_has_no_snapshot() -> None:
    stage = Stage()
    await stage.start()
    await stage.grow(EVERY - 1, stage.reconstructor())
    assert await stage.reconstructor().read("x") == stage.state
    assert await stage.store.snapshot("x") is None
    assert await stage.reconstructor().read("y") is None


async def test_a_long_history_is_read_from_its_last_snapshot_whatever_its_length() -> None:
    stage = Stage()
    await stage.start()
    await stage.grow(1_003, stage.reconstructor())
    snapshot = await stage.store.snapshot("x")
    assert snapshot is not None
    assert snapshot.version == 1_000
    stage.store.events_read = 0
    assert await stage.reconstructor().read("x") == stage.state
    assert stage.store.events_read == EVERY + 1 + 3


async def test_after_a_restart_the_next_snapshot_comes_after_the_last_one() -> None:
    stage = Stage()
    await stage.start()
    await stage.grow(25, stage.reconstructor())
    again = stage.reconstructor()
    await again.read("x")
    await stage.grow(29, again)
    assert (await stage.store.snapshot("x") or stage.state).version == 20
    await stage.grow(31, again)
    assert (await stage.store.snapshot("x") or stage.state).version == 30


async def test_without_a_snapshot_or_with_one_of_another_engine_the_history_is_folded() -> None:
    stage = Stage()
    await stage.start()
    await stage.grow(55)
    assert await stage.reconstructor().read("x") == stage.state
    await stage.grow(70, stage.reconstructor())
    snapshot = await stage.store.snapshot("x")
    assert snapshot is not None
    snapshot.version, snapshot.shape = 71, "another"
    await stage.store.put_snapshot(snapshot)
    assert await stage.reconstructor().read("x") == stage.state
    snapshot.version, snapshot.blueprint_hash = 72, "nobody's"
    await stage.store.put_snapshot(snapshot)
    assert await stage.reconstructor().read("x") == stage.state
