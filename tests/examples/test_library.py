"""The sample project does what its README says, with the wheel and in an environment of its own."""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.codegen.generating import PROJECT


@dataclass(frozen=True)
class Sample:
    folder: Path
    bin: Path

    @property
    def environment(self) -> dict[str, str]:
        tools = Path(sys.executable).parent
        return {"PATH": f"{self.bin}:{tools}:/usr/bin:/bin", "PYTHONPATH": f"{self.folder}:{self.folder}/generated"}

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A copy of the project, the wheel installed; what else it takes is lent by this environment."""
    folder = tmp_path_factory.mktemp("sample")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(PROJECT)], check=True)
    venv.create(folder / "env", with_pip=False)
    python, wheel = folder / "env/bin/python", next(folder.glob("*.whl"))
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    packages = next((folder / "env/lib").glob("python*/site-packages"))
    (packages / "lent.pth").write_text("\n".join(site.getsitepackages()))
    shutil.copytree(PROJECT / "examples" / "library", folder / "library")
    made = Sample(folder / "library", folder / "env/bin")
    made.run("buf", "generate")
    return made


@pytest.fixture
def port(sample: Sample) -> Iterator[str]:
    """Where the sample's server listens."""
    command = [str(sample.bin / "python"), "-m", "library_service.serve"]
    with subprocess.Popen(
        command, cwd=sample.folder, env=sample.environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def test_it_runs_on_the_wheel_and_not_on_this_tree(sample: Sample) -> None:
    found = sample.run(
        "python", "-c", "import cerebelum_codegen.runtime as r, library.v1.library_pb; print(r.__file__)"
    )
    assert Path(found.strip()).is_relative_to(sample.bin.parent)


def test_mypy_finds_nothing(sample: Sample) -> None:
    assert "Success" in sample.run("python", "-m", "mypy")


def test_its_contract_passes_buf_s_lint(sample: Sample) -> None:
    assert sample.run("buf", "lint") == ""


def test_books_are_lent_once(sample: Sample, port: str) -> None:
    first, second, held = sample.run("python", "-m", "library_service.lend", port, "Ada", "7", "7").splitlines()
    assert re.fullmatch(r"book 7 is due \w+day", first)
    assert second == "book 7 is out"
    assert held == "Ada has [7]"


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_its_messages_compile_with_one_command_and_mean_the_same(
    sample: Sample, request: pytest.FixtureRequest
) -> None:
    printed = sample.run("python", "-m", "cerebelum_codegen.compiler", "generated", "--opt-level", "0").split()
    loaded = sample.run("python", "-c", "import library.v1.library_pb as pb; print(pb.__file__)").strip()
    assert loaded in [str(sample.folder / library) for library in printed]
    port = request.getfixturevalue("port")
    assert "Ada has [7]" in sample.run("python", "-m", "library_service.lend", port, "Ada", "7")
