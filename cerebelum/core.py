"""What the SDK asks of a Core, wherever it is: over the wire (`CerebelumClient`) or in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol

from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb


class WorkerCore(Protocol):
    """What a worker needs of a Core."""

    async def submit_blueprint(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        """Have a blueprint validated and kept."""

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterResponse:
        """Announce a worker."""

    async def unregister(self, worker_id: str, reason: str = "") -> None:
        """Take a worker's leave."""

    async def heartbeat(self, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        """Keep a worker's leases."""

    async def poll(self, worker_id: str, timeout_ms: int) -> pb.Task:
        """Wait for a task."""

    async def submit_result(self, result: pb.TaskResult) -> pb.Ack:
        """Hand in what became of a task."""

    async def record_memo(self, request: pb.MemoRequest) -> pb.MemoResponse:
        """Keep a value of a running step."""

    def work(self, requests: AsyncIterator[stream_pb.WorkRequest]) -> AsyncGenerator[stream_pb.WorkResponse, None]:
        """Do all of that over one stream. It raises Unsupported where a Core has none."""


class CallerCore(Protocol):
    """What those who start executions need of a Core."""

    async def submit_blueprint(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        """Have a blueprint validated and kept."""

    async def start(
        self,
        workflow: str,
        inputs: Payload,
        *,
        execution_id: str = "",
        workflow_hash: str = "",
        correlation_id: str = "",
        tags: Sequence[str] = (),
        timeout_ms: int = 0,
    ) -> pb.ExecutionHandle:
        """Start an execution."""

    async def await_result(
        self, execution_id: str = "", *, start: pb.ExecuteRequest | None = None
    ) -> pb.ExecutionStatus:
        """Start an execution, or find one, and wait for its end, but not for ever: where it stands.

        It raises Unsupported where a Core cannot.
        """

    def execute(
        self, requests: AsyncIterator[stream_pb.ExecuteRequest]
    ) -> AsyncGenerator[stream_pb.ExecuteResponse, None]:
        """Start many executions over one stream and hear of the end of each. It raises Unsupported where it cannot."""

    async def status(self, execution_id: str) -> pb.ExecutionStatus:
        """Where an execution stands."""

    def history(self, execution_id: str, *, after_version: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """The events of an execution."""

    async def approve(
        self, execution_id: str, *, response: Payload | None = None, decided_by: str = "", step: str = ""
    ) -> control_pb.ApproveResponse:
        """Answer a waiting approval with yes."""

    async def reject(
        self, execution_id: str, *, reason: str = "", decided_by: str = "", step: str = ""
    ) -> control_pb.RejectResponse:
        """Answer a waiting approval with no."""

    async def cancel(
        self, execution_id: str, *, reason: str = "", cancelled_by: str = "", cleanup_ms: int = 0
    ) -> control_pb.CancelResponse:
        """Ask an execution to end."""
