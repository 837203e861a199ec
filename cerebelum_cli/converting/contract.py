"""A `.proto` file as the workflows that it declares: generated for the moment, by buf or else by protoc."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cerebelum.declared.definition import Definition
from cerebelum_cli.exits import UsageError

_PLUGIN = "protoc-gen-cerebelum"
_IMPORT = re.compile(r'^\s*import\s+(?:public\s+|weak\s+)?"([^"]+)"', re.MULTILINE)
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)


def definitions_in(file: Path) -> dict[str, Definition]:
    """What the file declares, by the names that its generated module gives it.

    Raises:
        UsageError: there is no such file, nobody is there to read it, or it declares no workflow.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {str(file)!r} here")
    root = _root_of(file)
    name = file.resolve().relative_to(root).as_posix()
    with tempfile.TemporaryDirectory() as folder:
        generated = Path(folder, "generated")
        _generate(root, list(dict.fromkeys(_with_imports(root, name))), Path(folder), generated)
        module = name.removesuffix(".proto") + "_workflows"
        if not (generated / f"{module}.py").exists():
            raise UsageError(
                f"{str(file)!r} declares no workflow: give a service the option (cerebelum.options.v1.workflow)"
            )
        sys.path.insert(0, str(generated))
        try:
            found = vars(importlib.import_module(module.replace("/", ".")))
        finally:
            sys.path.remove(str(generated))
    return {key: each for key, each in found.items() if isinstance(each, Definition)}


def _root_of(file: Path) -> Path:
    """The folder that imports are told from: above those that are named after the package."""
    package = _PACKAGE.search(file.read_text(encoding="utf-8"))
    folder, parts = file.resolve().parent, package.group(1).split(".") if package else []
    return folder.parents[len(parts) - 1] if parts and folder.parts[-len(parts) :] == tuple(parts) else folder


def _with_imports(root: Path, name: str) -> Iterator[str]:
    """A file, and what it imports of the same root; the rest comes with the package."""
    yield name
    for imported in _IMPORT.findall((root / name).read_text(encoding="utf-8")):
        if not imported.startswith(("cerebelum/", "google/protobuf/")) and (root / imported).is_file():
            yield from _with_imports(root, imported)


def _generate(root: Path, names: Sequence[str], folder: Path, out: Path) -> None:
    plugin = _found(_PLUGIN)
    if plugin is None:
        raise UsageError(f"a .proto file needs {_PLUGIN}: pip install 'cerebelum[codegen]'")
    include = subprocess.run([plugin, "--include-path"], capture_output=True, text=True, check=True).stdout.strip()
    for name in names:
        (folder / "proto" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / "proto" / name)
    shutil.copytree(Path(include, "cerebelum"), folder / "include/cerebelum")
    out.mkdir()
    if (buf := _found("buf")) is not None:
        modules = "".join(f"  - path: {each}\n" for each in ("proto", "include"))
        (folder / "buf.yaml").write_text(f"version: v2\nmodules:\n{modules}")
        template = {"version": "v2", "plugins": [{"local": plugin, "out": str(out), "strategy": "all"}]}
        command = [buf, "generate", "--template", json.dumps(template)]
    elif (protoc := _found("protoc")) is not None:
        paths = ["-I", "proto", "-I", "include"]
        command = [protoc, *paths, f"--plugin={_PLUGIN}={plugin}", f"--cerebelum_out={out}", *names]
    else:
        raise UsageError(
            "a .proto file is read by buf or protoc, and neither is found: install one of them "
            "(https://buf.build/docs/installation), or name the module that was generated from it, "
            "for example shop.v1.orders_workflows"
        )
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise UsageError(f"{Path(command[0]).name} refuses it:\n{ran.stderr.strip()}")


def _found(tool: str) -> str | None:
    """A program, also one that is installed beside this one and not on the path."""
    return shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))
