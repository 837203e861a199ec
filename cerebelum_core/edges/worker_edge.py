"""The worker service: registration, tasks, results, blueprints, executions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cerebelum_codegen.runtime import Empty
from cerebelum_codegen.runtime.rpc import RequestContext, RpcError, StatusCode
from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import Clock
from cerebelum_core.edges.foreign import read_foreign_result
from cerebelum_core.edges.handouts import Handouts, size_of
from cerebelum_core.edges.pages import page_token, place_of
from cerebelum_core.edges.refusals import accepted, refusals, refused, require, require_name
from cerebelum_core.edges.starts import Starts
from cerebelum_core.edges.views import full_status, listed_status, status_word
from cerebelum_core.execution import Answer
from cerebelum_core.leases import Lease
from cerebelum_core.offers import Kind, pool_of
from cerebelum_core.recovery import RecoveryGates
from cerebelum_core.registry import Registry
from cerebelum_core.router import TaskRouter
from cerebelum_core.store import EventStore, HeadQuery
from cerebelum_core.workers import Worker, WorkerRegistry
from cerebelum_engine import (
    Handout,
    Reason,
    RecordMemo,
    Rejected,
    Resume,
    State,
    memo_of,
    owed_tasks,
    queue_fault,
    read_result,
)
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceBase

LONGEST_POLL_MS = 30_000
_DEFAULT_LIMIT = 50
_LONGEST_LIST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """How long a worker may be silent before its task moves on, in seconds."""

    ours_s: float = 30.0
    foreign_s: float = 300.0
    """Deployed clients send no heartbeat while they run a step."""

    def of(self, worker: Worker) -> float:
        """The term of this worker."""
        return self.foreign_s if worker.foreign else self.ours_s

    def by_kind(self) -> dict[Kind, float]:
        """The terms of all."""
        return {Kind.OURS: self.ours_s, Kind.FOREIGN: self.foreign_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEdge(WorkerServiceBase):
    """Serves `cerebelum.worker.WorkerService`."""

    registry: Registry
    blueprints: BlueprintRegistry
    workers: WorkerRegistry
    router: TaskRouter
    gates: RecoveryGates
    store: EventStore
    clock: Clock
    handouts: Handouts
    starts: Starts
    terms: LeaseTerms
    here: RequestContext = field(default_factory=RequestContext)
    """Of all calls that come from this very process."""

    # -- workers -----------------------------------------------------------------------------

    async def register(self, request: pb.RegisterRequest, context: RequestContext) -> pb.RegisterResponse:
        """Welcome a worker; what it holds, it keeps; what it had and does not hold is lost."""
        named = [] if request.worker_id else ["worker_id is empty: choose an id that is this worker's alone"]
        faults = [*named, *(fault for queue in request.queues if (fault := queue_fault(queue)))]
        require(not faults, "; ".join(faults))
        require_name("worker_id", request.worker_id)
        came_back = self.workers.is_same(request)
        if not came_back:
            self.router.dismiss(request.worker_id)  # what an earlier process asked for reaches nobody
        leases = self.router.leases.of(request.worker_id)
        with refusals():
            worker = await self.workers.register(request, here=context is self.here)
        term_s = self.terms.of(worker)
        lost = self.router.hold(request.worker_id, request.held_task_ids, term_s)
        if not came_back:
            self._miss(leases, request)
        self.gates.spoke(request.worker_id)
        return pb.RegisterResponse(
            success=True,
            message=f"welcome, {request.worker_id}",
            heartbeat_interval_ms=int(self.terms.ours_s * 1000 / 3),
            lease_ms=int(term_s * 1000),
            lost_task_ids=lost,
            cancelled_task_ids=self.router.to_stop(request.held_task_ids),
        )

    def _miss(self, leases: Sequence[Lease], request: pb.RegisterRequest) -> None:
        """Tasks that an earlier process of this worker had are lost with it.

        The same process may have a task that it does not name: the answer to another poll of it may still be on its
        way. If it is not, its lease ends by itself.
        """
        held = set(request.held_task_ids)
        for lease in leases:
            if lease.task_id not in held:
                self.router.lose(lease, "its worker registered anew without it")

    async def heartbeat(self, request: pb.HeartbeatRequest, context: RequestContext) -> pb.HeartbeatResponse:
        """Renew a worker's leases."""
        worker = self.workers.seen(request.worker_id)
        if worker is None:
            return pb.HeartbeatResponse(acknowledged=False, commands=["register"])
        if worker.foreign:
            self.router.leases.renew(self.router.leases.of(request.worker_id))
            return pb.HeartbeatResponse(acknowledged=True)
        lost = self.router.hold(request.worker_id, request.held_task_ids, self.terms.ours_s)
        self.router.leases.beat(request.worker_id, request.beating_task_ids)
        for progress in request.progress:
            lease = self.router.lease_of(progress.task_id)
            if lease is not None and lease.worker_id == request.worker_id:
                lease.progress = progress
        stopping = self.router.to_stop(request.held_task_ids)
        return pb.HeartbeatResponse(acknowledged=True, lost_task_ids=lost, cancelled_task_ids=stopping)

    async def unregister(self, request: pb.UnregisterRequest, context: RequestContext) -> Empty:
        """Let a worker go; its tasks move on at once."""
        with refusals():
            await self.workers.forget(request.worker_id)
        self.gates.spoke(request.worker_id)
        self.router.lose_all_of(request.worker_id, request.reason or "its worker took leave")
        return Empty()

    async def poll_for_task(self, request: pb.PollRequest, context: RequestContext) -> pb.Task:
        """Wait for a task that this worker can run."""
        worker = self.workers.seen(request.worker_id)
        if worker is None:
            raise RpcError(
                StatusCode.NOT_FOUND, f"worker {request.worker_id!r} is not registered: call Register, then poll again"
            )
        if worker.foreign:
            self.gates.spoke(request.worker_id)
            self.router.lose_all_of(request.worker_id, "its worker polled again without handing in a result")
        loop = asyncio.get_running_loop()
        until = loop.time() + min(max(request.timeout_ms, 0), LONGEST_POLL_MS) / 1000
        while self.workers.is_current(worker):
            left_s = max(until - loop.time(), 0)
            lease = await self.router.poll(request.worker_id, worker.pools, left_s, self.terms.of(worker))
            if lease is None:
                return pb.Task()
            task = await self.handouts.task(lease, worker)
            if task is not None and self.handouts.fits(task, size_of(task), lease, worker):
                self.workers.seen(request.worker_id)
                return task
        return pb.Task()

    async def submit_result(self, request: pb.TaskResult, context: RequestContext) -> pb.Ack:
        """Record what became of a task, and say what became of that."""
        worker = self.workers.seen(request.worker_id)
        # A worker that is forgotten meanwhile is known by what it says: a deployed client has no `started_at` to give.
        foreign = worker.foreign if worker is not None else request.started_at is None
        command = read_foreign_result(request) if foreign else read_result(request)
        if isinstance(command, Rejected):
            raise refused(command)
        try:
            with refusals():
                answer = await self.registry.tell(request.execution_id, command)
        except RpcError as error:
            if error.code is StatusCode.NOT_FOUND:
                return pb.Ack(message=error.message, outcome=pb.ResultOutcome.RESULT_OUTCOME_STALE)
            raise
        return _ack(answer)

    async def record_memo(self, request: pb.MemoRequest, context: RequestContext) -> pb.MemoResponse:
        """Keep a value of a running step, and say what is kept."""
        require(bool(request.key), "key is empty: name what is kept")
        self.workers.seen(request.worker_id)
        command = RecordMemo(
            task_id=request.task_id,
            worker_id=request.worker_id,
            key=request.key,
            value=request.value or Payload(),
        )
        with refusals():
            answer = await self.registry.tell(request.execution_id, command)
        if isinstance(answer, Rejected):
            return pb.MemoResponse(outcome=pb.ResultOutcome.RESULT_OUTCOME_STALE, message=answer.message)
        recorded, before = pb.ResultOutcome.RESULT_OUTCOME_RECORDED, pb.ResultOutcome.RESULT_OUTCOME_DUPLICATE
        kept = memo_of(answer.state, request.task_id, request.key)
        return pb.MemoResponse(outcome=recorded if answer.events else before, value=kept or command.value)

    # -- blueprints and executions -----------------------------------------------------------

    async def submit_blueprint(self, request: pb.Blueprint, context: RequestContext) -> pb.BlueprintValidation:
        """Validate and keep a blueprint."""
        with refusals():
            return await self.blueprints.submit(request)

    async def execute_workflow(self, request: pb.ExecuteRequest, context: RequestContext) -> pb.ExecutionHandle:
        """Start an execution and answer at once."""
        with refusals():
            command, blueprint = await self.starts.read(request)
            answer = accepted(await self.registry.begin(command, blueprint))
        return pb.ExecutionHandle(
            execution_id=command.execution_id,
            status=status_word(answer.state.status),
            started_at=answer.state.started_at,
            created=bool(answer.events),
        )

    async def get_execution_status(
        self, request: pb.GetExecutionStatusRequest, context: RequestContext
    ) -> pb.ExecutionStatus:
        """Where an execution stands."""
        with refusals():
            state = await self.registry.settled_state(request.execution_id)
        leases = {task.step: self.router.lease_of(task.task_id) for task in owed_tasks(state)}
        progress = {step: lease.progress for step, lease in leases.items() if lease and lease.progress}
        status = full_status(state, self.clock.now(), progress)
        status.queued_steps = list(self._queued(state))
        return status

    def _queued(self, state: State) -> Iterator[pb.QueuedStep]:
        """The steps that are offered and in nobody's hands."""
        for task in owed_tasks(state):
            if task.handout is Handout.OFFER and not self.router.may_be_held(task.task_id):
                able = self.workers.able(pool_of(state.blueprint, task))
                yield pb.QueuedStep(step_name=task.step, queue=task.queue, worker_ids=able)

    async def list_executions(
        self, request: pb.ListExecutionsRequest, context: RequestContext
    ) -> pb.ListExecutionsResponse:
        """Executions, newest first."""
        limit = min(request.limit if request.limit > 0 else _DEFAULT_LIMIT, _LONGEST_LIST)
        query = HeadQuery(
            workflow=request.workflow_name or "",
            status=request.status or None,
            limit=limit,
            offset=max(request.offset, 0),
            after=place_of(request.page_token),
        )
        with refusals():
            page = await self.store.list_heads(query)
        return pb.ListExecutionsResponse(
            executions=[listed_status(stored) for stored in page.heads],
            total_count=page.total,
            has_more=page.next is not None,
            next_page_token=page_token(page.next),
        )

    async def resume_execution(self, request: pb.ResumeExecutionRequest, context: RequestContext) -> pb.ExecutionHandle:
        """Let a paused execution go on. Whatever `skip_completed_steps` says, no completed step runs again."""
        with refusals():
            answer = accepted(await self.registry.tell(request.execution_id, Resume()))
        return pb.ExecutionHandle(
            execution_id=request.execution_id,
            status=status_word(answer.state.status),
            started_at=answer.state.started_at,
        )


def _ack(answer: Answer) -> pb.Ack:
    if not isinstance(answer, Rejected):
        return pb.Ack(success=True, message="recorded", outcome=pb.ResultOutcome.RESULT_OUTCOME_RECORDED)
    if answer.reason is Reason.DUPLICATE:
        return pb.Ack(success=True, message=answer.message, outcome=pb.ResultOutcome.RESULT_OUTCOME_DUPLICATE)
    if answer.reason in (Reason.STALE, Reason.ENDED):
        return pb.Ack(message=answer.message, outcome=pb.ResultOutcome.RESULT_OUTCOME_STALE)
    raise refused(answer)
