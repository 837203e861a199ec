"""Runs mypyc on modules in their compiled form and puts the libraries that come out beside the source."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cerebelum_codegen.compiler.form import compiled_form
from cerebelum_codegen.compiler.values import plain_values

_NATIVE = Path(__file__).with_name("native.py").read_text()

_VALUES = "values.txt"
_ENDINGS = (".so", ".pyd")

_LENIENT = ("--follow-imports=silent", "--ignore-missing-imports")
"""What is not compiled is not judged: it is not in its compiled form, and libraries may not be there."""

LIBRARIES = ("librt>=0.17", "mypy_extensions>=1.0")
"""What compiled modules import beside the runtime."""


class CompilerError(Exception):
    """The modules cannot be compiled; the message says why."""


@dataclass(frozen=True)
class Source:
    """Modules below one root, and what turns each into its form for the compiler."""

    root: Path
    modules: Sequence[Path]
    form: Callable[[str], str]
    values: bool = True
    """Whether their dataclasses hold what they say and no more: nothing that calls, waits or knows the rest."""


def generated_modules(folder: Path) -> list[Path]:
    """The modules of messages that the plugin wrote below a folder, relative to it."""
    found = (path for path in sorted(folder.rglob("*_pb.py")) if _is_ours(path))
    return [path.relative_to(folder) for path in found]


def compile_generated(folder: Path, level: str = "3") -> list[Path]:
    """Compile what the plugin wrote below a folder that stands on Python's path; the libraries, relative to it.

    Raises:
        CompilerError: mypyc or a C compiler is missing, or a module cannot be compiled.
    """
    modules = generated_modules(folder)
    if not modules:
        raise CompilerError(f"{folder} has no modules that protoc-gen-cerebelum wrote: name the folder of its output")
    for module in modules:
        for ending in _ENDINGS:
            for old in (folder / module.parent).glob(f"{module.stem}.*{ending}"):
                old.unlink()
    group = f"{modules[0].parts[0].removesuffix('.py')}_messages"
    return compile_modules([Source(folder, modules, compiled_form)], folder, group, level)


def compile_modules(sources: Sequence[Source], to: Path, group: str, level: str = "3") -> list[Path]:
    """Compile modules of one or more roots together, and copy their libraries to a folder; their paths in it."""
    if importlib.util.find_spec("mypyc") is None or importlib.util.find_spec("setuptools") is None:
        raise CompilerError("the compiler is not installed: pip install 'cerebelum[compiler]'")
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        modules = [path for source in sources for path in _staged(source, stage)]
        (stage / _VALUES).write_text("\n".join(plain_values(_texts(sources))))
        _run_mypyc(stage, group, level, [str(source.root) for source in sources], modules)
        libraries = list(_libraries(stage))
        for library in libraries:
            (to / library).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(stage / library, to / library)
    return libraries


def _texts(sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    for source in sources:
        if source.values:
            for path in source.modules:
                yield ".".join(path.with_suffix("").parts), (source.root / path).read_text()


def _staged(source: Source, stage: Path) -> Iterator[str]:
    for path in source.modules:
        for parent in list(path.parents)[:-1]:
            (stage / parent).mkdir(parents=True, exist_ok=True)
            package = source.root / parent / "__init__.py"
            (stage / parent / "__init__.py").write_text(package.read_text() if package.exists() else "")
        (stage / path).write_text(source.form((source.root / path).read_text()))
        yield str(path)


def _run_mypyc(stage: Path, group: str, level: str, around: list[str], modules: list[str]) -> None:
    # mypy looks into site-packages by itself, and takes it ill to be sent there.
    root = str(Path(__file__).parents[2])
    wanted = dict.fromkeys([root, *around, os.environ.get("MYPYPATH", "")])
    roots = [path for path in wanted if path and not path.endswith("-packages")]
    done = subprocess.run(
        [sys.executable, "-c", _NATIVE, group, level, _VALUES, *_LENIENT, *modules],
        cwd=stage,
        env={**os.environ, "MYPYPATH": os.pathsep.join(roots)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise CompilerError("\n".join(["mypyc could not compile them:", *said[-20:]]))


def _libraries(folder: Path) -> Iterator[Path]:
    for ending in _ENDINGS:
        for path in sorted(folder.rglob(f"*{ending}")):
            if path.relative_to(folder).parts[0] != "build":
                yield path.relative_to(folder)


def _is_ours(path: Path) -> bool:
    with path.open() as file:
        return file.readline().startswith('"""Generated by protoc-gen-cerebelum')
