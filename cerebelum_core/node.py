"""The composition root: names every concrete part of one Core process and what each is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import Clock
from cerebelum_core.edges.control_edge import ControlEdge
from cerebelum_core.edges.handouts import Handouts
from cerebelum_core.edges.lifecycle_edge import LifecycleEdge
from cerebelum_core.edges.starts import Starts
from cerebelum_core.edges.stream_edge import StreamEdge
from cerebelum_core.edges.worker_edge import LeaseTerms, WorkerEdge
from cerebelum_core.endings import Endings
from cerebelum_core.errors import CoreError, Quarantined, StoreError, UnknownExecution
from cerebelum_core.explanations import Explanations
from cerebelum_core.ids import RandomBytes
from cerebelum_core.leases import Lease
from cerebelum_core.offers import Kind
from cerebelum_core.reconstructor import EVERY, StateReconstructor
from cerebelum_core.recovery import RecoveryGates, lost_with
from cerebelum_core.registry import MAX_LIVE, Registry
from cerebelum_core.resurrector import Resurrector
from cerebelum_core.router import TaskRouter
from cerebelum_core.scheduler import WorkflowScheduler
from cerebelum_core.store import EventStore
from cerebelum_core.supervisor import Supervisor
from cerebelum_core.watchers import Watchers
from cerebelum_core.workers import Worker, WorkerRegistry
from cerebelum_engine import (
    FireTimers,
    LoseTask,
    Owed,
    Rejected,
    State,
    TimeOutTask,
    next_timer,
)
from cerebelum_proto.control.v1.control_pb import GetServerInfoResponse

_RETRY_S = 1.0
_SWEEP_S = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """What one Core process is told."""

    node_id: str
    version: str
    terms: LeaseTerms = field(default_factory=LeaseTerms)
    snapshot_every: int = EVERY
    """Events of one execution."""
    max_live: int = MAX_LIVE
    """Executions with owed tasks that stay in memory."""


class Node:
    """One Core: everything but the socket. The edges may be called directly."""

    def __init__(self, config: NodeConfig, *, store: EventStore, clock: Clock, random_bytes: RandomBytes) -> None:
        self._config = config
        self._background: set[asyncio.Task[None]] = set()
        self._doubts: set[str] = set()
        self._stopping = False
        self.store = store
        self.blueprints = BlueprintRegistry(store, clock)
        self.workers = WorkerRegistry(store, clock, config.node_id)
        self.router = TaskRouter(self._on_lost, self._on_limit, clock)
        self.gates = RecoveryGates(self._open_gate)
        self.watchers = Watchers(store)
        self.endings = Endings()
        self.scheduler = WorkflowScheduler(store, clock, self._fire, self._prepare)
        self.supervisor = Supervisor(clock)
        self.reconstructor = StateReconstructor(store, self.blueprints, config.snapshot_every)
        self.registry = Registry(
            store=store,
            reconstructor=self.reconstructor,
            clock=clock,
            supervisor=self.supervisor,
            observer=self,
            max_live=config.max_live,
        )
        self._resurrector = Resurrector(store, self.registry, _RETRY_S)
        handouts = Handouts(registry=self.registry, router=self.router, clock=clock)
        self.worker_edge = WorkerEdge(
            registry=self.registry,
            blueprints=self.blueprints,
            workers=self.workers,
            router=self.router,
            gates=self.gates,
            store=store,
            clock=clock,
            handouts=handouts,
            starts=Starts(blueprints=self.blueprints, clock=clock, random_bytes=random_bytes),
            terms=config.terms,
        )
        self.stream_edge = StreamEdge(unary=self.worker_edge, endings=self.endings)
        self.control_edge = ControlEdge(
            registry=self.registry,
            blueprints=self.blueprints,
            router=self.router,
            workers=self.workers,
            watchers=self.watchers,
            clock=clock,
            random_bytes=random_bytes,
            info=GetServerInfoResponse(version=config.version, node_id=config.node_id, store=store.kind),
        )
        self.lifecycle_edge = LifecycleEdge(
            registry=self.registry,
            supervisor=self.supervisor,
            explanations=Explanations(router=self.router, workers=self.workers, clock=clock),
            blueprints=self.blueprints,
            store=store,
            clock=clock,
            random_bytes=random_bytes,
        )

    # -- what the executions tell ------------------------------------------------------------

    def committed(self, state: State, owed: Owed) -> None:
        """Events are durable: offer what they owe."""
        if owed.gone is None:
            self.router.sync(state, owed.tasks)
        else:
            self.router.amend(state, owed.tasks, owed.gone)
        self._tell(state, owed)

    def loaded(self, state: State, owed: Owed) -> None:
        """An execution was read from the store: its tasks may be known, or held by somebody."""
        self.router.recover(state, owed.tasks)
        self._tell(state, owed)

    def _tell(self, state: State, owed: Owed) -> None:
        self.scheduler.arm(state.execution_id, owed.wake_at)
        self.watchers.notify(state.execution_id)
        self.reconstructor.grown(state)
        if state.ended:
            self.endings.ended(state)

    def unsure(self, execution_id: str) -> None:
        """What an execution owes is unknown until it is read: hand out nothing of it."""
        self.router.withdraw(execution_id)

    def doubted(self, execution_id: str) -> None:
        """What became of an append is unknown: ask again until it is."""
        if execution_id not in self._doubts:
            self._doubts.add(execution_id)
            self._run(self._find_out(execution_id))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way: no task that anybody here can run, no timer to fire, no command to record."""
        if self.router.is_busy or self.scheduler.is_firing or not self.registry.is_idle:
            return False
        return not any(self.workers.able(pool) for pool in self.router.queued)

    # -- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up where the store says that things stand."""
        self.gates.expect(await self.workers.load(), self._config.terms.by_kind())
        self.scheduler.start()
        self._run(self._resurrect())
        self._run(self._sweep())

    async def drain(self) -> None:
        """Hand out nothing more; answer those who wait; finish what is being recorded."""
        self._stopping = True
        self.gates.close()
        self.router.drain()
        self.watchers.close()
        await self.scheduler.stop()
        for task in list(self._background):
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)
        await self.registry.settle()
        await self.reconstructor.settle()
        self.stream_edge.close()

    async def stop(self) -> None:
        """Drain, and close the store."""
        await self.drain()
        await self.store.close()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        if self._stopping:
            work.close()  # the next Core finds it by itself: nothing is remembered beside the log
            return
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _resurrect(self) -> None:
        count = await self._resurrector.run()
        if count:
            _log.info("%d executions owe a task and go on", count)
        self.gates.all_read()

    def _open_gate(self, kind: Kind) -> None:
        if kind is Kind.OURS and (gone := self.workers.take_gone()):
            self._run(self._open_after_losses(gone))
        else:
            self.router.open_gate(kind)

    async def _open_after_losses(self, gone: Sequence[Worker]) -> None:
        """What was lost with these workers is recorded first, and handed out first."""
        await self._resurrector.lose(lost_with(gone, self.router.held_back))
        self.router.open_gate(Kind.OURS)
        for worker in gone:
            if self.workers.is_current(worker):
                await self._forget(worker.registration.worker_id)

    async def _sweep(self) -> None:
        """Forget workers that have been silent for long."""
        terms = self._config.terms
        while True:
            await asyncio.sleep(_SWEEP_S)
            for worker_id in self.workers.silent_for(2 * terms.ours_s, 2 * terms.foreign_s):
                await self._forget(worker_id)

    async def _forget(self, worker_id: str) -> None:
        try:
            await self.workers.forget(worker_id)
        except CoreError as error:
            _log.warning("worker %s cannot be forgotten yet: %s", worker_id, error)
        else:
            self.router.dismiss(worker_id)

    async def _prepare(self, execution_ids: Sequence[str]) -> None:
        await self.registry.gather(execution_ids)
        for execution_id in execution_ids:
            if not self.scheduler.wants(execution_id):  # its timer fired, or was taken back, while it was read
                self.registry.release(execution_id)

    async def _fire(self, execution_ids: Sequence[str]) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        for execution_id, answer in (await self.registry.tell_each(execution_ids, FireTimers())).items():
            if isinstance(answer, UnknownExecution | Quarantined):
                self.scheduler.arm(execution_id, None)
            elif isinstance(answer, Exception):
                failures[execution_id] = answer
            elif isinstance(answer, Rejected):
                # Nothing was due, so nothing new was told: its timer may still be ahead.
                try:
                    self.scheduler.remind(execution_id, next_timer(await self.registry.state(execution_id)))
                except CoreError as error:
                    failures[execution_id] = error
        return failures

    # Of an execution that is set aside nothing can be recorded until the next start, which finds it by itself.

    def _on_lost(self, lease: Lease, reason: str) -> None:
        if self.supervisor.is_healthy(lease.execution_id):
            self._run(self._record_loss(lease, reason))

    def _on_limit(self, execution_id: str, command: TimeOutTask) -> None:
        if self.supervisor.is_healthy(execution_id):
            self._run(self._record_limit(execution_id, command))

    async def _record_limit(self, execution_id: str, command: TimeOutTask) -> None:
        try:
            await self.registry.tell(execution_id, command)
        except CoreError as error:
            _log.warning("the limit of task %s is recorded later: %s", command.task_id, error)

    async def _record_loss(self, lease: Lease, reason: str) -> None:
        command = LoseTask(task_id=lease.task_id, worker_id=lease.worker_id, reason=reason)
        try:
            await self.registry.tell(lease.execution_id, command)
        except Quarantined:
            return
        except CoreError as error:
            _log.warning("the loss of task %s is recorded later: %s", lease.task_id, error)
            self.router.lose_again(lease, _RETRY_S)
        except Exception:
            _log.exception("the loss of task %s cannot be recorded and is tried again", lease.task_id)
            self.router.lose_again(lease, _RETRY_S)

    async def _find_out(self, execution_id: str) -> None:
        # Any command reads first what it is in doubt about; that the timers are looked at harms nothing.
        while True:
            await asyncio.sleep(_RETRY_S)
            try:
                await self.registry.tell(execution_id, FireTimers())
            except StoreError as error:
                _log.warning("where execution %s stands is not known yet: %s", execution_id, error)
                continue
            except CoreError as error:
                _log.warning("where execution %s stands stays unknown: %s", execution_id, error)
            self._doubts.discard(execution_id)
            return
