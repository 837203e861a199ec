"""The build's switch: with CEREBELUM_COMPILED=1 the wheel holds codec, engine and the way of a step as machine code."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# On the way of every step. What is left out is run seldom, or cannot be compiled.
_RUNTIME = ("jsonvalue", "wkt", "empty")
_HTTP2 = "codes connection control errors fields receiving stream"
_RPC = "calling errors exchange framing incoming line"
_ENGINE = (
    "answers blueprint changes commands decide effects evolve lifecycle_facts moves owed paths pending places "
    "policies queues results rules signals state status steps tasks times visit"
)
_CORE = (
    "alarms blueprints claims clock endings execution ids names node queues reconstructor registry router scheduler "
    "supervisor takers turns workers edges/execute_session edges/handouts edges/outbox edges/refusals edges/starts "
    "edges/work_session store/apart store/callbacks store/child store/framing store/postgres_batch store/postgres_line "
    "store/postgres_statements store/sqlite store/sqlite_batch store/sqlite_writer store/writer"
)
_RECORDS = "leases offers store/records store/rows"
_WORKER = (
    "cerebelum/clock cerebelum/code cerebelum/execution_stream cerebelum/hands cerebelum/lanes cerebelum/lifeline "
    "cerebelum/plan cerebelum/runner cerebelum/running cerebelum/streaming cerebelum_client/payload "
    "cerebelum_client/plain"
)


if TYPE_CHECKING:
    from cerebelum_codegen.compiler.build import Source


class CompiledBuild(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter, of no use here
    """Compiles what is on the way of every step into the wheel."""

    def dependencies(self) -> list[str]:
        return ["mypy>=2.4", "setuptools>=68"] if self._wanted() else []

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        if version == "editable" or not self._wanted():
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "codegen"))
        from cerebelum_codegen.compiler.build import LIBRARIES, compile_modules

        level = os.environ.get("CEREBELUM_OPT_LEVEL", "3")
        # A front end asks twice: for the metadata, then for the wheel.
        to = root / ".cache" / "compiled" / _fingerprint(root, level)
        if not to.exists():
            compile_modules(_sources(root), to, "cerebelum", level)
        build_data |= {
            "pure_python": False,
            "infer_tag": True,
            "dependencies": list(LIBRARIES),
            "force_include": {str(path): str(path.relative_to(to)) for path in to.rglob("*") if path.is_file()},
        }

    def _wanted(self) -> bool:
        return os.environ.get("CEREBELUM_COMPILED") == "1"


def _sources(root: Path) -> list[Source]:
    from cerebelum_codegen.compiler.build import Source, generated_modules
    from cerebelum_codegen.compiler.form import compiled_form
    from cerebelum_codegen.compiler.plain import typed_form

    runtime = Path("cerebelum_codegen/runtime")
    calls = [runtime / "http2" / f"{name}.py" for name in _HTTP2.split()]
    calls += [runtime / "rpc" / f"{name}.py" for name in _RPC.split()]
    engine = [Path("cerebelum_engine", f"{name}.py") for name in _ENGINE.split()]
    core, records = ([Path("cerebelum_core", f"{name}.py") for name in each.split()] for each in (_CORE, _RECORDS))
    worker = [Path(f"{name}.py") for name in _WORKER.split()]
    return [
        Source(root / "codegen", [runtime / "members.py", runtime / "wire.py", *calls], str, values=False),
        Source(root / "codegen", [runtime / f"{name}.py" for name in _RUNTIME], compiled_form),
        Source(root / "generated", generated_modules(root / "generated"), compiled_form),
        Source(root / "generated", [Path("cerebelum_proto/worker/worker_service_markers.py")], typed_form),
        Source(root, [*engine, *records], typed_form),
        Source(root, [*core, *worker], typed_form, values=False),
    ]


def _fingerprint(root: Path, level: str) -> str:
    """Of all that the libraries depend on."""
    digest = hashlib.sha256(f"{sys.version} {installed('mypy')} {level}".encode())
    folders = ("codegen", "generated", "cerebelum_engine", "cerebelum_core", "cerebelum", "cerebelum_client")
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
