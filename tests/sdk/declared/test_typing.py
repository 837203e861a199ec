"""What users of a declared workflow write passes two strict checkers; wrong types are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.codegen.generating import PROJECT, run

HERE = Path(__file__).parent / "typing"
ROOTS = (PROJECT, PROJECT / "codegen", PROJECT / "generated", HERE.parent / "generated")
MYPY = pytest.mark.xdist_group("mypy")  # all of them share its cache, in which there is one module of a name


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[int]]:
    """The lines of each file that mypy finds wrong, the generated modules among them."""
    folder = tmp_path_factory.mktemp("typing")
    path = ":".join(map(str, ROOTS))
    options = f"[mypy]\nstrict = True\nmypy_path = {path}\nexplicit_package_bases = True\nnamespace_packages = True\n"
    (folder / "mypy.ini").write_text(options)
    files = [str(HERE / name) for name in ("accepted.py", "rejected.py")]
    done = run("mypy", "--config-file", str(folder / "mypy.ini"), *files, cwd=PROJECT, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {"accepted.py": set(), "rejected.py": set()}
    for name, line in re.findall(r"(\w+\.py):(\d+): error:", done.stdout):
        found.setdefault(name, set()).add(int(line))
    return found


@MYPY
def test_what_the_guide_shows_is_accepted(checked: dict[str, set[int]]) -> None:
    assert checked["accepted.py"] == set()


@MYPY
def test_generated_modules_are_accepted(checked: dict[str, set[int]]) -> None:
    assert set(checked) == {"accepted.py", "rejected.py"}


@MYPY
def test_each_line_that_is_marked_wrong_is_refused_and_no_other(checked: dict[str, set[int]]) -> None:
    lines = (HERE / "rejected.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(wrong) >= 20
    assert checked["rejected.py"] == wrong


def test_pyright_s_strict_mode_finds_nothing(tmp_path: Path) -> None:
    options = {
        "typeCheckingMode": "strict",
        "include": [str(HERE / "accepted.py"), str(HERE.parent / "generated/shop/v1")],
        "extraPaths": [str(root) for root in ROOTS],
        "pythonVersion": "3.11",
        "reportPrivateUsage": False,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(options))
    done = run("basedpyright", "--project", str(tmp_path), "--outputjson", cwd=PROJECT, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    told = [f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}" for each in found]
    assert not told, "\n".join(told)
