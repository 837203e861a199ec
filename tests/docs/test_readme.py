"""The README's code and commands do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cerebelum_cli.exits import Exit
from cerebelum_proto.events.v1 import events_pb as ev
from tests.cli.command_line import cerebelum
from tests.docs.pages import PAGES, PROJECT, blocks
from tests.e2e.stage import stage, until

README = PROJECT / "README.md"


def _first_workflow(folder: Path) -> None:
    """The README's module, with its sleep shortened."""
    (source,) = blocks(README, "python")
    (folder / "orders.py").write_text(source.replace("timedelta(seconds=2)", "timedelta(milliseconds=20)"))


def _command(beginning: str) -> list[str]:
    """The arguments of the README's command that begins like this."""
    line = next(line for line in README.read_text().splitlines() if line.startswith(beginning))
    return shlex.split(line, comments=True)[1:]


def test_the_first_workflow_runs_locally_as_it_says(tmp_path: Path) -> None:
    _first_workflow(tmp_path)
    ran = cerebelum(*_command("cerebelum run orders:order --local"), folder=tmp_path)
    assert ran.code == Exit.OK
    assert '{"shipped": "order 7 is on the shelf", "signature": "no signature needed"}' in ran.out


async def test_the_first_workflow_runs_on_a_core_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _first_workflow(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker(module="orders")
        for beginning in ("cerebelum run orders:order --input", "cerebelum status", "cerebelum approve"):
            ran = cerebelum(*_command(beginning), folder=tmp_path, CEREBELUM_URL=on.core.address)
            assert ran.code == Exit.OK, ran.err
            if beginning.startswith("cerebelum run"):
                await until(client, "order-8", ev.ApprovalRequested)
        ran = cerebelum(*_command("cerebelum history"), folder=tmp_path, CEREBELUM_URL=on.core.address)
    assert "approved by Ada" in ran.out
    assert ran.out.rstrip().endswith("completed")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for path in re.findall(r"`((?:tests|docs|proto|codegen|generated|examples)/[\w./-]+)`", page.read_text()):
        assert (PROJECT / path).exists(), f"{page.name} names {path}"
