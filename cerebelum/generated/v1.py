"""The contract between generated workflows and the SDK, version 1.

`*_workflows` modules import from here and from nowhere else in the SDK. What stands here stays, as long as code
generated for version 1 is in use; a change that would break it begins a `v2`.
"""

from cerebelum.context import Context
from cerebelum.declared.base import DeclaredWorkflow, ask, next_signal
from cerebelum.declared.client import WorkflowClient
from cerebelum.declared.definition import ApprovalType, Definition, Outputs, SignalType, StepType
from cerebelum.declared.events import (
    ApprovalAnswered,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalExpired,
    AttemptFailed,
    Cancelled,
    Completed,
    Failed,
    Other,
    SignalAwaited,
    SignalConsumed,
    Signalled,
    SignalWaitExpired,
    Sleeping,
    Started,
    StepCompleted,
    StepFailed,
    Untyped,
)
from cerebelum.declared.handle import ApprovalDesk, WorkflowHandle
from cerebelum_client import Core
from cerebelum_codegen.runtime import Empty
from cerebelum_proto.options.v1.options_pb import IdReuse
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDescription,
    Blueprint,
    BranchRule,
    ConditionBranch,
    Description,
    DivergeRule,
    EnumDescription,
    FieldDescription,
    Lane,
    MessageDescription,
    PatternMatch,
    Route,
    RouteAction,
    SignalDescription,
    Stage,
    Step,
    StepDescription,
    WorkflowDefinition,
)

__all__ = [
    "ApprovalAnswered",
    "ApprovalAsked",
    "ApprovalDenied",
    "ApprovalDescription",
    "ApprovalDesk",
    "ApprovalExpired",
    "ApprovalType",
    "AttemptFailed",
    "Blueprint",
    "BranchRule",
    "Cancelled",
    "Completed",
    "ConditionBranch",
    "Context",
    "Core",
    "DeclaredWorkflow",
    "Definition",
    "Description",
    "DivergeRule",
    "Empty",
    "EnumDescription",
    "Failed",
    "FieldDescription",
    "IdReuse",
    "Lane",
    "MessageDescription",
    "Other",
    "Outputs",
    "PatternMatch",
    "RetryPolicy",
    "Route",
    "RouteAction",
    "SignalAwaited",
    "SignalConsumed",
    "SignalDescription",
    "SignalType",
    "SignalWaitExpired",
    "Signalled",
    "Sleeping",
    "Stage",
    "Started",
    "Step",
    "StepCompleted",
    "StepDescription",
    "StepFailed",
    "StepType",
    "Untyped",
    "WorkflowClient",
    "WorkflowDefinition",
    "WorkflowHandle",
    "ask",
    "next_signal",
]
