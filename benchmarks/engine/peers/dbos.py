"""DBOS on SQLite, as it is shipped: library and caller in one process."""

from __future__ import annotations

import asyncio
import json
import tempfile

from dbos import DBOS

from benchmarks.engine.loops import arguments, closed_loop, figure_of, warmed


@DBOS.step()
async def add_one(number: int) -> int:
    return number + 1


@DBOS.workflow()
async def five(number: int) -> int:
    for _ in range(5):
        number = await add_one(number)
    return number


@DBOS.workflow()
async def one(number: int) -> int:
    return await add_one(number)


async def call_five(number: int) -> None:
    handle = await DBOS.start_workflow_async(five, number)
    if await handle.get_result() != number + 5:
        raise AssertionError(number)


async def call_one(number: int) -> None:
    handle = await DBOS.start_workflow_async(one, number)
    if await handle.get_result() != number + 1:
        raise AssertionError(number)


async def measure() -> None:
    given = arguments()
    for concurrency in given.concurrency:
        for run, steps in ((call_five, 5), (call_one, 1)) if concurrency == 1 else ((call_five, 5),):
            await warmed(run, concurrency)
            rounds = [await closed_loop(run, concurrency) for _ in range(given.rounds)]
            how = {"starts": "each its own call", "store": "sqlite", "concurrency": concurrency}
            print(json.dumps({**how, **figure_of(rounds, steps)}), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dbos-benchmark-") as folder:
        DBOS(
            config={
                "name": "benchmark",
                "system_database_url": f"sqlite:///{folder}/dbos.sqlite",
                "log_level": "ERROR",
                "run_admin_server": False,
            }
        )
        DBOS.launch()
        asyncio.run(measure())


if __name__ == "__main__":
    main()
