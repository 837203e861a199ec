"""Why an execution is where it is: asleep until, asked whom, with which worker, or with none and why."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.leases import Lease
from cerebelum_core.offers import pool_of
from cerebelum_core.router import TaskRouter
from cerebelum_core.workers import WorkerRegistry
from cerebelum_engine import DEFAULT_QUEUE, DispatchTask, Handout, Phase, State, StepState, owed_tasks
from cerebelum_proto.control.v1.lifecycle_pb import Explanation, Standing
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, SignalAwaited


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanations:
    """Puts together what the state, the router and the workers know."""

    router: TaskRouter
    workers: WorkerRegistry
    clock: Clock

    def of(self, state: State) -> Iterator[Explanation]:
        """What holds the execution as a whole, then each step that something is to come of."""
        if state.ended:
            yield _ended(state)
            return
        if state.cancelling is not None:
            yield Explanation(
                standing=Standing.STANDING_CANCELLING,
                message=f"it is to end; these steps may clean up: {', '.join(state.cancelling.steps)}",
                until=state.cancelling.cleanup_until,
            )
        elif state.paused is not None:
            yield _paused(state)
        for task in owed_tasks(state):
            yield self._task(state, task)
        for name, step in state.steps.items() if state.cancelling is None else ():
            if step.phase.open and step.phase is not Phase.READY:
                yield _waiting(state.execution_id, name, step)

    def _task(self, state: State, task: DispatchTask) -> Explanation:
        lease = self.router.lease_of(task.task_id)
        ready_at = state.steps[task.step].ready_at
        if lease is not None:
            return self._running(task.step, lease)
        if self.router.is_held_back(task.task_id):
            return Explanation(
                standing=Standing.STANDING_HELD_BACK,
                step_name=task.step,
                since=ready_at,
                message="the Core was started again; the worker that may have it gets time to say so",
            )
        if task.handout is not Handout.OFFER:
            return Explanation(
                standing=Standing.STANDING_PAUSED,
                step_name=task.step,
                since=ready_at,
                message="it is handed out once the execution is resumed",
            )
        return self._unclaimed(state, task, ready_at)

    def _running(self, step: str, lease: Lease) -> Explanation:
        held_ns = int((asyncio.get_running_loop().time() - lease.since) * 1e9)
        return Explanation(
            standing=Standing.STANDING_RUNNING,
            step_name=step,
            worker_id=lease.worker_id,
            since=Timestamp.from_ns(self.clock.now().to_ns() - held_ns),
            message=f"worker {lease.worker_id} has it",
        )

    def _unclaimed(self, state: State, task: DispatchTask, ready_at: Timestamp) -> Explanation:
        pool = pool_of(state.blueprint, task)
        able = self.workers.able(pool)
        if able:
            standing = Standing.STANDING_QUEUED
            message = f"{_count(able, 'worker')} can run it{_in(task.queue)}, and none has room for it yet"
        else:
            standing = Standing.STANDING_NO_WORKER
            elsewhere = self.workers.queues_with(pool)
            message = _not_served(task.queue, elsewhere) if elsewhere else self._nobody(state, task)
        return Explanation(
            standing=standing,
            step_name=task.step,
            since=ready_at,
            until=task.unclaimed_at,
            message=message,
            queue=task.queue,
        )

    def _nobody(self, state: State, task: DispatchTask) -> str:
        blueprint = state.blueprint
        if blueprint.foreign:
            return f"no worker has step '{task.step}': start one that has it"
        other = self.workers.with_workflow(blueprint.workflow)
        have = "has another version" if len(other) == 1 else "have other versions"
        versions = f"; {_count(other, 'worker')} {have} of it" if other else ""
        serving = self.workers.serving(task.queue) if task.queue != DEFAULT_QUEUE else []
        beside = f", which {_count(serving, 'worker')} without it {_verb(serving, 'serve')}" if serving else ""
        return (
            f"no worker has blueprint {blueprint.hash[:12]} of workflow '{blueprint.workflow}'"
            f"{_in(task.queue)}{beside}{versions}: start one that has it, or migrate the execution"
        )


def _not_served(queue: str, elsewhere: Mapping[str, Sequence[str]]) -> str:
    """Of a step whose code is there, in other queues."""
    have = sorted({worker_id for worker_ids in elsewhere.values() for worker_id in worker_ids})
    served = ", ".join(f"'{each}'" for each in sorted(elsewhere))
    return (
        f"no worker with its code serves queue '{queue}'; {_count(have, 'worker')} with it "
        f"{_verb(have, 'serve')} {served}: start one with --queue {shlex.quote(queue)}"
    )


def _in(queue: str) -> str:
    return f" in queue '{queue}'" if queue != DEFAULT_QUEUE else ""


def _verb(names: Sequence[str], verb: str) -> str:
    return verb if len(names) > 1 else f"{verb}s"


def _ended(state: State) -> Explanation:
    failure = state.failure
    why = f": {failure.kind}: {failure.message}" if failure is not None else ""
    at = f" at step '{state.failed_step}'" if state.failed_step else ""
    word = state.status.name.removeprefix("EXECUTION_").lower()
    return Explanation(standing=Standing.STANDING_ENDED, message=f"it has {word}{at}{why}", since=state.ended_at)


def _paused(state: State) -> Explanation:
    fact = state.paused
    who = f" by {fact.paused_by}" if fact is not None and fact.paused_by else ""
    why = f" ({fact.reason})" if fact is not None and fact.reason else ""
    message = f"it was paused{who}{why}: {_command('resume', state.execution_id)}"
    return Explanation(standing=Standing.STANDING_PAUSED, message=message, since=state.paused_at)


def _waiting(execution_id: str, name: str, step: StepState) -> Explanation:
    failure = f"{step.failure.kind}: {step.failure.message}" if step.failure is not None else ""
    match step.phase:
        case Phase.SLEEPING:
            standing, message = Standing.STANDING_SLEEPING, "sleeps"
        case Phase.AWAITING_APPROVAL:
            asked = step.waiting_for if isinstance(step.waiting_for, ApprovalRequested) else ApprovalRequested()
            standing = Standing.STANDING_AWAITING_APPROVAL
            how = _command("approve", execution_id, options=["--task", asked.task_id])
            message = f"waits for approval ({asked.approval_type}); {how}"
        case Phase.AWAITING_SIGNAL:
            signal = step.waiting_for.name if isinstance(step.waiting_for, SignalAwaited) else ""
            standing = Standing.STANDING_AWAITING_SIGNAL
            message = f"waits for signal '{signal}'; {_command('signal', execution_id, signal)}"
        case Phase.RETRYING:
            standing = Standing.STANDING_RETRYING
            message = f"try {step.failures + step.losses} failed, the next is to come ({failure})"
        case Phase.DEAD_LETTERED:
            standing = Standing.STANDING_DEAD_LETTERED
            message = f"is a dead letter ({failure}); {_command('redrive', execution_id)}"
        case Phase.READY | Phase.COMPLETED | Phase.FAILED | Phase.CANCELLED | Phase.SKIPPED | Phase.FORGOTTEN:
            standing, message = Standing.STANDING_UNSPECIFIED, ""
        case _:
            assert_never(step.phase)
    return Explanation(
        standing=standing,
        step_name=name,
        since=step.waiting_since or step.ready_at,
        until=step.due_at,
        message=message,
    )


def _command(verb: str, *arguments: str, options: Sequence[str] = ()) -> str:
    """What to type, or to copy, into a shell."""
    words = [*arguments, *options]
    if any(each.startswith("-") for each in arguments):  # which would be taken for options
        words = [*options, "--", *arguments]
    return shlex.join(["cerebelum", verb, *words])


def _count(names: Sequence[str], noun: str) -> str:
    return f"{len(names)} {noun}{'s' if len(names) > 1 else ''}"
