"""The lifecycle service: operators pause, resume, terminate, retry, redrive, fork and migrate executions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import Clock
from cerebelum_core.edges.refusals import accepted, refusals, require_name
from cerebelum_core.errors import Quarantined, UnknownExecution
from cerebelum_core.execution import Answer
from cerebelum_core.explanations import Explanations
from cerebelum_core.ids import RandomBytes, uuid7
from cerebelum_core.registry import Registry
from cerebelum_core.store import EventStore
from cerebelum_core.supervisor import Supervisor
from cerebelum_engine import Fork, Migrate, Pause, Redrive, Rejected, Resume, Retry, Terminate
from cerebelum_proto.control.v1 import lifecycle_pb as pb
from cerebelum_proto.control.v1.lifecycle_grpc import LifecycleServiceBase
from cerebelum_proto.events.v1.events_pb import ExecutionRetried, ExecutionStarted, StepRedriven


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleEdge(LifecycleServiceBase):
    """Serves `cerebelum.control.v1.LifecycleService`."""

    registry: Registry
    supervisor: Supervisor
    explanations: Explanations
    blueprints: BlueprintRegistry
    store: EventStore
    clock: Clock
    random_bytes: RandomBytes

    async def explain(self, request: pb.ExplainRequest, context: RequestContext) -> pb.ExplainResponse:
        """Why an execution is where it is."""
        with refusals():
            state = await self.registry.state(request.execution_id)
        try:
            self.supervisor.require_healthy(request.execution_id)
        except Quarantined as error:
            aside = pb.Explanation(standing=pb.Standing.STANDING_QUARANTINED, message=str(error))
            return pb.ExplainResponse(explanations=[aside])
        return pb.ExplainResponse(explanations=list(self.explanations.of(state)))

    async def terminate(self, request: pb.TerminateRequest, context: RequestContext) -> pb.TerminateResponse:
        """End an execution at once."""
        command = Terminate(reason=request.reason, terminated_by=request.terminated_by)
        with refusals():
            accepted(await self.registry.tell(request.execution_id, command))
        return pb.TerminateResponse()

    async def pause(self, request: pb.PauseRequest, context: RequestContext) -> pb.PauseResponse:
        """Hand out nothing new of an execution."""
        command = Pause(reason=request.reason, paused_by=request.paused_by)
        with refusals():
            accepted(await self.registry.tell(request.execution_id, command))
        return pb.PauseResponse()

    async def resume(self, request: pb.ResumeRequest, context: RequestContext) -> pb.ResumeResponse:
        """Let a paused execution go on."""
        with refusals():
            accepted(await self.registry.tell(request.execution_id, Resume(resumed_by=request.resumed_by)))
        return pb.ResumeResponse()

    async def redrive(self, request: pb.RedriveRequest, context: RequestContext) -> pb.RedriveResponse:
        """Let dead-lettered steps be handed out again."""
        command = Redrive(step=request.step_name, redriven_by=request.redriven_by)
        with refusals():
            answer = accepted(await self.registry.tell(request.execution_id, command))
        facts = (event.fact for event in answer.events)
        return pb.RedriveResponse(step_names=[fact.step for fact in facts if isinstance(fact, StepRedriven)])

    async def retry(self, request: pb.RetryRequest, context: RequestContext) -> pb.RetryResponse:
        """Let a failed execution go on with its failed steps."""
        with refusals():
            answer = accepted(await self.registry.tell(request.execution_id, Retry(retried_by=request.retried_by)))
        facts = (event.fact for event in answer.events)
        steps = next((fact.steps for fact in facts if isinstance(fact, ExecutionRetried)), [])
        return pb.RetryResponse(step_names=list(steps))

    async def fork(self, request: pb.ForkRequest, context: RequestContext) -> pb.ForkResponse:
        """Begin an execution with the history of another one."""
        require_name("new_execution_id", request.new_execution_id)
        with refusals():
            origin = await self.registry.state(request.execution_id)
            history = await self.store.read(request.execution_id)
            first = history[0].fact
            digest = first.blueprint_hash if isinstance(first, ExecutionStarted) else origin.blueprint.hash
            command = Fork(
                execution_id=request.new_execution_id or uuid7(self.clock, self.random_bytes),
                origin=request.execution_id,
                history=history,
                step=request.step_name,
                forked_by=request.forked_by,
            )
            answer = await self.registry.begin(command, await self.blueprints.get(digest))
            if isinstance(answer, Rejected):
                answer = await self._forked_before(command, answer)
            events = accepted(answer).events
        return pb.ForkResponse(execution_id=command.execution_id, created=bool(events))

    async def _forked_before(self, command: Fork, refused: Rejected) -> Answer:
        """It may have begun when its origin stood elsewhere; to begin it nothing was read."""
        try:
            return await self.registry.tell(command.execution_id, command)
        except UnknownExecution:
            return refused

    async def migrate(self, request: pb.MigrateRequest, context: RequestContext) -> pb.MigrateResponse:
        """Move an execution to another blueprint of its workflow."""
        with refusals():
            state = await self.registry.state(request.execution_id)
            blueprint = await self.blueprints.submitted(request.workflow_hash, state.blueprint.workflow)
            command = Migrate(
                blueprint=replace(blueprint, description=None),  # a history is no place for it
                history=await self.store.read(request.execution_id),
                migrated_by=request.migrated_by,
            )
            answer = accepted(await self.registry.tell(request.execution_id, command))
        return pb.MigrateResponse(workflow_hash=answer.state.blueprint.hash)
