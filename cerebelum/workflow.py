"""`@workflow`: a timeline of steps and its rules under a name, built and checked where it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, overload

from cerebelum.builder import WorkflowBuilder
from cerebelum.errors import DefinitionError
from cerebelum.local import Approver, run_locally
from cerebelum.results import ExecutionResult
from cerebelum.rules import Predicate
from cerebelum.step import AnyStep
from cerebelum_client import PLAIN, Converter, Payloads, new_execution_id
from cerebelum_client.markers import milliseconds
from cerebelum_engine import DEFAULT_MAX_VISITS, Blueprint, compile_blueprint
from cerebelum_proto.worker import worker_service_pb as pb


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workflow:
    """A workflow as it was defined. Its hash names this very version of it."""

    name: str
    steps: Mapping[str, AnyStep] = field(repr=False)
    blueprint: pb.Blueprint = field(repr=False)
    """The contract's form of it."""
    compiled: Blueprint = field(repr=False)
    payloads: Payloads = field(default=PLAIN, repr=False)
    """Writes and reads what travels between its steps."""
    predicates: Mapping[str, tuple[Predicate, ...]] = field(default_factory=dict, repr=False)
    """What a worker evaluates after a step, for the branch that follows it."""

    @property
    def hash(self) -> str:
        """The hash of its content."""
        return self.compiled.hash

    async def execute(
        self,
        inputs: object = None,
        *,
        distributed: bool = False,
        core_url: str | None = None,
        store: str | None = None,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        approver: Approver | None = None,
    ) -> ExecutionResult:
        """Run it and return what became of it.

        Plain, it runs in this process and nothing is durable; `approver` decides its approvals. With `store`
        (`sqlite:///FILE`) it runs in this process on a durable Core: the same `execution_id` after a crash goes on
        where it was. With `distributed` it runs on the Core at `core_url` (default CEREBELUM_URL, then
        localhost:50051); a `Worker` that has this workflow must run somewhere, this call is none.

        Raises:
            PayloadError: the inputs cannot travel.
            ClientError: the Core cannot be reached, or refuses.
        """
        if distributed and store is not None:
            raise ValueError("pass either distributed=True or store=, not both")
        if distributed:
            from cerebelum.executor import DistributedExecutor

            async with DistributedExecutor(core_url) as executor:
                return await executor.execute(self, inputs, execution_id=execution_id, timeout=timeout)
        if store is not None:
            from cerebelum.embedded import run_embedded

            return await run_embedded(
                self, inputs, store=store, execution_id=execution_id, timeout=timeout, approver=approver
            )
        return await run_locally(
            self.compiled,
            self.steps,
            self.predicates,
            inputs,
            execution_id=execution_id or new_execution_id(),
            approver=approver,
            timeout_ms=milliseconds(timeout) if timeout else 0,
            payloads=self.payloads,
        )


@overload
def workflow(definition: Callable[[WorkflowBuilder], None], /) -> Workflow: ...


@overload
def workflow(
    *,
    name: str | None = None,
    max_visits: int = DEFAULT_MAX_VISITS,
    converters: Sequence[Converter[Any]] = (),  # Any: converters of any types together
) -> Callable[[Callable[[WorkflowBuilder], None]], Workflow]: ...


def workflow(
    definition: Callable[[WorkflowBuilder], None] | None = None,
    /,
    *,
    name: str | None = None,
    max_visits: int = DEFAULT_MAX_VISITS,
    converters: Sequence[Converter[Any]] = (),  # Any: converters of any types together
) -> Workflow | Callable[[Callable[[WorkflowBuilder], None]], Workflow]:
    """Make a workflow of a function that says what it is; it is built at once.

    An execution that is led to one step more than `max_visits` times fails. `converters` carry types of your own
    between its steps.

    Raises:
        DefinitionError: with everything that is wrong with it, each fault with its mend.
    """

    def decorate(decorated: Callable[[WorkflowBuilder], None]) -> Workflow:
        return replace(_define(decorated, name or decorated.__name__, max_visits), payloads=Payloads(converters))

    return decorate if definition is None else decorate(definition)


def _define(definition: Callable[[WorkflowBuilder], None], name: str, max_visits: int) -> Workflow:
    builder = WorkflowBuilder()
    definition(builder)
    built = builder.build(name, max_visits)
    return Workflow(
        name=name,
        steps=built.steps,
        blueprint=built.blueprint,
        compiled=compile_blueprint(built.blueprint),
        predicates=built.predicates,
    )


def as_workflows(workflows: Sequence[Workflow]) -> dict[str, Workflow]:
    """Workflows by hash.

    Raises:
        DefinitionError: one of them is none.
    """
    for each in workflows:
        if not isinstance(each, Workflow):
            raise DefinitionError("Worker", [f"{each!r} is no workflow: decorate its definition with @workflow"])
    return {each.hash: each for each in workflows}
