"""Runs a workflow in this process on the same engine as the Core, with nothing durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from cerebelum.code import Code
from cerebelum.errors import CerebelumError
from cerebelum.hands import takable
from cerebelum.options import own_id
from cerebelum.results import ExecutionResult, PendingApproval, question_of, result_of
from cerebelum.runner import run_task
from cerebelum.running import is_cancelled_here
from cerebelum.signals import Signals, identified
from cerebelum.threads import Threads
from cerebelum_client import new_execution_id
from cerebelum_client.executions import limit_ms
from cerebelum_client.plain import check_texts
from cerebelum_codegen.runtime import Timestamp
from cerebelum_engine import (
    Approve,
    AwaitApproval,
    AwaitSignal,
    Blueprint,
    Command,
    FireTimers,
    Reason,
    RecordMemo,
    Reject,
    Rejected,
    SendSignal,
    StartExecution,
    build_task,
    decide,
    evolve,
    memo_of,
    new,
    next_timer,
    owed_tasks,
    pending,
    read_result,
    status_of,
)
from cerebelum_proto.events.v1.events_pb import ApprovalRequested
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import TaskResult, TaskStatus


@dataclass(frozen=True, slots=True)
class Yes:
    """An approver's yes, with what the step is to get."""

    response: object = None
    decided_by: str = field(default="local", kw_only=True)

    def __post_init__(self) -> None:
        """See that it can travel.

        Raises:
            TypeError, ValueError: who decided is no text.
        """
        check_texts("a yes", decided_by=self.decided_by)


@dataclass(frozen=True, slots=True)
class No:
    """An approver's no."""

    reason: str = ""
    decided_by: str = field(default="local", kw_only=True)

    def __post_init__(self) -> None:
        """See that it can travel.

        Raises:
            TypeError, ValueError: the reason or who decided is no text.
        """
        check_texts("a no", reason=self.reason, decided_by=self.decided_by)


_NEXT_SIGNAL = "the next signal"
Approver: TypeAlias = Callable[[PendingApproval], Awaitable[Yes | No]]
"""Decides the approvals of a local run."""


async def run_locally(
    blueprint: Blueprint,
    code: Code,
    inputs: Payload,
    *,
    execution_id: str | None = None,
    timeout: timedelta | None = None,
    approver: Approver | None = None,
    signals: Signals = (),
) -> ExecutionResult:
    """Run a workflow to its end."""
    chosen = own_id(execution_id) or new_execution_id()
    run = _LocalRun(blueprint, code, approver, signals)
    run.tell(
        StartExecution(
            execution_id=chosen,
            workflow=blueprint.workflow,
            inputs=inputs,
            timeout_ms=limit_ms(timeout),
        )
    )
    await run.finish()
    return result_of(status_of(run.state, run.now()), code)


_Answer: TypeAlias = TaskResult | Approve | Reject | SendSignal | None
"""What comes of a task; None when there is no further signal."""


class _LocalRun:
    """One execution: its state, the tasks that carry out what it owes, and the one that awaits its next signal."""

    def __init__(self, blueprint: Blueprint, code: Code, approver: Approver | None, signals: Signals) -> None:
        self.state = new(blueprint)
        self._code = code
        self._approver = approver
        self._threads = Threads()
        self._running: dict[str, asyncio.Task[_Answer]] = {}
        self._signals = identified(signals)
        self._is_sending = True
        # The loop's clock drives it, so that a loop with virtual time needs nothing else.
        self._epoch_ns = time.time_ns() - int(asyncio.get_running_loop().time() * 1e9)

    def now(self) -> Timestamp:
        return Timestamp.from_ns(self._epoch_ns + int(asyncio.get_running_loop().time() * 1e9))

    def tell(self, command: Command) -> Rejected | None:
        decided = decide(self.state, command, self.now())
        if isinstance(decided, Rejected):
            return decided
        for event in decided:
            self.state = evolve(self.state, event)
        return None

    async def finish(self) -> None:
        try:
            while self.state.running:
                self._begin()
                await self._next()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            await self._signals.aclose()
            self._threads.close()

    def _begin(self) -> None:
        """Begin what is owed and not under way; drop what is not owed any more."""
        owed = {effect.task_id: effect for effect in owed_tasks(self.state)}
        asked = {f"approval of {e.step}": e for e in pending(self.state) if isinstance(e, AwaitApproval)}
        for key in [key for key in self._running if key not in owed and key not in asked and key != _NEXT_SIGNAL]:
            self._running.pop(key).cancel()
        for key, dispatch in owed.items():
            if key not in self._running:
                task = build_task(self.state, dispatch)
                running = run_task(
                    task,
                    self._code,
                    worker_id="local",
                    now=self.now,
                    threads=self._threads,
                    line=_Line(self, task.task_id),
                )
                self._running[key] = asyncio.create_task(running)
        for key, effect in asked.items():
            if key not in self._running:
                self._running[key] = asyncio.create_task(self._ask(effect.step))
        if self._is_sending and _NEXT_SIGNAL not in self._running:
            self._running[_NEXT_SIGNAL] = asyncio.create_task(self._await_signal())

    async def _next(self) -> None:
        """Wait for the first thing to happen, and tell the engine."""
        due = next_timer(self.state)
        nap_s = None if due is None else max(0.0, (due.to_ns() - self.now().to_ns()) / 1e9)
        if self._running:
            done, _ = await asyncio.wait(self._running.values(), timeout=nap_s, return_when=asyncio.FIRST_COMPLETED)
        else:
            done = set()
            self._see_to_signals(nap_s)
            await asyncio.sleep(nap_s or 0)
        for key in [key for key, task in self._running.items() if task in done]:
            self._hear(self._running.pop(key).result())
        self.tell(FireTimers())

    def _hear(self, answer: _Answer) -> None:
        if answer is None:
            self._is_sending = False
            return
        command = read_result(_sent(answer)) if isinstance(answer, TaskResult) else answer
        if isinstance(command, Rejected):
            raise CerebelumError(command.message)
        refused = self.tell(command)
        if isinstance(command, SendSignal) and refused is not None and refused.reason is not Reason.ENDED:
            raise CerebelumError(refused.message)

    async def _await_signal(self) -> SendSignal | None:
        signal = await anext(self._signals, None)
        if signal is None:
            return None
        return SendSignal(
            signal_id=signal.signal_id,
            name=signal.name,
            payload=self._code.payloads.write(signal.payload),
            sent_by=signal.sent_by,
        )

    def _see_to_signals(self, nap_s: float | None) -> None:
        """See that nothing waits for a signal for ever.

        Raises:
            CerebelumError: something does.
        """
        awaited = next((effect for effect in pending(self.state) if isinstance(effect, AwaitSignal)), None)
        if awaited is not None and nap_s is None:
            raise CerebelumError(
                f"step '{awaited.step}' waits for signal '{awaited.name}' and nobody is there to send it: "
                "pass signals= to execute(), or run the workflow on a Core"
            )

    async def _ask(self, name: str) -> Approve | Reject:
        request = self.state.steps[name].waiting_for
        if self._approver is None or not isinstance(request, ApprovalRequested):
            raise CerebelumError(
                f"step '{name}' waits for approval and nobody is there to decide: pass approver= to execute(), "
                "or run the workflow on a Core"
            )
        decision = await self._approver(question_of(request))
        by, task_id = decision.decided_by, request.task_id
        if isinstance(decision, No):
            return Reject(step=name, reason=decision.reason, decided_by=by, task_id=task_id)
        return Approve(step=name, response=self._code.payloads.write(decision.response), decided_by=by, task_id=task_id)


def _sent(result: TaskResult) -> TaskResult:
    """The result as it would come to a Core: what a wait holds is seen here as it is there."""
    result = takable(result)
    return result if result.status is TaskStatus.SUCCESS else TaskResult.from_bytes(result.to_bytes())


class _Line:
    """What a running step tells its run in between."""

    def __init__(self, run: _LocalRun, task_id: str) -> None:
        self._run = run
        self._task_id = task_id

    async def keep(self, key: str, value: Payload) -> Payload:
        self._run.tell(RecordMemo(task_id=self._task_id, worker_id="local", key=key, value=value))
        return memo_of(self._run.state, self._task_id, key) or value

    async def report(self, percent: int, message: str) -> None:
        """Nobody looks at the status of a local run."""

    def is_cancelled(self) -> bool:
        return is_cancelled_here()
