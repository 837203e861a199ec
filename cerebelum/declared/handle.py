"""One execution of a declared workflow, typed: its result, where it stands, what happens in it, and its approvals."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar, cast

from cerebelum.code import Code
from cerebelum.declared.definition import Definition, StepType
from cerebelum.declared.telling import Telling, note_approval
from cerebelum.errors import ExecutionFailed
from cerebelum.handle import ExecutionHandle
from cerebelum.results import ExecutionError, Progress, result_of
from cerebelum.steering import CLEANUP
from cerebelum.step import AnyStep
from cerebelum_client import PLAIN, Core, Refused
from cerebelum_codegen.runtime import Message
from cerebelum_proto.events.v1.events_pb import ApprovalRequested

_R_co = TypeVar("_R_co", covariant=True)
_O_co = TypeVar("_O_co", covariant=True)
_E_co = TypeVar("_E_co", covariant=True)
_Question = TypeVar("_Question", bound=Message)
_Answer = TypeVar("_Answer", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStatus(Generic[_R_co, _O_co]):
    """Where an execution stands."""

    execution_id: str
    state: str
    """completed, failed, cancelled; while it goes on: running, sleeping, waiting_for_approval, waiting_for_signal,
    paused, cancelling, dead_lettered."""
    result: _R_co | None
    """What it ended with, once it has."""
    outputs: _O_co
    """What its steps have given so far."""
    error: ExecutionError | None
    started_at: datetime | None
    completed_at: datetime | None
    progress: Mapping[str, Progress] = field(default_factory=dict)


class WorkflowHandle(Generic[_R_co, _O_co, _E_co]):
    """Base of the generated handles."""

    def __init__(self, core: Core, execution_id: str, definition: Definition) -> None:
        self.execution_id = execution_id
        self._code = Code(steps={step.name: _annotated(step) for step in definition.steps})
        self.execution = ExecutionHandle(core, execution_id, self._code)
        """The same execution untyped, for all that needs no types: pause, retry, fork, why."""
        self._core = core
        self._definition = definition
        self._shown: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.execution_id!r})"

    async def result(self) -> _R_co:
        """Wait for the end, however long it takes, and return what the last step gave.

        Raises:
            ExecutionFailed: it failed or was cancelled; its `error` tells why.
        """
        await self.execution.result()
        status = await self.status()
        if status.state != "completed":
            why = f": {status.error.kind}: {status.error.message}" if status.error else ""
            told = f"execution {self.execution_id!r} has not completed ({status.state}){why}"
            raise ExecutionFailed(told, status=status.state, error=status.error)
        return cast("_R_co", status.result)

    async def status(self) -> WorkflowStatus[_R_co, _O_co]:
        """Where it stands."""
        status = await self._core.executions.status(self.execution_id)
        bare = result_of(status, self._code)
        values = {name: self._definition.read(name, payload) for name, payload in status.outputs.items()}
        result = self._definition.result_of(values, status.result_steps)
        return WorkflowStatus(
            execution_id=self.execution_id,
            state=bare.status,
            result=cast("_R_co", result) if bare.status == "completed" else None,
            outputs=cast("_O_co", self._definition.outputs_of(values)),
            error=bare.error,
            started_at=bare.started_at,
            completed_at=bare.completed_at,
            progress=bare.progress,
        )

    async def watch(self, *, after_version: int = 0) -> AsyncGenerator[_E_co, None]:
        """What happens in it, from its beginning (or behind a version) to its end, as it happens."""
        telling = Telling(self._definition)
        async with aclosing(self._core.executions.history(self.execution_id, follow=True)) as events:
            async for event in events:
                told = telling.tell(event)
                if event.version > after_version:
                    yield cast("_E_co", told)

    def _approval(
        self, name: str, question: type[_Question], answer: type[_Answer]
    ) -> ApprovalDesk[_Question, _Answer]:
        return ApprovalDesk(self._core, self.execution_id, name, question, answer, self._shown)

    async def _signal(self, name: str, payload: Message, kind: type[Message], *, signal_id: str, sent_by: str) -> bool:
        """Send a signal; False when one with this id had come before. See `ExecutionHandle.signal`."""
        if not isinstance(payload, kind):
            raise TypeError(f"signal {name} brings {kind.FULL_NAME}, not {payload!r}")
        return await self.execution.signal(name, payload, signal_id=signal_id, sent_by=sent_by)

    async def cancel(self, reason: str = "", *, cancelled_by: str = "", cleanup: timedelta = CLEANUP) -> None:
        """Ask it to end. Steps that run are cancelled and may take `cleanup` for their own.

        Raises:
            Refused: it has ended.
        """
        await self.execution.cancel(reason, cancelled_by=cancelled_by, cleanup=cleanup)


class ApprovalDesk(Generic[_Question, _Answer]):
    """The approvals of one kind in one execution: read the question, give the answer.

    A decision is about the question that its handle showed last; where it has shown none, about whatever is asked.
    """

    def __init__(
        self,
        core: Core,
        execution_id: str,
        name: str,
        question: type[_Question],
        answer: type[_Answer],
        shown: dict[str, str],
    ) -> None:
        self._core = core
        self._execution_id = execution_id
        self._name = name
        self._question = question
        self._answer = answer
        self._shown = shown

    @property
    def task_id(self) -> str:
        """Which question was shown last; empty when none was, or when it is decided."""
        return self._shown.get(self._name, "")

    async def question(self) -> _Question | None:
        """What is asked now; None when nobody asks."""
        return self._show(await self._waiting(follow=False))

    async def asked(self) -> _Question:
        """Wait until it is asked.

        Raises:
            Refused: the execution ended, and nobody asked.
        """
        shown = self._show(await self._waiting(follow=True))
        if shown is None:
            raise Refused(f"execution {self._execution_id!r} has ended, and nothing asks for {self._name}")
        return shown

    async def approve(self, answer: _Answer, *, decided_by: str = "", task_id: str = "") -> None:
        """Answer the question that was shown, or the one of a task that another handle has shown.

        Raises:
            Refused: nobody asks, or something else is asked by now: look at that before you decide.
        """
        if not isinstance(answer, self._answer):
            raise TypeError(f"{self._name} is answered by {self._answer.FULL_NAME}, not by {answer!r}")
        asked = await self._required(task_id)
        await self._core.approvals.approve(
            self._execution_id,
            response=PLAIN.write(answer),
            decided_by=decided_by,
            step=asked.step,
            task_id=asked.task_id,
        )
        self._shown.pop(self._name, None)

    async def reject(self, reason: str = "", *, decided_by: str = "", task_id: str = "") -> None:
        """Say no to the question that was shown, or to the one of a task that another handle has shown.

        Raises:
            Refused: nobody asks, or something else is asked by now: look at that before you decide.
        """
        asked = await self._required(task_id)
        await self._core.approvals.reject(
            self._execution_id, reason=reason, decided_by=decided_by, step=asked.step, task_id=asked.task_id
        )
        self._shown.pop(self._name, None)

    async def _required(self, task_id: str) -> ApprovalRequested:
        """The question that is decided, if it still waits."""
        wanted = task_id or self.task_id
        waiting = await self._waiting(follow=False)
        if not waiting:
            raise Refused(f"execution {self._execution_id!r} does not wait for {self._name}")
        found = next((each for each in waiting if each.task_id == wanted), None if wanted else waiting[0])
        if found is None:
            raise Refused(
                f"the question for {self._name} that was shown, of task {wanted!r}, waits no more, "
                f"and execution {self._execution_id!r} asks another one: look at that before you decide"
            )
        return found

    async def _waiting(self, *, follow: bool) -> list[ApprovalRequested]:
        """The questions that wait; with `follow`, also the first to come."""
        waiting: dict[str, ApprovalRequested] = {}
        seen = 0
        async with aclosing(self._core.executions.history(self._execution_id)) as events:
            async for event in events:
                note_approval(waiting, event)
                seen = event.version
        if not self._among(waiting) and follow:
            await self._await_one(waiting, seen)
        return self._among(waiting)

    async def _await_one(self, waiting: dict[str, ApprovalRequested], after_version: int) -> None:
        history = self._core.executions.history(self._execution_id, after_version=after_version, follow=True)
        async with aclosing(history) as events:
            async for event in events:
                note_approval(waiting, event)
                if self._among(waiting):
                    return

    def _among(self, waiting: Mapping[str, ApprovalRequested]) -> list[ApprovalRequested]:
        return [each for each in waiting.values() if each.approval_type == self._name]

    def _show(self, waiting: list[ApprovalRequested]) -> _Question | None:
        """The first of them, which is what a decision is about from now on."""
        self._shown.pop(self._name, None)
        if not waiting:
            return None
        self._shown[self._name] = waiting[0].task_id
        return self._question.from_dict(waiting[0].data or {}, ignore_unknown=True)


def _annotated(step: StepType) -> AnyStep:
    """A step that nobody runs here: its annotation tells how to read its results."""

    def run() -> None:
        """Its code is with the workers."""

    run.__annotations__ = {"return": step.response}
    return AnyStep(name=step.name, function=run, parameters={})
