"""Finds the workflows in a user's module."""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
import traceback
from types import ModuleType

from cerebelum import DefinitionError, Workflow, as_workflow
from cerebelum.declared.definition import Definition
from cerebelum.workflow import is_workflow
from cerebelum_cli.exits import UsageError
from cerebelum_proto.worker.worker_service_pb import Blueprint

_PYTHONS = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Where Python and what is installed lie: nobody mends a line there."""


def load_workflows(name: str) -> list[Workflow]:
    """Every workflow of `MODULE`, or the one of `MODULE:WORKFLOW`.

    Raises:
        UsageError: there is none, or the module cannot be imported.
    """
    module_name, colon, attribute = name.partition(":")
    module = load_module(module_name)
    found = {key: as_workflow(value) for key, value in vars(module).items() if is_workflow(value)}
    if colon:
        return [_one(module, found, attribute)]
    if not found:
        raise UsageError(
            f"module {module_name!r} has no workflow: decorate one with @workflow at its top level, "
            "or keep an object of a class that implements a declared one there"
        )
    return list({each.hash: each for each in found.values()}.values())


def load_blueprint(name: str) -> Blueprint:
    """The blueprint of `MODULE:WORKFLOW`, which may be the definition of a declared one.

    Raises:
        UsageError: there is none, or the module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    found = getattr(load_module(module_name), attribute, None)
    return found.blueprint if isinstance(found, Definition) else load_workflows(name)[0].blueprint


def _one(module: ModuleType, found: dict[str, Workflow], attribute: str) -> Workflow:
    if attribute in found:
        return found[attribute]
    for each in found.values():
        if each.name == attribute:
            return each
    if isinstance(declared := getattr(module, attribute, None), Definition):
        raise UsageError(
            f"{attribute!r} declares a workflow, and its code is elsewhere: name the object that implements it, or let "
            f"a Core run it by its name, {declared.name}"
        )
    there = f"it has {', '.join(sorted(found))}" if found else "it has none"
    if not attribute:
        raise UsageError(f"'{module.__name__}:' names no workflow behind its colon: {there}")
    raise UsageError(f"module {module.__name__!r} has no workflow {attribute!r}: {there}")


def load_module(name: str) -> ModuleType:
    """A user's module, found from the folder of the command too.

    Raises:
        UsageError: there is none, or it cannot be imported.
    """
    if name.endswith(".py") or "/" in name or name.startswith(".") or not name:
        hint = name.removesuffix(".py").strip("./").replace("/", ".") or "shop.orders"
        raise UsageError(f"{name!r} is no module: name it as Python does, for example {hint}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except DefinitionError as error:
        raise UsageError(f"module {name!r}: {error}") from None
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"there is no module {name!r} here ({os.getcwd()}) or among the installed ones") from None
        raise UsageError(f"module {name!r} needs {error.name!r}, which is not installed") from None
    except SystemExit as error:
        raise UsageError(
            f"module {name!r} ends the program when it is imported ({_where(error)}): "
            'keep what it does as a program under `if __name__ == "__main__":`'
        ) from None
    except Exception as error:
        raise UsageError(f"module {name!r} fails when it is imported: {_where(error)}") from None


def _where(error: BaseException) -> str:
    """What went wrong, and in which line: of the user's own code, if it got there."""
    text = f"{type(error).__name__}: {error}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "importlib" not in each.filename][1:]
    if isinstance(error, SyntaxError) or not frames:
        return text
    place = next((each for each in reversed(frames) if not each.filename.startswith(_PYTHONS)), frames[-1])
    return f"{text} ({place.filename}, line {place.lineno})"
