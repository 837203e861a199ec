"""What `cerebelum doctor` says of an installation."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

from cerebelum_cli.exits import Exit
from cerebelum_codegen.runtime import wire
from tests.cli.command_line import cerebelum


def test_it_tells_versions_and_which_build_of_the_codec_runs(tmp_path: Path) -> None:
    ran = cerebelum("doctor", "--json", folder=tmp_path)
    assert ran.code == Exit.OK
    found = json.loads(ran.out)
    assert found["cerebelum"] == version("cerebelum")
    assert found["python"].startswith(platform.python_version())
    assert found["codec"] == ("plain Python" if wire.__file__.endswith(".py") else "compiled")
    assert found["engine"] == found["codec"]
    assert found["sqlite"].endswith(f"(apsw {version('apsw')})")


def test_a_person_gets_a_line_for_each(tmp_path: Path) -> None:
    lines = cerebelum("doctor", folder=tmp_path).out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "cerebelum", "python", "codec", "engine", "sqlite", "postgres", "hpack", "event loop",
    ]  # fmt: skip
