"""How an execution is shown to callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES
from cerebelum_core.payloads import struct_of
from cerebelum_core.store import StoredHead
from cerebelum_engine import State, status_of
from cerebelum_proto.worker.worker_service_pb import ExecutionState, ExecutionStatus, StepProgress

_MOST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Of a status with copies: the steps that wait come on top."""
_WORDS = {
    ExecutionState.EXECUTION_COMPLETED: "completed",
    ExecutionState.EXECUTION_FAILED: "failed",
    ExecutionState.EXECUTION_CANCELLED: "cancelled",
}


def status_word(status: ExecutionState) -> str:
    """The word of an execution handle: running, completed, failed or cancelled."""
    return _WORDS.get(status, "running")


def full_status(state: State, now: Timestamp, progress: Mapping[str, StepProgress] | None = None) -> ExecutionStatus:
    """A status with everything, as exact payloads and, for who has no payloads, as Structs, unless the copies would
    make it larger than a message may be; `progress` by step, where steps told of it.
    """
    status = status_of(state, now)
    status.progress = [replace(each, step_name=step) for step, each in (progress or {}).items()]
    values = sum(len(payload.data) for payload in status.outputs.values())
    values += len(status.exact_inputs.data) if status.exact_inputs is not None else 0
    if values > _MOST_BYTES:
        return status
    copied = _with_structs(status)
    # Two copies of what is small, a number as eight times its digits, do not come near the limit.
    return status if values > _MOST_BYTES // 32 and len(copied.to_bytes()) > _MOST_BYTES else copied


def _with_structs(status: ExecutionStatus) -> ExecutionStatus:
    outputs = {name: struct_of(payload) for name, payload in status.outputs.items()}
    steps = [replace(step, output=outputs.get(step.step_name, {})) for step in status.completed_steps]
    return replace(status, inputs=struct_of(status.exact_inputs), step_outputs=outputs, completed_steps=steps)


def listed_status(stored: StoredHead) -> ExecutionStatus:
    """A status as a list shows it: from its row, without reading its history."""
    head = stored.head
    return ExecutionStatus(
        execution_id=stored.execution_id,
        workflow_name=head.workflow,
        workflow_hash=head.blueprint_hash,
        status=head.status,
        started_at=head.started_at,
        completed_at=head.ended_at,
        current_step_index=head.step_index,
        total_steps=head.total_steps,
        current_step_name=head.step_name,
        history_length=stored.version,
    )
