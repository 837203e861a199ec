"""What people are told about a decorated workflow: its docstrings, and the types that it is annotated with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import get_args, get_origin

from cerebelum.context import Context
from cerebelum.messages import describe_messages, messages_in
from cerebelum.step import CONTEXT, INPUTS, AnyStep
from cerebelum_client.annotations import hints_of
from cerebelum_codegen.runtime import Message
from cerebelum_proto.worker import worker_service_pb as pb

_NOTHING = "google.protobuf.Empty"


def description_of(definition: Callable[..., object], steps: Mapping[str, AnyStep]) -> pb.Description:
    """The description of the workflow that a function says."""
    hints = {name: hints_of(step.function) for name, step in steps.items()}
    told = pb.Description(
        doc=_summary(definition),
        inputs=next((found for each in hints.values() if (found := _inputs(each))), ""),
        steps=[_step(name, step, hints[name], steps) for name, step in steps.items()],
        source=f"Written in {definition.__module__}.",
    )
    describe_messages(told, messages_in(hint for each in hints.values() for hint in each.values()))
    return told


def _step(name: str, step: AnyStep, hints: Mapping[str, object], steps: Mapping[str, AnyStep]) -> pb.StepDescription:
    taken = [each for each in step.parameters if each in steps or each == INPUTS]
    return pb.StepDescription(
        name=name,
        doc=_summary(step.function),
        request=_shown(hints[taken[0]]) if len(taken) == 1 and taken[0] in hints else "",
        gives=_shown(hints["return"]) if "return" in hints else "",
    )


def _summary(function: Callable[..., object]) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(function) or "").partition("\n\n")[0]


def _inputs(hints: Mapping[str, object]) -> str:
    if INPUTS in hints:
        return _shown(hints[INPUTS])
    held = get_args(hints.get(CONTEXT)) if get_origin(hints.get(CONTEXT)) is Context else ()
    return _shown(held[0]) if held else ""


def _shown(hint: object) -> str:
    if hint is None or hint is type(None):
        return _NOTHING
    if isinstance(hint, type) and issubclass(hint, Message):
        return getattr(hint, "FULL_NAME", hint.__name__)
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
