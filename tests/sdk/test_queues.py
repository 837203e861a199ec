"""Queues as people use them: a step names one, a worker serves some, and who starts an execution may choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from cerebelum import CerebelumError, DistributedExecutor, Worker, WorkflowBuilder, step, testing, workflow
from cerebelum.embedded import embedded_core
from cerebelum_client import InvalidRequest
from cerebelum_proto.events.v1.events_pb import StepCompleted
from tests.sdk.test_streams import Core


@step
async def read(inputs: int) -> int:
    return inputs


@step(queue="gpu")
async def train(read: int) -> int:
    return read * 2


@step(queue="default")
async def tell(train: int) -> int:
    return train


@workflow(queue="cpu")
def model(wf: WorkflowBuilder) -> None:
    wf.timeline(read >> train >> tell)


@asynccontextmanager
async def working(core: Core, **workers: Sequence[str]) -> AsyncIterator[DistributedExecutor]:
    """Workers by their ids, each with the queues that it serves."""
    made = [Worker(core, workflows=[model], worker_id=name, queues=queues) for name, queues in workers.items()]
    readies = [asyncio.Event() for _ in made]
    running = [asyncio.create_task(each.run(ready.set)) for each, ready in zip(made, readies, strict=True)]
    await asyncio.gather(*(ready.wait() for ready in readies))
    try:
        yield DistributedExecutor(core)
    finally:
        for each in made:
            each.stop()
        await asyncio.gather(*running)


async def who_ran(core: Core, execution_id: str) -> dict[str, str]:
    facts = [event.fact async for event in core.executions.history(execution_id)]
    return {fact.step: fact.worker_id for fact in facts if isinstance(fact, StepCompleted)}


BY_QUEUE = {"read": "small", "train": "big", "tell": "plain"}


@pytest.mark.parametrize("streams", [True, False], ids=["streams", "polls"])
async def test_each_step_runs_where_its_queue_is_served(streams: bool) -> None:
    async with embedded_core("memory://") as inner:
        core = Core(inner, streams=streams)
        async with working(core, small=["cpu"], big=["gpu"], plain=(), other=["canary"]) as executor:
            handle = await executor.submit(model, 3)
            assert (await handle.result()).output == 6
            assert await who_ran(core, handle.execution_id) == BY_QUEUE
            sent = await executor.submit(model, 3, queue="canary")
            assert (await sent.result()).output == 6
            assert set((await who_ran(core, sent.execution_id)).values()) == {"other"}


async def test_every_way_to_start_takes_a_queue() -> None:
    async with embedded_core("memory://") as inner:
        core = Core(inner)
        async with working(core, other=["canary"]) as executor, executor.stream() as stream:
            assert (await executor.execute(model, 1, queue="canary")).output == 2
            assert (await stream.execute(model, 2, queue="canary")).output == 4
            with pytest.raises(InvalidRequest, match="queue 'two words' is no name"):
                await executor.submit(model, 1, queue="two words")
            with pytest.raises(InvalidRequest, match="queue 'two words' is no name"):
                await stream.execute(model, 1, queue="two words")


async def test_an_execution_that_no_worker_serves_says_so_until_one_comes() -> None:
    async with embedded_core("memory://") as inner:
        core = Core(inner)
        async with working(core, big=["gpu"]) as executor:
            handle = await executor.submit(model, 3)
            (told,) = await handle.why()
            assert (told.standing, told.step, told.queue) == ("no_worker", "read", "cpu")
            assert told.message.startswith("no worker with its code serves queue 'cpu'; 1 worker with it serves 'gpu'")
            async with working(core, rest=["cpu", "default"]):
                assert (await handle.result()).output == 6


async def test_a_durable_run_in_one_process_serves_every_queue_of_its_workflow() -> None:
    assert (await model.execute(3, store="memory://")).output == 6
    assert (await model.execute(3)).output == 6


async def test_a_test_serves_every_queue_of_its_workflows_unless_it_says_which() -> None:
    async with testing.core([model]) as core:
        assert await core.output(await core.start(model, 3)) == 6
    async with testing.core([model], queues=["canary"]) as core:
        assert await core.output(await core.start(model, 3, queue="canary")) == 6
        with pytest.raises(CerebelumError, match="no worker with its code serves queue 'cpu'; 1 worker with it serves"):
            await core.output(await core.start(model, 3))
