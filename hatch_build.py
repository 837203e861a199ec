"""The build's switch: with CEREBELUM_COMPILED=1 the wheel holds the codec as machine code too, beside its source."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HOT = ("wire", "jsonvalue", "wkt", "empty")
_AS_THEY_ARE = ("wire.py",)


class CompiledBuild(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter, of no use here
    """Compiles the runtime's hot part and the contract's messages into the wheel."""

    def dependencies(self) -> list[str]:
        return ["mypy>=2.4", "setuptools>=68"] if self._wanted() else []

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        if version == "editable" or not self._wanted():
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "codegen"))
        from cerebelum_codegen.compiler.build import LIBRARIES, compile_modules, generated_modules

        runtime = [Path("cerebelum_codegen/runtime", f"{name}.py") for name in _HOT]
        sources = [(root / "codegen", runtime), (root / "generated", generated_modules(root / "generated"))]
        level = os.environ.get("CEREBELUM_OPT_LEVEL", "3")
        # A front end asks twice: for the metadata, then for the wheel.
        to = root / ".cache" / "compiled" / _fingerprint(root, level)
        if not to.exists():
            compile_modules(sources, to, "cerebelum", level, _AS_THEY_ARE)
        build_data |= {
            "pure_python": False,
            "infer_tag": True,
            "dependencies": list(LIBRARIES),
            "force_include": {str(path): str(path.relative_to(to)) for path in to.rglob("*") if path.is_file()},
        }

    def _wanted(self) -> bool:
        return os.environ.get("CEREBELUM_COMPILED") == "1"


def _fingerprint(root: Path, level: str) -> str:
    """Of all that the libraries depend on."""
    digest = hashlib.sha256(f"{sys.version} {installed('mypy')} {level}".encode())
    for path in sorted([*(root / "codegen").rglob("*.py"), *(root / "generated").rglob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
