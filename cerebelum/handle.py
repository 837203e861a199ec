"""A handle: one execution on a Core, for whoever waits for it, decides what it asks, or steers it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from cerebelum.results import ExecutionResult, Explanation, explanation_of, result_of
from cerebelum.steering import Steering
from cerebelum_client import CoreUnavailable, Unsupported

_RETRY_S = 1.0


class ExecutionHandle(Steering):
    """One execution on a Core. Its values come back as the steps of its workflow are annotated, if that is at hand."""

    async def result(self) -> ExecutionResult:
        """Wait for the end, however long it takes and however often the Core is started again meanwhile."""
        while True:
            try:
                status = result_of(await self._core.executions.await_result(self.execution_id), self._code)
            except Unsupported:
                return await self._follow()
            except CoreUnavailable:
                await asyncio.sleep(_RETRY_S)
                continue
            if status.ended:
                return status

    async def _follow(self) -> ExecutionResult:
        """The same with a Core that cannot wait: follow the history."""
        version = 0
        while True:
            history = self._core.executions.history(self.execution_id, after_version=version, follow=True)
            try:
                async with aclosing(history) as events:
                    async for event in events:
                        version = event.version
                status = await self.status()
            except CoreUnavailable:
                await asyncio.sleep(_RETRY_S)
                continue
            if status.ended:
                return status

    async def status(self) -> ExecutionResult:
        """Where it stands, and how far running steps are, where they tell."""
        return result_of(await self._core.executions.status(self.execution_id), self._code)

    async def why(self) -> Sequence[Explanation]:
        """Why it is where it is: what it waits for, who has its steps, or why nobody has."""
        return [explanation_of(each) for each in await self._core.lifecycle.explain(self.execution_id)]

    async def approve(
        self, response: object = None, *, decided_by: str = "", step: str = "", task_id: str = ""
    ) -> None:
        """Answer its waiting approval with yes; `step` names which one when several wait.

        With the `task_id` of the question that was shown, `(await handle.status()).approval`, it answers that alone.

        Raises:
            Refused: it waits for none, or for several and none was named, or asks something else by now.
            PayloadError: the response cannot travel.
        """
        written = self._code.payloads.write(response)
        await self._core.approvals.approve(
            self.execution_id, response=written, decided_by=decided_by, step=step, task_id=task_id
        )

    async def reject(self, reason: str = "", *, decided_by: str = "", step: str = "", task_id: str = "") -> None:
        """Answer its waiting approval with no; `step` and `task_id` are as in `approve`.

        Raises:
            Refused: it waits for none, or for several and none was named, or asks something else by now.
        """
        await self._core.approvals.reject(
            self.execution_id, reason=reason, decided_by=decided_by, step=step, task_id=task_id
        )

    async def signal(self, name: str, payload: object = None, *, signal_id: str = "", sent_by: str = "") -> bool:
        """Send it a signal, which is kept until a step waits for one of this name; each is given to one wait.

        With a `signal_id` of your own it is safe to repeat, also after it has ended: the same id is the same signal.
        False when it had been received before.

        Raises:
            NotFound: there is no such execution.
            Refused: it has ended, or is being cancelled.
            InvalidRequest: its workflow has no such signal, or it keeps too many that nothing waits for.
            AlreadyExists: the id is that of a signal with another name.
            PayloadError: the payload cannot travel.
        """
        written = self._code.payloads.write(payload)
        response = await self._core.executions.signal(
            self.execution_id, name, written, signal_id=signal_id, sent_by=sent_by
        )
        return response.recorded

    async def fork(self, *, step: str = "", execution_id: str = "", forked_by: str = "") -> ExecutionHandle:
        """Begin a new execution from a step of this one's history, by default the one that failed.

        What other steps had done by then is inherited and does not run again. With an `execution_id` it is safe to
        repeat.

        Raises:
            Refused: there is no such moment in its history.
            AlreadyExists: the id belongs to another execution.
        """
        forked = await self._core.lifecycle.fork(
            self.execution_id, step=step, new_execution_id=execution_id, forked_by=forked_by
        )
        return ExecutionHandle(self._core, forked.execution_id, self._code)
