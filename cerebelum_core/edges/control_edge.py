"""The control service: people decide, send signals, cancel, follow histories, and look at queues."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import Clock
from cerebelum_core.descriptions import answer_fault, signal_fault
from cerebelum_core.edges.refusals import accepted, refusals, require, require_name
from cerebelum_core.ids import RandomBytes, uuid7
from cerebelum_core.registry import Registry
from cerebelum_core.router import TaskRouter
from cerebelum_core.watchers import Watchers
from cerebelum_core.workers import WorkerRegistry
from cerebelum_engine import Approve, Cancel, Reject, SendSignal, State, hash_of
from cerebelum_proto.control.v1 import control_pb as pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceBase
from cerebelum_proto.events.v1.events_pb import ApprovalGranted, ApprovalRejected, ApprovalRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEdge(ControlServiceBase):
    """Serves `cerebelum.control.v1.ControlService`."""

    registry: Registry
    blueprints: BlueprintRegistry
    router: TaskRouter
    workers: WorkerRegistry
    watchers: Watchers
    clock: Clock
    random_bytes: RandomBytes
    info: pb.GetServerInfoResponse

    async def approve(self, request: pb.ApproveRequest, context: RequestContext) -> pb.ApproveResponse:
        """Answer a waiting approval with yes, if its response is what the workflow says of it."""
        with refusals():
            answer = accepted(
                await self.registry.tell_seeing(request.execution_id, lambda state: self._approval(state, request))
            )
        granted = (event.fact.step for event in answer.events if isinstance(event.fact, ApprovalGranted))
        return pb.ApproveResponse(step_name=next(granted))

    def _approval(self, state: State, request: pb.ApproveRequest) -> Approve:
        """The command, about the very question that its response was looked at for.

        Raises:
            RpcError: the response is no answer to it.
        """
        asked = asked_of(state, request.step_name, request.task_id)
        if len(asked) == 1:
            fault = answer_fault(self.blueprints.told(state.blueprint.hash), asked[0].approval_type, request.response)
            require(not fault, f"{fault}; step '{asked[0].step}' still asks")
        return Approve(
            step=request.step_name,
            response=request.response,
            decided_by=request.decided_by,
            task_id=asked[0].task_id if len(asked) == 1 else request.task_id,
        )

    async def reject(self, request: pb.RejectRequest, context: RequestContext) -> pb.RejectResponse:
        """Answer a waiting approval with no."""
        command = Reject(
            step=request.step_name, reason=request.reason, decided_by=request.decided_by, task_id=request.task_id
        )
        with refusals():
            answer = accepted(await self.registry.tell(request.execution_id, command))
        rejected = (event.fact.step for event in answer.events if isinstance(event.fact, ApprovalRejected))
        return pb.RejectResponse(step_name=next(rejected))

    async def signal(self, request: pb.SignalRequest, context: RequestContext) -> pb.SignalResponse:
        """Give an execution a signal, or find that it has it, if it brings what the workflow says of it."""
        require_name("name", request.name)
        require_name("signal_id", request.signal_id)
        command = SendSignal(
            signal_id=request.signal_id or uuid7(self.clock, self.random_bytes),
            name=request.name,
            payload=request.payload,
            sent_by=request.sent_by,
        )

        def checked(state: State) -> SendSignal:
            fault = signal_fault(self.blueprints.told(state.blueprint.hash), command.name, command.payload)
            require(not fault, fault)
            return command

        with refusals():
            answer = accepted(await self.registry.tell_seeing(request.execution_id, checked))
        return pb.SignalResponse(signal_id=command.signal_id, recorded=bool(answer.events))

    async def cancel(self, request: pb.CancelRequest, context: RequestContext) -> pb.CancelResponse:
        """Ask an execution to end, once the steps that run have cleaned up."""
        with refusals():
            await self.registry.wake(request.execution_id)  # so that the router knows what it owes
            command = Cancel(
                reason=request.reason,
                cancelled_by=request.cancelled_by,
                cleanup_ms=request.cleanup_ms,
                in_hand=self.router.in_hand(request.execution_id),
            )
            answer = accepted(await self.registry.tell(request.execution_id, command))
        return pb.CancelResponse(ended=answer.state.ended)

    async def get_history(
        self, request: pb.GetHistoryRequest, context: RequestContext
    ) -> AsyncGenerator[pb.GetHistoryResponse, None]:
        """The history of an execution, and with `follow` what is added to it until it ends."""
        with refusals():
            events = self.watchers.follow(request.execution_id, request.after_version, live=request.follow)
            async with aclosing(events):
                async for event in events:
                    yield pb.GetHistoryResponse(event=event)

    async def list_queues(self, request: pb.ListQueuesRequest, context: RequestContext) -> pb.ListQueuesResponse:
        """What waits in each queue, and who serves it."""
        found = {name: pb.QueueStanding(name=name, worker_ids=ids) for name, ids in self.workers.by_queue().items()}
        for pool, waiting in self.router.queued.items():
            queue = found.setdefault(pool.queue, pb.QueueStanding(name=pool.queue))
            queue.waiting += waiting
            queue.unserved += 0 if self.workers.able(pool) else waiting
        return pb.ListQueuesResponse(queues=[found[name] for name in sorted(found)])

    async def get_workflow(self, request: pb.GetWorkflowRequest, context: RequestContext) -> pb.GetWorkflowResponse:
        """A workflow as it was submitted."""
        with refusals():
            blueprint = await self.blueprints.submitted(request.workflow_hash, request.workflow_name)
        return pb.GetWorkflowResponse(blueprint=blueprint, workflow_hash=hash_of(blueprint))

    async def get_server_info(
        self, request: pb.GetServerInfoRequest, context: RequestContext
    ) -> pb.GetServerInfoResponse:
        """Who answers here."""
        return self.info


def asked_of(state: State, step: str, task_id: str) -> list[ApprovalRequested]:
    """The questions that wait and that a decision may be about; an empty name leaves it open."""
    asked = (state.steps[name].waiting_for for name in state.open)
    return [
        each
        for each in asked
        if isinstance(each, ApprovalRequested) and step in ("", each.step) and task_id in ("", each.task_id)
    ]
