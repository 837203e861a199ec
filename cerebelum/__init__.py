"""Durable workflows for Python.

from cerebelum import step, workflow

@step
async def greet(inputs: dict[str, str]) -> str:
    return f"hello, {inputs['name']}"

@workflow
def hello(wf):
    wf.timeline(greet)

result = await hello.execute({"name": "Ada"})
"""

from cerebelum.builder import WorkflowBuilder
from cerebelum.context import Context
from cerebelum.errors import (
    ApprovalRejected,
    ApprovalTimedOut,
    CerebelumError,
    DefinitionError,
    ErrorResult,
    ExecutionFailed,
    MarkerMismatch,
    NonRetryable,
    OutsideStep,
    SignalTimedOut,
    StepError,
    StillWaiting,
    WaitMisused,
    WorkerError,
)
from cerebelum.execution_stream import ExecutionStream
from cerebelum.executor import DistributedExecutor
from cerebelum.handle import ExecutionHandle
from cerebelum.local import Approver, No, Yes
from cerebelum.policies import Retry
from cerebelum.progress import ProgressReporter
from cerebelum.repeating import poll, retry
from cerebelum.results import ExecutionError, ExecutionResult, Explanation, PendingApproval, Progress
from cerebelum.rules import Action, back_to, end, fail, mapping, proceed, skip_to
from cerebelum.signals import Signal
from cerebelum.step import Step, Timeline, step
from cerebelum.waits import Decision, memo, sleep, wait_for_approval, wait_for_signal
from cerebelum.worker import Worker
from cerebelum.workflow import Workflow, as_workflow, workflow
from cerebelum_client import Converter

__all__ = [
    "Action",
    "ApprovalRejected",
    "ApprovalTimedOut",
    "Approver",
    "CerebelumError",
    "Context",
    "Converter",
    "Decision",
    "DefinitionError",
    "DistributedExecutor",
    "ErrorResult",
    "ExecutionError",
    "ExecutionFailed",
    "ExecutionHandle",
    "ExecutionResult",
    "ExecutionStream",
    "Explanation",
    "MarkerMismatch",
    "No",
    "NonRetryable",
    "OutsideStep",
    "PendingApproval",
    "Progress",
    "ProgressReporter",
    "Retry",
    "Signal",
    "SignalTimedOut",
    "Step",
    "StillWaiting",
    "WaitMisused",
    "StepError",
    "Timeline",
    "Worker",
    "WorkerError",
    "Workflow",
    "WorkflowBuilder",
    "Yes",
    "as_workflow",
    "back_to",
    "end",
    "fail",
    "mapping",
    "memo",
    "poll",
    "proceed",
    "retry",
    "skip_to",
    "sleep",
    "step",
    "wait_for_approval",
    "wait_for_signal",
    "workflow",
]
