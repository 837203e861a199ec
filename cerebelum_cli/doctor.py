"""`cerebelum doctor`: what is installed here, and which build of it runs."""

from __future__ import annotations

import importlib.util
import platform
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import click

from cerebelum_cli.output import print_json, table
from cerebelum_codegen.runtime import wire
from cerebelum_engine import moves, state
from cerebelum_proto.worker import worker_service_pb


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for scripts.")
def doctor(as_json: bool) -> None:
    """Show versions, which builds run, and the libraries that stores and connections use."""
    found = {
        "cerebelum": version("cerebelum"),
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.system()} "
        f"{platform.machine()})",
        "codec": build_of(wire, worker_service_pb),
        "engine": build_of(moves, state),
        "sqlite": _sqlite(),
        "postgres": _library("psycopg", "cerebelum[postgres]"),
        "hpack": _library("hpack", "cerebelum"),
        "event loop": _library("uvloop", "cerebelum[core]"),
    }
    if as_json:
        print_json(found)
    else:
        table(list(found.items()))


def build_of(*modules: ModuleType) -> str:
    """Which build of these modules runs."""
    files = [module.__file__ or "" for module in modules]
    if all(file.endswith(".py") for file in files):
        return "plain Python"
    return "compiled" if not any(file.endswith(".py") for file in files) else "compiled in part: install it again"


def _sqlite() -> str:
    apsw = _library("apsw", "cerebelum[core]")
    if importlib.util.find_spec("apsw") is None:
        return apsw
    import apsw as library

    return f"{library.sqlite_lib_version()} ({apsw})"


def _library(name: str, extra: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"not installed: pip install '{extra}'"
