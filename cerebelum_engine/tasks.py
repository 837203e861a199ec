"""What a worker is handed: a task with everything that its step needs, exact."""

from __future__ import annotations

from cerebelum_engine.blueprint import StepSpec
from cerebelum_engine.effects import DispatchTask
from cerebelum_engine.state import State
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import Task


def build_task(state: State, dispatch: DispatchTask) -> Task:
    """The task of a dispatch effect. The shell adds when it was handed out and for how long it is leased."""
    step = state.steps[dispatch.step]
    spec = state.blueprint.steps[dispatch.step]
    return Task(
        task_id=dispatch.task_id,
        execution_id=state.execution_id,
        workflow_module=state.blueprint.workflow,
        workflow_hash=state.blueprint.hash,
        step_name=dispatch.step,
        attempt=step.attempt,
        arguments=_arguments(state, spec),
        workflow_inputs=state.started.inputs if state.started else None,
        satisfied_markers=list(step.markers),
        memos=dict(step.memos),
        start_to_close_ms=spec.start_to_close_ms,
        heartbeat_timeout_ms=spec.heartbeat_timeout_ms,
    )


def _arguments(state: State, spec: StepSpec) -> dict[str, Payload]:
    """The results that the step takes. An optional one that is not there is left out: the step has a default."""
    arguments: dict[str, Payload] = {}
    for name in spec.depends_on:
        visit = state.steps.get(name)
        output = visit.output if visit is not None else None
        if output is not None or name not in spec.optional:
            arguments[name] = output or Payload()
    return arguments
