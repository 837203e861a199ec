"""What became of an execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cerebelum.errors import ExecutionFailed
from cerebelum.step import AnyStep
from cerebelum_client import PLAIN, Payloads
from cerebelum_client.annotations import hints_of
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.worker.worker_service_pb import ErrorInfo, ExecutionState, ExecutionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionError:
    """Why an execution has no output."""

    kind: str
    """The class name of an exception, `error` for a step that returned `{"error": ...}`, or the engine's own word."""
    message: str
    step: str = ""
    reason: object = None
    """The `e` of `{"error": e}`."""
    stacktrace: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running step is, as it says itself."""

    percent: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """What became of an execution."""

    execution_id: str
    status: str
    """completed, failed, cancelled; while it goes on: running, sleeping, waiting_for_approval."""
    output: object = None
    """The result of the last step; of a last group, a mapping from step to result."""
    error: ExecutionError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    progress: Mapping[str, Progress] = field(default_factory=dict)
    """How far running steps are, by step, where they tell."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("completed", "failed", "cancelled")

    def unwrap(self) -> object:
        """The output.

        Raises:
            ExecutionFailed: the execution did not complete.
        """
        if self.status == "completed":
            return self.output
        why = f": {self.error.kind}: {self.error.message}" if self.error else ""
        raise ExecutionFailed(f"execution '{self.execution_id}' is {self.status}{why}")


def result_of(
    status: ExecutionStatus, steps: Mapping[str, AnyStep] | None = None, payloads: Payloads = PLAIN
) -> ExecutionResult:
    """A status as a result; with the workflow's steps at hand, the output is read as they are annotated."""
    return ExecutionResult(
        execution_id=status.execution_id,
        status=status_word(status.status),
        output=_output(status, steps or {}, payloads),
        error=_error(status.error, status.current_step_name, payloads) if status.error else None,
        started_at=_datetime(status.started_at),
        completed_at=_datetime(status.completed_at),
        progress={each.step_name: Progress(each.percent, each.message) for each in status.progress},
    )


def status_word(state: ExecutionState) -> str:
    """A state in a word: `EXECUTION_WAITING_FOR_APPROVAL` is waiting_for_approval."""
    return state.name.removeprefix("EXECUTION_").lower()


def _output(status: ExecutionStatus, steps: Mapping[str, AnyStep], payloads: Payloads) -> object:
    values = {
        name: payloads.read(status.outputs.get(name), return_annotation(steps.get(name)))
        for name in status.result_steps
    }
    return next(iter(values.values())) if len(values) == 1 else values or None


def return_annotation(step: AnyStep | None) -> object:
    """What a step is annotated to return."""
    return object if step is None else hints_of(step.function).get("return", object)


def _error(error: ErrorInfo, step: str, payloads: Payloads) -> ExecutionError:
    return ExecutionError(
        kind=error.kind,
        message=error.message,
        step=step,
        reason=payloads.read(error.decision),
        stacktrace=error.stacktrace,
    )


def _datetime(instant: Timestamp | None) -> datetime | None:
    return None if instant is None else instant.to_datetime()
