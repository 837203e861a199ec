"""Everything that can be asked of a Core, wherever it is: over the wire (`CerebelumClient`) or in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cerebelum_client.approvals import Approvals
from cerebelum_client.calls import Calls
from cerebelum_client.executions import Executions
from cerebelum_client.lifecycle import Lifecycle
from cerebelum_client.workers import Workers
from cerebelum_codegen.runtime.rpc import Channel
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceStub
from cerebelum_proto.control.v1.lifecycle_grpc import LifecycleServiceStub
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceStub
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceStub


@dataclass(frozen=True, slots=True, kw_only=True)
class Stubs:
    """The services of a Core, as they are called."""

    worker: WorkerServiceStub
    stream: StreamServiceStub
    control: ControlServiceStub
    lifecycle: LifecycleServiceStub

    @classmethod
    def over(cls, channel: Channel) -> Self:
        """Those at the other end of a channel."""
        return cls(
            worker=WorkerServiceStub(channel),
            stream=StreamServiceStub(channel),
            control=ControlServiceStub(channel),
            lifecycle=LifecycleServiceStub(channel),
        )


class Core:
    """One Core. Its calls stand in groups, by who makes them; every failure is a `ClientError`."""

    executions: Executions
    """Started, sent signals, waited for, looked at and listed."""
    approvals: Approvals
    """Answered with yes or no."""
    lifecycle: Lifecycle
    """Executions explained, cancelled, paused, resumed, retried, redriven, forked, migrated."""
    workers: Workers
    """What a worker says."""

    def __init__(self, stubs: Stubs, calls: Calls) -> None:
        self._stubs = stubs
        self._calls = calls
        self.executions = Executions(stubs.worker, stubs.stream, stubs.control, calls)
        self.approvals = Approvals(stubs.control, calls)
        self.lifecycle = Lifecycle(stubs.lifecycle, stubs.control, calls)
        self.workers = Workers(stubs.worker, stubs.stream, calls)

    async def submit_blueprint(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        """Have a blueprint validated and kept."""
        calls = self._calls
        return await calls.safe(lambda: self._stubs.worker.submit_blueprint(blueprint, timeout_s=calls.call_s))

    async def workflow(self, name: str, workflow_hash: str = "") -> pb.Blueprint:
        """A workflow as it was submitted: its newest version, or the one with this hash.

        Raises:
            NotFound: the Core has none.
        """
        request = control_pb.GetWorkflowRequest(workflow_name=name, workflow_hash=workflow_hash)
        calls = self._calls
        found = await calls.safe(lambda: self._stubs.control.get_workflow(request, timeout_s=calls.call_s))
        return found.blueprint or pb.Blueprint()

    async def queues(self) -> Sequence[control_pb.QueueStanding]:
        """What waits in each queue, and who serves it."""
        request, calls = control_pb.ListQueuesRequest(), self._calls
        return (await calls.safe(lambda: self._stubs.control.list_queues(request, timeout_s=calls.call_s))).queues

    async def server_info(self) -> control_pb.GetServerInfoResponse:
        """Who answers."""
        request, calls = control_pb.GetServerInfoRequest(), self._calls
        return await calls.safe(lambda: self._stubs.control.get_server_info(request, timeout_s=calls.call_s))
