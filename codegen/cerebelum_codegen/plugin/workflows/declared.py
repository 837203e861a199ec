"""A workflow as a proto file declares it, every decision taken: pure data, from which everything else is written.

Messages go by their full names in proto (`shop.v1.Order`), steps, approvals and signals by their rpc's name in snake
case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cerebelum_proto.options.v1.options_pb import IdReuse
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

INPUTS = "inputs"
"""What an execution was started with, where else the name of a step may stand."""
NOTHING = "google.protobuf.Empty"
"""The message of a step that takes, or gives, nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A field of a request, named after the step (or `inputs`) whose answer it holds."""

    name: str
    optional: bool = False
    """It stays unset where the step has not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredStep:
    """An rpc that runs as a step."""

    name: str
    rpc: str
    request: str
    response: str
    takes: str = ""
    """Whose answer the request is: a step, or `inputs`. Empty when it takes nothing, or is put together of parts."""
    parts: tuple[Part, ...] = ()
    """Of what its request is put together."""
    retry: RetryPolicy | None = None
    start_to_close_ms: int = 0
    schedule_to_start_ms: int = 0
    heartbeat_timeout_ms: int = 0
    queue: str = ""
    doc: tuple[str, ...] = ()
    place: str = ""
    """File and line."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The steps whose answers it takes, and `inputs`."""
        return (self.takes,) if self.takes else tuple(part.name for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredApproval:
    """An rpc that asks people."""

    name: str
    rpc: str
    request: str
    response: str
    timeout_ms: int = 0
    doc: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSignal:
    """An rpc that is a message to an execution from outside."""

    name: str
    rpc: str
    request: str
    timeout_ms: int = 0
    doc: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a rule: a pattern or condition on what a step gave, and where it leads."""

    step: str
    text: str
    to: str
    """Where it leads, as it is written."""
    route: pb.Route
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredWorkflow:
    """A service that is a workflow."""

    service: str
    """The full name of the service."""
    name: str
    """What the Core calls it."""
    inputs: str
    timeline: str
    """The timeline as it is written."""
    stages: tuple[pb.Stage, ...]
    steps: tuple[DeclaredStep, ...]
    """Those of the timeline in their order, then those of rules."""
    approvals: tuple[DeclaredApproval, ...] = ()
    signals: tuple[DeclaredSignal, ...] = ()
    diverge: tuple[Line, ...] = ()
    branch: tuple[Line, ...] = ()
    execution_id: str = ""
    id_reuse: IdReuse = IdReuse.ID_REUSE_SAME
    deadline_ms: int = 0
    tags: tuple[str, ...] = ()
    max_visits: int = 0
    queue: str = ""
    """Where steps go that name none; empty for the default one."""
    messages: tuple[pb.MessageDescription, ...] = ()
    """Those that travel in its executions, and those that these hold."""
    enums: tuple[pb.EnumDescription, ...] = ()
    doc: tuple[str, ...] = ()
    file: str = ""
    place: str = ""

    def step(self, name: str) -> DeclaredStep:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def spoken(self) -> Iterator[str]:
        """The messages that it speaks of."""
        yield self.inputs
        for step in self.steps:
            yield from (step.request, step.response)
        for approval in self.approvals:
            yield from (approval.request, approval.response)
        yield from (signal.request for signal in self.signals)

    @property
    def lines(self) -> Iterator[Line]:
        """Every line of its rules."""
        yield from self.diverge
        yield from self.branch
