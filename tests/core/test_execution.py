"""One execution as a mailbox: what is decided together, and what it does when the store fails or something crashes."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core import execution as execution_module
from cerebelum_core.errors import Quarantined, StoreUnavailable
from cerebelum_core.execution import Accepted, Answer
from cerebelum_engine import Cancel, Command, FireTimers, Owed, Reason, Rejected, State, carry_out, compile_blueprint
from tests.core.hands import FLOW, Bench, HandClock, result, start
from tests.core.trouble import Trouble
from tests.simulation.virtual_time import in_virtual_time


@in_virtual_time
async def test_the_same_start_twice_begins_once_and_another_one_is_refused() -> None:
    bench = Bench()
    shape = await bench.started()
    again = await bench.again().registry.begin(start(), shape)
    assert isinstance(again, Accepted)
    assert not again.events
    other = await bench.registry.begin(start(inputs="other"), shape)
    assert isinstance(other, Rejected)
    assert other.reason is Reason.ALREADY_EXISTS


@in_virtual_time
async def test_a_hundred_starts_under_one_id_begin_it_once() -> None:
    bench = Bench(store=Trouble())
    await bench.blueprints.submit(FLOW)
    shape = compile_blueprint(FLOW)
    answers = await asyncio.gather(*(bench.registry.begin(start(), shape) for _ in range(100)))
    assert sum(bool(answer.events) for answer in answers if isinstance(answer, Accepted)) == 1
    assert len(await bench.store.read("x")) == 1


@in_virtual_time
async def test_commands_that_come_while_it_writes_share_the_next_append() -> None:
    store = Trouble()
    bench = Bench(store=store)
    await bench.started()
    before = store.appends
    state = await bench.registry.state("x")
    await asyncio.gather(
        bench.registry.tell("x", result(state)), *(bench.registry.tell("x", Cancel(reason="enough")) for _ in range(9))
    )
    assert store.appends - before <= 2


@in_virtual_time
async def test_a_caller_that_goes_away_does_not_take_its_command_with_it() -> None:
    bench = Bench(store=Trouble())
    await bench.started()
    telling = asyncio.ensure_future(bench.registry.tell("x", result(await bench.registry.state("x"))))
    await asyncio.sleep(0.001)
    telling.cancel()
    await asyncio.sleep(1)
    assert (await bench.registry.state("x")).version == 2


# -- when the store fails ----------------------------------------------------------------------


@in_virtual_time
async def test_an_append_that_failed_is_made_again() -> None:
    store = Trouble()
    bench = Bench(store=store)
    await bench.started()
    store.fates = ["fails", "fails"]
    answer = await bench.registry.tell("x", result(await bench.registry.state("x")))
    assert isinstance(answer, Accepted)
    assert answer.state.version == 2


@in_virtual_time
async def test_an_append_whose_answer_was_lost_counts_once_and_its_effects_are_told() -> None:
    store = Trouble()
    bench = Bench(store=store)
    await bench.started()
    store.fates = ["is lost"]
    answer = await bench.registry.tell("x", result(await bench.registry.state("x")))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.DUPLICATE
    assert bench.told.loaded_states[-1].version == 2
    assert len(await store.read("x")) == 2


@in_virtual_time
async def test_an_append_knows_the_row_that_is_stored_unless_nobody_can_tell() -> None:
    bench = Bench(store=(store := Trouble()))
    await bench.started()
    store.fates = ["is lost"]
    await bench.registry.tell("x", result(await bench.registry.state("x")))
    await bench.registry.tell("x", result(await bench.registry.state("x")))
    assert store.known == [False, True, False]


@in_virtual_time
async def test_while_nobody_knows_the_caller_is_told_so_and_somebody_must_ask_again() -> None:
    store = Trouble()
    bench = Bench(store=store)
    await bench.started()
    store.fates, store.readable = ["is lost"], False
    with pytest.raises(StoreUnavailable):
        await bench.registry.tell("x", result(await bench.registry.state("x")))
    assert bench.told.doubts == ["x"]
    store.readable = True
    await bench.registry.tell("x", FireTimers())
    assert bench.told.loaded_states[-1].version == 2


@in_virtual_time
async def test_a_start_that_failed_leaves_nothing_behind() -> None:
    store = Trouble()
    bench = Bench(store=store)
    store.fates = ["fails"] * 10
    with pytest.raises(StoreUnavailable):
        await bench.started()
    assert bench.registry.live_count == 0
    store.fates = []
    await bench.started()
    assert (await bench.registry.state("x")).version == 1


# -- when something crashes --------------------------------------------------------------------


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a cancellation of execution `bad` still crashes the engine."""
    if not execution_module.__file__.endswith(".py"):
        pytest.skip("compiled modules call each other directly: no bug can be put between them")
    left = [0]

    def crashing(state: State, command: Command, now: Timestamp) -> object:
        if state.execution_id == "bad" and isinstance(command, Cancel) and left[0] > 0:
            left[0] -= 1
            raise ValueError("a bug")
        return carry_out(state, command, now)

    monkeypatch.setattr(execution_module, "carry_out", crashing)
    return left


@in_virtual_time
async def test_a_crash_is_survived_by_building_the_execution_again(crashes: list[int]) -> None:
    bench = Bench()
    await bench.started("bad")
    crashes[0] = 2
    assert isinstance(await bench.registry.tell("bad", Cancel()), Accepted)


@in_virtual_time
async def test_one_that_keeps_crashing_is_set_aside_and_harms_no_other(crashes: list[int]) -> None:
    bench = Bench()
    await bench.started("bad")
    await bench.started("good")
    crashes[0] = 100
    for _ in range(2):
        with pytest.raises((ValueError, Quarantined)):
            await bench.registry.tell("bad", Cancel())
    with pytest.raises(Quarantined, match="'bad' is set aside after 4 crashes"):
        await bench.registry.tell("bad", FireTimers())
    answer = await bench.registry.tell("good", Cancel())
    assert isinstance(answer, Accepted)
    assert len(await bench.store.read("bad")) == 1


@in_virtual_time
async def test_a_reply_that_fails_keeps_no_other_command_waiting(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(store=Trouble())
    await bench.started()

    def failing(_: Answer | Exception) -> None:
        raise RuntimeError("a caller with a bug")

    bench.registry.post("x", result(await bench.registry.state("x")), failing)
    answer = await bench.registry.tell("x", Cancel())
    assert isinstance(answer, Accepted)
    assert "a caller with a bug" in caplog.text


@pytest.mark.parametrize("where", ["it decides", "it takes what is durable", "it replies"])
def test_one_that_is_interrupted_leaves_nobody_without_an_answer_and_is_read_anew(where: str) -> None:
    bench, strikes = Bench(), [where]
    answers: dict[str, list[Answer | Exception]] = {"first": [], "second": []}

    def strike(here: str) -> None:
        if strikes == [here]:
            strikes.clear()
            raise KeyboardInterrupt

    class Struck(HandClock):
        def now(self) -> Timestamp:
            strike("it decides")
            return super().now()

    def committed(state: State, owed: Owed) -> None:
        strike("it takes what is durable")

    def reply(name: str, answer: Answer | Exception) -> None:
        answers[name].append(answer)
        strike("it replies")

    async def after() -> Answer:
        async with asyncio.timeout(5):
            await bench.registry.settle()
            return await bench.registry.tell("x", Cancel())

    loop = asyncio.new_event_loop()
    loop.run_until_complete(bench.started())
    done = result(loop.run_until_complete(bench.registry.state("x")))
    bench.told.committed, bench.registry._live["x"]._clock = committed, Struck()  # type: ignore[method-assign]
    loop.call_soon(bench.registry.post, "x", done, partial(reply, "first"))
    loop.call_soon(bench.registry.post, "x", FireTimers(), partial(reply, "second"))
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert isinstance(loop.run_until_complete(after()), Accepted)
    loop.close()
    assert [len(told) for told in answers.values()] == [1, 1]
    assert bench.told.doubts == ["x"]


@in_virtual_time
async def test_one_that_cannot_find_out_any_more_leaves_nobody_without_an_answer() -> None:
    bench = Bench(store=(store := Trouble()))
    await bench.started()
    store.fates = ["fails"]
    ours = {asyncio.current_task()}
    ours.add(telling := asyncio.ensure_future(bench.registry.tell("x", Cancel())))
    await asyncio.sleep(0.015)
    for task in asyncio.all_tasks() - ours:
        task.cancel()  # as a loop does that ends
    with pytest.raises(StoreUnavailable, match="'x' was interrupted"):
        await telling
    await bench.registry.settle()
    assert isinstance(await bench.registry.tell("x", Cancel()), Accepted)
