"""Two services that share only a .proto file do what the sample's README says, through a kill -9 of everything."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from cerebelum_cli.processes import CoreProcess, Process, worker_process
from cerebelum_client import CerebelumClient
from cerebelum_codegen.plugin.program import include_path
from cerebelum_proto.events.v1 import events_pb as ev
from tests.codegen.generating import PROJECT, run
from tests.e2e.stage import history, recorded, until

LONGEST_S = 60.0
"""A bound on every wait, not an expectation."""
pytestmark = pytest.mark.xdist_group("orders")


@dataclass
class Place:
    """The sample, a Core on a file, and a worker."""

    folder: Path
    core: CoreProcess
    worker: Process

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, **paths(self.folder), "CEREBELUM_URL": self.core.address}

    async def start(self) -> None:
        await self.core.start()
        self.worker.arguments = ("worker", "warehouse.work", "--core", self.core.address)
        await self.worker.start()

    async def kill(self) -> None:
        await self.worker.kill()
        await self.core.kill()

    async def storefront(self, *arguments: str) -> list[str]:
        """What a program of the storefront says, line by line, once it has ended."""
        return await self.said(sys.executable, "-m", *arguments)

    async def said(self, *command: str) -> list[str]:
        child = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self.environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(child.communicate(), LONGEST_S)
        assert child.returncode == 0, out
        return out.decode().splitlines()


def paths(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{folder}:{folder}/generated"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample, generated."""
    folder = tmp_path_factory.mktemp("sample") / "orders"
    shutil.copytree(PROJECT / "examples/orders", folder, ignore=shutil.ignore_patterns("node_modules", "generated"))
    shutil.copytree(include_path() / "cerebelum", folder / "include/cerebelum", dirs_exist_ok=True)
    run("buf", "generate", cwd=folder)
    return folder


@pytest.fixture
async def place(sample: Path, tmp_path: Path) -> AsyncIterator[Place]:
    core = CoreProcess(folder=tmp_path)
    place = Place(sample, core, worker_process(tmp_path, "", "warehouse.work", environment=paths(sample)))
    await place.start()
    try:
        yield place
    finally:
        await place.kill()


def test_its_contract_passes_buf_s_lint_and_its_code_mypy(sample: Path) -> None:
    assert run("buf", "lint", cwd=sample).stdout == ""
    assert "Success" in run(sys.executable, "-m", "mypy", cwd=sample).stdout


async def test_an_order_outlives_kills_of_the_core_and_the_worker(place: Place) -> None:
    async with CerebelumClient(place.core.address) as client:
        ordering = asyncio.create_task(place.storefront("storefront.order", "7", "book", "pen"))
        await until(client, await started(client), ev.SleepStarted)
        await place.kill()  # while the glue dries
        await place.start()
        told = await ordering
        assert told[:3] == ["started order/7", "paid: pay-7-1500", "packed: 0.8 kg"]
        assert told[3].startswith("is 12 Hay Lane right?")
        await place.kill()  # while it waits for an answer
        await place.start()
        answered = await place.storefront("storefront.answer", "7", "1 Main Street")
        assert answered == ["track-7 is on its way to 1 Main Street"]
        assert set(recorded(await history(client, "order/7")).values()) == {1}, "each step's answer counts once"


async def started(client: CerebelumClient) -> str:
    """The id of the one execution, once there is one."""
    async with asyncio.timeout(LONGEST_S):
        while not (found := (await client.executions.list()).executions):
            await asyncio.sleep(0.02)
    return found[0].execution_id


async def test_what_is_out_of_stock_takes_its_own_way(place: Place) -> None:
    assert await place.storefront("storefront.order", "9", "shoe") == [
        "started order/9",
        "it is out of stock, and on the list",
    ]


# -- TypeScript ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def typescript(sample: Path) -> Path:
    """The TypeScript storefront, compiled. Its packages are kept in the cache."""
    folder = sample / "typescript"
    if shutil.which("npm") is None:
        pytest.skip("the TypeScript storefront needs Node.js, which is not installed here")
    packages = (folder / "package.json").read_bytes()
    kept = PROJECT / ".cache" / f"storefront-{sha256(packages).hexdigest()[:12]}"
    if not (kept / "node_modules").is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "package.json").write_bytes(packages)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=kept, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode != 0:
            shutil.rmtree(kept)
            pytest.skip(f"npm cannot install the packages of the TypeScript storefront: {done.stderr[-300:]}")
    (folder / "node_modules").symlink_to(kept / "node_modules")
    for script in ("generate", "build"):
        run("npm", "run", "--silent", script, cwd=folder)
    return folder / "dist"


async def test_a_client_in_another_language_starts_the_same_workflow(place: Place, typescript: Path) -> None:
    order = ["node", str(typescript / "order.js")]
    assert await place.said(*order, "9", "shoe") == ["started order/9", "order 9 is out of stock"]
    ordering = asyncio.create_task(place.said(*order, "10", "book"))
    assert await place.storefront("storefront.order", "10", "book"), "the same id and inputs are the same execution"
    await place.storefront("storefront.answer", "10", "Quay 3")
    assert await ordering == ["started order/10", "track-10 is on its way to Quay 3"]
