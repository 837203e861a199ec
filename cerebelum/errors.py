"""Errors of the SDK, split by who must act.

CerebelumError
|-- DefinitionError        the author: a step or workflow is put together wrongly
|-- ExecutionFailed        the caller of `unwrap`: the execution ended without a result
|-- StepError              raised inside of steps
|   |-- ErrorResult        raise it to give `{"error": reason}` where a step's type has no room for it
|   |-- NonRetryable       raise it to say that trying again cannot help
|   |-- ApprovalRejected   a person said no
|   |-- ApprovalTimedOut   nobody decided in time
|   |-- SignalTimedOut     no signal of the name came in time
|   |-- MarkerMismatch     the step asked for other things than on its last run
|   |-- StillWaiting       poll() got no yes in time
|   |-- WaitMisused        the step forgot to await one of its waits, or swallowed it
|   `-- OutsideStep        sleep(), wait_for_approval() and wait_for_signal() belong into a step
`-- WorkerError            the operator: the worker cannot start, or has no code for a step
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cerebelum.results import ExecutionError


class CerebelumError(Exception):
    """Base of what the SDK raises by itself.

    What a call to a Core raises is a `cerebelum_client.ClientError`: `Refused`, `PayloadError` and others. An argument
    of a wrong kind is a TypeError or a ValueError.
    """


class DefinitionError(CerebelumError):
    """A step or workflow that cannot run. `faults` holds all that is wrong, each with its mend."""

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        super().__init__(f"{subject}: " + "; ".join(faults))
        self.faults = tuple(faults)


class ExecutionFailed(CerebelumError):
    """An execution that failed or was cancelled, where its output was asked for."""

    def __init__(self, message: str, *, status: str = "failed", error: ExecutionError | None = None) -> None:
        super().__init__(message)
        self.status = status
        """failed or cancelled."""
        self.error = error
        """Why, where something failed."""


class StepError(CerebelumError):
    """An error inside of a step."""


class NonRetryable(StepError):
    """Raise it, or a class of your own below it, from a step: it fails for good, whatever its retry policy."""


class ErrorResult(StepError):
    """Raise it from a step to fail it with a reason: a decision, as `return {"error": reason}` is, and not retried.

    A diverge rule of the workflow meets it by its reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ApprovalRejected(StepError):
    """A person said no. Uncaught, it fails the step for good."""

    def __init__(self, decided_by: str, reason: str) -> None:
        super().__init__(f"rejected{f' by {decided_by}' if decided_by else ''}{f': {reason}' if reason else ''}")
        self.decided_by = decided_by
        self.reason = reason


class ApprovalTimedOut(StepError):
    """Nobody decided in time. Uncaught, it fails the step for good."""


class SignalTimedOut(StepError):
    """No signal of the name came in time. Uncaught, it fails the step for good."""


class MarkerMismatch(StepError):
    """A resumed step took another way than before: its nth wait is of another kind than the one that ended."""


class StillWaiting(StepError):
    """`poll` got no yes in its time."""


class WaitMisused(StepError):
    """A step gave a value and had not come through its waits: it forgot an `await`, or caught what ends its run."""


class OutsideStep(StepError):
    """`sleep()`, `wait_for_approval()` or `wait_for_signal()` was called where no step runs."""


class WorkerError(CerebelumError):
    """The worker cannot start as it was asked to, or was handed a step that it has no code for."""
