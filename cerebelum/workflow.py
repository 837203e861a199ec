"""`@workflow`: a timeline of steps and its rules under a name, built and checked where it is written."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Protocol, TypeAlias, TypeGuard, overload

from cerebelum.builder import WorkflowBuilder
from cerebelum.code import NO_CODE, Code
from cerebelum.errors import DefinitionError
from cerebelum.inputs import InputsPlan
from cerebelum.local import Approver, run_locally
from cerebelum.results import ExecutionResult
from cerebelum.signals import Signals
from cerebelum_client import Converter, Core, Payloads
from cerebelum_engine import DEFAULT_MAX_VISITS, Blueprint, compile_blueprint
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Workflow:
    """A workflow as it was defined. Its hash names this very version of it."""

    name: str
    code: Code = field(repr=False)
    """What runs its steps."""
    blueprint: pb.Blueprint = field(repr=False)
    """Its shape, in the contract's form."""
    compiled: Blueprint = field(repr=False)

    @property
    def hash(self) -> str:
        """The hash of its content."""
        return self.compiled.hash

    def write_inputs(self, inputs: object) -> Payload:
        """The inputs of an execution, as they travel.

        Raises:
            PayloadError: they cannot, or are none of this workflow.
        """
        payload = self.code.payloads.write(inputs)
        self._inputs.check(inputs, payload)
        return payload

    @cached_property
    def _inputs(self) -> InputsPlan:
        return InputsPlan(self.compiled, self.code)

    async def execute(
        self,
        inputs: object = None,
        *,
        distributed: bool = False,
        core_url: str | None = None,
        store: str | None = None,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        queue: str | None = None,
        approver: Approver | None = None,
        signals: Signals = (),
    ) -> ExecutionResult:
        """Run it and return what became of it.

        Plain, it runs in this process and nothing is durable; `approver` decides its approvals, and it is sent the
        `signals`, as they come where they are an asynchronous iterator. With `store`
        (`sqlite:///FILE`) it runs in this process on a durable Core: the same `execution_id` after a crash goes on
        where it was. With `distributed` it runs on the Core at `core_url` (default CEREBELUM_URL, then
        localhost:50051); a `Worker` that has this workflow must run somewhere, this call is none. With `queue` all of
        its steps go to the workers that serve it.

        Raises:
            PayloadError: the inputs cannot travel, or are none of this workflow.
            ClientError: the Core cannot be reached, or refuses.
            ValueError: an argument belongs to another place.
        """
        _check_place(
            distributed=distributed, core_url=core_url, store=store, queue=queue, approver=approver, signals=signals
        )
        if distributed:
            from cerebelum.executor import DistributedExecutor

            async with DistributedExecutor(core_url) as executor:
                return await executor.execute(self, inputs, execution_id=execution_id, timeout=timeout, queue=queue)
        if store is not None:
            from cerebelum.embedded import run_embedded

            return await run_embedded(
                self,
                inputs,
                store=store,
                execution_id=execution_id,
                timeout=timeout,
                approver=approver,
                signals=signals,
            )
        return await run_locally(
            self.compiled,
            self.code,
            self.write_inputs(inputs),
            execution_id=execution_id,
            timeout=timeout,
            approver=approver,
            signals=signals,
        )


def _check_place(
    *,
    distributed: bool,
    core_url: str | None,
    store: str | None,
    queue: str | None,
    approver: Approver | None,
    signals: Signals,
) -> None:
    """See that what `execute` was told fits the place where it is to run."""
    if distributed and store is not None:
        raise ValueError("pass either distributed=True or store=, not both")
    if core_url is not None and not distributed:
        raise ValueError("core_url= says which Core: pass distributed=True with it")
    if queue is not None and not distributed:
        raise ValueError("queue= says which workers of a Core: pass distributed=True with it")
    if approver is not None and distributed:
        raise ValueError(
            "approver= decides in this process: approvals of an execution on a Core are answered with "
            "`cerebelum approve`, or through the handle that DistributedExecutor.submit() returns"
        )
    if signals != () and distributed:
        raise ValueError(
            "signals= are sent from this process: send an execution on a Core its signals with `cerebelum signal`, or "
            "through the handle that DistributedExecutor.submit() returns"
        )


@overload
def workflow(definition: Callable[[WorkflowBuilder], None], /) -> Workflow: ...


@overload
def workflow(
    *,
    name: str | None = None,
    max_visits: int = DEFAULT_MAX_VISITS,
    queue: str | None = None,
    converters: Sequence[Converter[Any]] = (),  # Any: converters of any types together
) -> Callable[[Callable[[WorkflowBuilder], None]], Workflow]: ...


def workflow(
    definition: Callable[[WorkflowBuilder], None] | None = None,
    /,
    *,
    name: str | None = None,
    max_visits: int = DEFAULT_MAX_VISITS,
    queue: str | None = None,
    converters: Sequence[Converter[Any]] = (),  # Any: converters of any types together
) -> Workflow | Callable[[Callable[[WorkflowBuilder], None]], Workflow]:
    """Make a workflow of a function that says what it is; it is built at once.

    An execution that is led to one step more than `max_visits` times fails. `converters` carry types of your own
    between its steps. `queue` is where steps go that name none.

    Raises:
        DefinitionError: with everything that is wrong with it, each fault with its mend.
    """

    def decorate(decorated: Callable[[WorkflowBuilder], None]) -> Workflow:
        told: object = name
        if told is not None and not isinstance(told, str):
            raise DefinitionError("@workflow", [f"its name {told!r} is no text"])
        chosen = name or str(getattr(decorated, "__name__", ""))
        return _define(decorated, chosen, max_visits, queue, _payloads(chosen, converters))

    return decorate if definition is None else decorate(definition)


def _payloads(name: str, converters: Sequence[Converter[Any]]) -> Payloads:  # Any: converters of any types together
    """What carries values, with the converters of a workflow.

    Raises:
        DefinitionError: one is none, or two have one name.
    """
    if not isinstance(converters, Sequence):
        raise DefinitionError(f"workflow '{name}'", [f"its converters are {converters!r}: give a list"])
    told: Sequence[object] = converters
    faults = [
        f"its converter {each!r} is none: give a Converter(name, kind, write, read)"
        for each in told
        if not isinstance(each, Converter)
    ]
    try:
        if not faults:
            return Payloads(converters)
    except ValueError as error:
        faults = [str(error)]
    raise DefinitionError(f"workflow '{name}'", faults)


def _define(
    definition: Callable[[WorkflowBuilder], None], name: str, max_visits: int, queue: str | None, payloads: Payloads
) -> Workflow:
    builder = WorkflowBuilder()
    _say(definition, builder, name)
    built = builder.build(name, max_visits, queue, definition)
    return Workflow(
        name=name,
        code=Code(steps=built.steps, predicates=built.predicates, payloads=payloads),
        blueprint=built.blueprint,
        compiled=compile_blueprint(built.blueprint),
    )


def _say(definition: Callable[[WorkflowBuilder], None], builder: WorkflowBuilder, name: str) -> None:
    """Let a definition say what the workflow is.

    Raises:
        DefinitionError: it cannot be asked, or answers instead of saying it.
    """
    if not callable(definition):
        raise DefinitionError("@workflow", [f"{definition!r} is no function: write @workflow(name=...) over one"])
    if inspect.iscoroutinefunction(definition):
        raise DefinitionError(f"workflow '{name}'", ["its definition is async: write a plain `def`"])
    try:
        inspect.signature(definition).bind(builder)
    except TypeError:
        raise DefinitionError(f"workflow '{name}'", [f"its definition takes one thing: def {name}(wf)"]) from None
    answer: object = definition(builder)  # type: ignore[func-returns-value]  # those who do not type-check may
    if answer is not None:
        raise DefinitionError(f"workflow '{name}'", ["its definition returns something: pass it to wf.timeline(...)"])


def code_of(workflow: Workflow | str) -> Code:
    """The code of a workflow, if it is at hand."""
    return workflow.code if isinstance(workflow, Workflow) else NO_CODE


async def submit(core: Core, blueprint: pb.Blueprint) -> None:
    """Bring a Core the blueprint of a workflow. What may be meant otherwise is logged as a warning.

    Raises:
        DefinitionError: the Core refuses it.
    """
    validation = await core.submit_blueprint(blueprint)
    if not validation.valid:
        raise DefinitionError(f"workflow '{blueprint.workflow_module}'", validation.errors)
    for warning in validation.warnings:
        _log.warning("workflow '%s': %s", blueprint.workflow_module, warning)


class Declared(Protocol):
    """An object of a class that implements a workflow which a proto file declares."""

    def __workflow__(self) -> Workflow:
        """The workflow whose steps are the object's methods."""


AnyWorkflow: TypeAlias = Workflow | Declared
"""What a worker can run."""


def is_workflow(value: object) -> TypeGuard[AnyWorkflow]:
    """Whether a value is a workflow, or an object that implements one."""
    return isinstance(value, Workflow) or (not isinstance(value, type) and hasattr(value, "__workflow__"))


def as_workflow(workflow: AnyWorkflow) -> Workflow:
    """A decorated workflow is one already; an object that implements a declared one comes to one.

    Raises:
        DefinitionError: it is neither.
    """
    if isinstance(workflow, Workflow):
        return workflow
    if isinstance(workflow, type) or not hasattr(workflow, "__workflow__"):
        mend = f"pass an object: {workflow.__name__}()" if isinstance(workflow, type) else "decorate it with @workflow"
        raise DefinitionError("Worker", [f"{workflow!r} is no workflow: {mend}"])
    return workflow.__workflow__()


def as_workflows(workflows: Sequence[AnyWorkflow]) -> dict[str, Workflow]:
    """Workflows by hash.

    Raises:
        DefinitionError: one of them is none.
    """
    return {each.hash: each for each in map(as_workflow, workflows)}


def queues_in(workflows: Sequence[AnyWorkflow]) -> list[str]:
    """Every queue that steps of these workflows go to."""
    return sorted({step.queue for each in map(as_workflow, workflows) for step in each.compiled.steps.values()})
