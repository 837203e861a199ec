"""`@workflow`: a timeline of steps under a name, built and checked where it is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import overload

from cerebelum.errors import DefinitionError
from cerebelum.local import Approver, run_locally
from cerebelum.results import ExecutionResult
from cerebelum.step import CONTEXT, INPUTS, AnyStep, Part, Retry, Timeline
from cerebelum_client import new_execution_id
from cerebelum_client.markers import milliseconds
from cerebelum_engine import Blueprint, compile_blueprint, validate
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb


class WorkflowBuilder:
    """Handed to the function below `@workflow`, which says with it what the workflow is."""

    def __init__(self) -> None:
        self._timeline: Timeline | None = None

    def timeline(self, part: Part) -> None:
        """The steps in their order: `wf.timeline(a >> b >> [c, d] >> e)`.

        Raises:
            DefinitionError: it is no composition of steps, or was said before.
        """
        if self._timeline is not None:
            raise DefinitionError("the workflow", ["it has a timeline already: compose all of it in one"])
        self._timeline = Timeline.of(part)

    def built(self) -> Timeline | None:
        """What was said."""
        return self._timeline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workflow:
    """A workflow as it was defined. Its hash names this very version of it."""

    name: str
    steps: Mapping[str, AnyStep] = field(repr=False)
    blueprint: pb.Blueprint = field(repr=False)
    """The contract's form of it."""
    compiled: Blueprint = field(repr=False)

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
            inputs,
            execution_id=execution_id or new_execution_id(),
            approver=approver,
            timeout_ms=milliseconds(timeout) if timeout else 0,
        )


@overload
def workflow(definition: Callable[[WorkflowBuilder], None], /) -> Workflow: ...


@overload
def workflow(*, name: str) -> Callable[[Callable[[WorkflowBuilder], None]], Workflow]: ...


def workflow(
    definition: Callable[[WorkflowBuilder], None] | None = None, /, *, name: str | None = None
) -> Workflow | Callable[[Callable[[WorkflowBuilder], None]], Workflow]:
    """Make a workflow of a function that says what it is; it is built at once.

    Raises:
        DefinitionError: with everything that is wrong with it, each fault with its mend.
    """

    def decorate(decorated: Callable[[WorkflowBuilder], None]) -> Workflow:
        return _define(decorated, name or decorated.__name__)

    return decorate if definition is None else decorate(definition)


def _define(definition: Callable[[WorkflowBuilder], None], name: str) -> Workflow:
    builder = WorkflowBuilder()
    definition(builder)
    timeline = builder.built()
    if timeline is None:
        raise DefinitionError(f"workflow '{name}'", ["it has no timeline: call wf.timeline(first >> second)"])
    steps, faults = _steps(timeline)
    blueprint = _blueprint(name, timeline, steps)
    faults += [] if faults else validate(blueprint).errors
    if faults:
        raise DefinitionError(f"workflow '{name}'", faults)
    return Workflow(name=name, steps=steps, blueprint=blueprint, compiled=compile_blueprint(blueprint))


def _steps(timeline: Timeline) -> tuple[dict[str, AnyStep], list[str]]:
    """The steps by name, and what is wrong with them: every name once, every parameter from an earlier step."""
    steps: dict[str, AnyStep] = {}
    faults: list[str] = []
    for stage in timeline.stages:
        earlier = set(steps)
        for step in stage:
            if step.name in steps:
                faults.append(f"step '{step.name}' stands twice on the timeline: give the second a name of its own")
            steps[step.name] = step
            faults += _dependency_faults(step, earlier, timeline)
    return steps, faults


def _dependency_faults(step: AnyStep, earlier: set[str], timeline: Timeline) -> list[str]:
    everywhere = {each.name for stage in timeline.stages for each in stage}
    faults: list[str] = []
    for name, parameter in step.parameters.items():
        if name in (CONTEXT, INPUTS) or name in earlier:
            continue
        if name in everywhere:
            faults.append(
                f"step '{step.name}' takes the result of '{name}', which does not end before it begins: "
                f"move '{name}' to an earlier stage"
            )
        elif parameter.default is inspect.Parameter.empty:
            faults.append(
                f"step '{step.name}' has a parameter '{name}', which is no step of this workflow: "
                "name an earlier step, 'inputs' or 'context', or give it a default"
            )
    return faults


def _blueprint(name: str, timeline: Timeline, steps: Mapping[str, AnyStep]) -> pb.Blueprint:
    definition = pb.WorkflowDefinition(
        timeline=[
            pb.Step(
                name=step.name,
                depends_on=[each for each in step.parameters if each in steps],
                takes_inputs=step.takes_inputs,
                retry=_policy(step.retry) if step.retry else None,
                start_to_close_ms=_span(step.timeout),
                schedule_to_start_ms=_span(step.queue_timeout),
                heartbeat_timeout_ms=_span(step.heartbeat_timeout),
            )
            for step in steps.values()
        ],
        stages=[pb.Stage(steps=[step.name for step in stage]) for stage in timeline.stages],
    )
    return pb.Blueprint(workflow_module=name, language="python", definition=definition)


def _span(limit: timedelta | None) -> int:
    return milliseconds(limit) if limit else 0


def _policy(retry: Retry) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=retry.max_attempts,
        initial_interval_ms=milliseconds(retry.initial_interval),
        backoff=retry.backoff,
        max_interval_ms=milliseconds(retry.max_interval),
        jitter=retry.jitter,
        non_retryable_kinds=[each if isinstance(each, str) else each.__name__ for each in retry.non_retryable],
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
