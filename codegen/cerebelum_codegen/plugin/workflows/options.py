"""The options of a service and its rpcs, read from their bytes by the generated code of the contract."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import MethodOptions, ServiceOptions

from cerebelum_codegen.plugin.markers import WORKFLOW_OPTION, sized
from cerebelum_proto.options.v1.options_pb import Approval, Signal, Step, Workflow

WORKFLOW, STEP, APPROVAL, SIGNAL = WORKFLOW_OPTION, 50100, 50101, 50102
"""The numbers of the options."""


def workflow_in(options: ServiceOptions) -> Workflow:
    """What makes a workflow of the service. An option that is told in pieces is merged."""
    return Workflow.from_bytes(b"".join(sized(options, WORKFLOW)))


def step_in(options: MethodOptions) -> Step | None:
    """How the rpc is carried out, where it is told."""
    told = list(sized(options, STEP))
    return Step.from_bytes(b"".join(told)) if told else None


def approval_in(options: MethodOptions) -> Approval | None:
    """How people are asked; None for an rpc that asks nobody."""
    told = list(sized(options, APPROVAL))
    return Approval.from_bytes(b"".join(told)) if told else None


def signal_in(options: MethodOptions) -> Signal | None:
    """How the signal is waited for; None for an rpc that is none."""
    told = list(sized(options, SIGNAL))
    return Signal.from_bytes(b"".join(told)) if told else None
