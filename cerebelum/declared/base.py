"""What implementers of a declared workflow derive from: one method a step, one call an approval or a signal."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import GenericAlias
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar, cast

from cerebelum.code import Code
from cerebelum.conditions import TextCondition
from cerebelum.context import Context
from cerebelum.declared.definition import INPUTS, Definition, StepType
from cerebelum.errors import DefinitionError
from cerebelum.rules import OTHERWISE, Predicate
from cerebelum.step import CONTEXT, AnyStep
from cerebelum.waits import decision_on, wait_for_signal
from cerebelum.workflow import Workflow
from cerebelum_client import Approval, PayloadError
from cerebelum_codegen.runtime import Empty, Message
from cerebelum_codegen.runtime.descriptor import field_named
from cerebelum_engine import compile_blueprint
from cerebelum_proto.worker import worker_service_pb as pb

_A = TypeVar("_A", bound=Message)
_Method = Callable[..., Awaitable[Message | None]]


class DeclaredWorkflow(ABC):
    """Base of the generated bases. An object of a class that has all of the steps is a workflow that a worker runs."""

    __definition__: ClassVar[Definition]

    if not TYPE_CHECKING:  # to a checker a class is made as its own __init__ says

        def __new__(cls, *_args: object, **_kwargs: object) -> Self:
            """Refuse a class that is not complete.

            Raises:
                DefinitionError: it names every step that is missing, or cannot run.
            """
            if faults := _faults(cls):
                raise DefinitionError(f"workflow '{cls.__definition__.name}'", faults)
            return super().__new__(cls)

    def __workflow__(self) -> Workflow:
        """The workflow with this object's methods as its steps."""
        definition = self.__definition__
        return Workflow(
            name=definition.name,
            code=Code(
                steps={each.name: _step(definition, each, getattr(self, each.method)) for each in definition.steps},
                predicates=_predicates(definition.blueprint),
            ),
            blueprint=definition.blueprint,
            compiled=compile_blueprint(definition.blueprint),
        )


async def ask(name: str, question: Message | None, answer: type[_A], *, timeout: timedelta | None = None) -> _A:
    """Ask people, from within a step, and go on with their answer.

    Raises:
        ApprovalRejected: somebody said no.
        ApprovalTimedOut: nobody decided in time.
        PayloadError: the answer is not of its type.
    """
    asked = question.to_dict(proto_names=True) if question is not None else {}
    decision = await decision_on(Approval(name, asked, timeout), answer)
    if decision.response is None:
        return answer()
    if not isinstance(decision.response, answer):
        raise PayloadError(f"the answer to '{name}' is {decision.response!r}, and its contract says {answer.FULL_NAME}")
    return decision.response


async def next_signal(name: str, kind: type[_A], *, timeout: timedelta | None = None) -> _A:
    """Wait, from within a step, for the next signal of this name, and go on with what it brings.

    Raises:
        SignalTimedOut: none came in time.
        PayloadError: what it brings is not of its type.
    """
    payload: object = await wait_for_signal(name, kind, timeout=timeout)
    if payload is None:
        return kind()
    if not isinstance(payload, kind):
        raise PayloadError(f"signal '{name}' brings {payload!r}, and its contract says {kind.FULL_NAME}")
    return payload


def _faults(cls: type[DeclaredWorkflow]) -> list[str]:
    faults: list[str] = []
    for step in cls.__definition__.steps:
        method = getattr(cls, step.method)
        if step.method in getattr(cls, "__abstractmethods__", ()):
            request = "" if step.request is Empty else f"request: {step.request.__name__}, "
            response = "None" if step.response is Empty else step.response.__name__
            faults.append(
                f"step '{step.name}' has no method: write async def {step.method}(self, {request}"
                f"context: Context[{cls.__definition__.inputs.__name__}]) -> {response}"
            )
        elif not inspect.iscoroutinefunction(method):
            faults.append(f"step '{step.name}' is no coroutine function: write async def {step.method}")
    return faults


def _step(definition: Definition, kind: StepType, method: _Method) -> AnyStep:
    """A step that calls the method with the request that its arguments make."""
    kinds = {step.name: step.response for step in definition.steps} | {INPUTS: definition.inputs}

    async def run(context: Context[object], **given: object) -> object:
        for name, value in given.items():
            if not (isinstance(value, kinds[name]) or (value is None and name in kind.parts)):
                raise _stranger(kind, name, value, kinds[name])
        request = _request(kind, given)
        answer = await (method(context) if request is None else method(request, context))
        return _checked(kind, answer)

    sources = (kind.takes,) if kind.takes else kind.parts
    run.__annotations__ = {name: kinds[name] for name in sources}
    run.__annotations__ |= {CONTEXT: GenericAlias(Context, definition.inputs), "return": kind.response}
    parameters = {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in (*sources, CONTEXT)}
    return AnyStep(name=kind.name, function=run, parameters=parameters)


def _stranger(kind: StepType, name: str, value: object, wanted: type[Message]) -> PayloadError:
    """The error for an argument of another type: inputs that were started without the contract, or old code."""
    whose = "the execution was started with" if name == INPUTS else f"step '{name}' gave"
    return PayloadError(f"step '{kind.name}' takes {wanted.FULL_NAME}, and {whose} {value!r}")


def _request(kind: StepType, given: dict[str, object]) -> Message | None:
    if kind.takes:
        return cast("Message", given[kind.takes])
    if kind.request is Empty:
        return None
    named = {name: field_named(kind.request, name) for name in given}
    values = {field.attribute: given[name] for name, field in named.items() if field is not None}
    return cast("Callable[..., Message]", kind.request)(**values)


def _checked(kind: StepType, answer: Message | None) -> Message:
    if answer is None and kind.response is Empty:
        return Empty()
    if not isinstance(answer, kind.response):
        raise PayloadError(f"step '{kind.name}' gave {answer!r}, and its contract says {kind.response.FULL_NAME}")
    return answer


def _predicates(blueprint: pb.Blueprint) -> dict[str, tuple[Predicate, ...]]:
    definition = blueprint.definition or pb.WorkflowDefinition()
    return {
        rule.from_step: tuple(
            TextCondition(rule.from_step, case.condition) for case in rule.branches if case.condition != OTHERWISE
        )
        for rule in definition.branch_rules
    }
