"""What operators do to whole executions. Nothing here is repeated by itself: a refusal tells where things stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cerebelum_client.calls import Calls
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.control.v1 import lifecycle_pb as pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceStub
from cerebelum_proto.control.v1.lifecycle_grpc import LifecycleServiceStub


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Explains, cancels, terminates, pauses, resumes, redrives, retries, forks and migrates executions of one Core."""

    _stub: LifecycleServiceStub
    _control: ControlServiceStub
    _calls: Calls

    async def explain(self, execution_id: str) -> Sequence[pb.Explanation]:
        """Why an execution is where it is: what it waits for, who has its steps, or why nobody has."""
        request = pb.ExplainRequest(execution_id=execution_id)
        answer = await self._calls.once(lambda: self._stub.explain(request, timeout_s=self._calls.call_s))
        return answer.explanations

    async def cancel(self, execution_id: str, *, reason: str = "", cancelled_by: str = "", cleanup_ms: int = 0) -> bool:
        """Ask an execution to end; whether it has ended at once.

        Steps that run are told, and may take `cleanup_ms` (0: 30 seconds) to clean up.
        """
        request = control_pb.CancelRequest(
            execution_id=execution_id, reason=reason, cancelled_by=cancelled_by, cleanup_ms=cleanup_ms
        )
        answer = await self._calls.once(lambda: self._control.cancel(request, timeout_s=self._calls.call_s))
        return answer.ended

    async def terminate(self, execution_id: str, *, reason: str = "", terminated_by: str = "") -> None:
        """End an execution at once, whatever runs."""
        request = pb.TerminateRequest(execution_id=execution_id, reason=reason, terminated_by=terminated_by)
        await self._calls.once(lambda: self._stub.terminate(request, timeout_s=self._calls.call_s))

    async def pause(self, execution_id: str, *, reason: str = "", paused_by: str = "") -> None:
        """Hand out nothing new of an execution. What runs may finish; timers go on and are remembered."""
        request = pb.PauseRequest(execution_id=execution_id, reason=reason, paused_by=paused_by)
        await self._calls.once(lambda: self._stub.pause(request, timeout_s=self._calls.call_s))

    async def resume(self, execution_id: str, *, resumed_by: str = "") -> None:
        """Let a paused execution go on."""
        request = pb.ResumeRequest(execution_id=execution_id, resumed_by=resumed_by)
        await self._calls.once(lambda: self._stub.resume(request, timeout_s=self._calls.call_s))

    async def redrive(self, execution_id: str, *, step: str = "", redriven_by: str = "") -> Sequence[str]:
        """Let dead-lettered steps (this one, or all) be handed out again; their names."""
        request = pb.RedriveRequest(execution_id=execution_id, step_name=step, redriven_by=redriven_by)
        answer = await self._calls.once(lambda: self._stub.redrive(request, timeout_s=self._calls.call_s))
        return answer.step_names

    async def retry(self, execution_id: str, *, retried_by: str = "") -> Sequence[str]:
        """Let a failed execution go on with its failed steps; their names."""
        request = pb.RetryRequest(execution_id=execution_id, retried_by=retried_by)
        answer = await self._calls.once(lambda: self._stub.retry(request, timeout_s=self._calls.call_s))
        return answer.step_names

    async def fork(
        self, execution_id: str, *, step: str = "", new_execution_id: str = "", forked_by: str = ""
    ) -> pb.ForkResponse:
        """Begin a new execution from a step of this one, by default the one that failed.

        Safe to repeat with the same new id.
        """
        request = pb.ForkRequest(
            execution_id=execution_id, step_name=step, new_execution_id=new_execution_id, forked_by=forked_by
        )
        return await self._calls.once(lambda: self._stub.fork(request, timeout_s=self._calls.call_s))

    async def migrate(self, execution_id: str, *, workflow_hash: str = "", migrated_by: str = "") -> str:
        """Move an execution to another blueprint, by default its workflow's newest; the hash of that.

        Raises:
            Refused: its history would have been another one there; the message tells where.
        """
        request = pb.MigrateRequest(execution_id=execution_id, workflow_hash=workflow_hash, migrated_by=migrated_by)
        answer = await self._calls.once(lambda: self._stub.migrate(request, timeout_s=self._calls.call_s))
        return answer.workflow_hash
