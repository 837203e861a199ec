"""What is done to an execution as a whole. A refusal (`Refused`) tells where it stands instead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cerebelum.code import NO_CODE, Code
from cerebelum.workflow import Workflow, submit
from cerebelum_client import Core
from cerebelum_client.markers import check_span, milliseconds

CLEANUP = timedelta(seconds=30)


class Steering:
    """One execution on a Core, to be ended, held up, or let go on."""

    def __init__(self, core: Core, execution_id: str, code: Code = NO_CODE) -> None:
        self.execution_id = execution_id
        self._core = core
        self._code = code

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.execution_id!r})"

    async def cancel(self, reason: str = "", *, cancelled_by: str = "", cleanup: timedelta = CLEANUP) -> None:
        """Ask it to end. Steps that run are cancelled and may take `cleanup` for their own.

        Raises:
            ValueError: the cleanup is not positive.
            TypeError: it is no timedelta.
            Refused: it has ended.
        """
        check_span("cleanup", cleanup)
        if cleanup <= timedelta(0):
            raise ValueError(f"cleanup is {cleanup}: give steps some time, or call terminate(), which gives them none")
        await self._core.lifecycle.cancel(
            self.execution_id, reason=reason, cancelled_by=cancelled_by, cleanup_ms=max(1, milliseconds(cleanup))
        )

    async def terminate(self, reason: str = "", *, terminated_by: str = "") -> None:
        """End it at once; steps that run cannot clean up.

        Raises:
            Refused: it has ended.
        """
        await self._core.lifecycle.terminate(self.execution_id, reason=reason, terminated_by=terminated_by)

    async def pause(self, reason: str = "", *, paused_by: str = "") -> None:
        """Hand out nothing new of it. What runs may finish; timers go on and are remembered, deadlines hold.

        Raises:
            Refused: it has ended, or is being cancelled.
        """
        await self._core.lifecycle.pause(self.execution_id, reason=reason, paused_by=paused_by)

    async def resume(self, *, resumed_by: str = "") -> None:
        """Let it go on after a pause.

        Raises:
            Refused: it is not paused.
        """
        await self._core.lifecycle.resume(self.execution_id, resumed_by=resumed_by)

    async def retry(self, *, retried_by: str = "") -> Sequence[str]:
        """Let it go on after it has failed: its failed steps begin anew, all other results stay. The steps' names.

        Raises:
            Refused: it has not failed.
        """
        return await self._core.lifecycle.retry(self.execution_id, retried_by=retried_by)

    async def redrive(self, *, step: str = "", redriven_by: str = "") -> Sequence[str]:
        """Let its dead letters (this step, or all) be handed out again: those that kept losing their workers.

        The steps' names.

        Raises:
            Refused: there are none.
        """
        return await self._core.lifecycle.redrive(self.execution_id, step=step, redriven_by=redriven_by)

    async def migrate(self, to: Workflow | str = "", *, migrated_by: str = "") -> str:
        """Move it to another version of its workflow: this one, that of a hash, or the newest that the Core knows.

        The hash of that version. With a workflow given, values come back as its steps are annotated from now on.

        Raises:
            Refused: what has happened would have happened otherwise there; the message tells where.
            NotFound: the Core knows no such version.
            DefinitionError: the Core refuses the workflow.
        """
        if isinstance(to, Workflow):
            await submit(self._core, to.blueprint)
        digest = to.hash if isinstance(to, Workflow) else to
        moved = await self._core.lifecycle.migrate(self.execution_id, workflow_hash=digest, migrated_by=migrated_by)
        if isinstance(to, Workflow):
            self._code = to.code
        return moved
