"""What people decide: a yes or a no to a step that asks. Nothing here is repeated by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cerebelum_client.calls import Calls
from cerebelum_codegen.runtime import JsonValue
from cerebelum_proto.control.v1 import control_pb as pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceStub
from cerebelum_proto.types.v1.types_pb import Payload


@dataclass(frozen=True, slots=True)
class Approvals:
    """Answers the approvals that executions of one Core wait for."""

    _stub: ControlServiceStub
    _calls: Calls

    async def approve(
        self,
        execution_id: str,
        *,
        response: Payload | None = None,
        decided_by: str = "",
        step: str = "",
        task_id: str = "",
    ) -> str:
        """Answer a waiting approval with yes; the step that asked. `step` may stay empty while only one waits.

        With the `task_id` of an ApprovalRequested it answers that question alone.
        """
        request = pb.ApproveRequest(
            execution_id=execution_id, step_name=step, response=response, decided_by=decided_by, task_id=task_id
        )
        answer = await self._calls.once(lambda: self._stub.approve(request, timeout_s=self._calls.call_s))
        return answer.step_name

    async def reject(
        self, execution_id: str, *, reason: str = "", decided_by: str = "", step: str = "", task_id: str = ""
    ) -> str:
        """Answer a waiting approval with no; the step that asked. `step` and `task_id` are as in `approve`."""
        request = pb.RejectRequest(
            execution_id=execution_id, step_name=step, reason=reason, decided_by=decided_by, task_id=task_id
        )
        answer = await self._calls.once(lambda: self._stub.reject(request, timeout_s=self._calls.call_s))
        return answer.step_name


def asked_data(struct: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """What a question was asked with: a Struct knows one kind of number, and people read `4900`, not `4900.0`."""
    return {key: _whole(item) for key, item in (struct or {}).items()}


def _whole(value: JsonValue) -> JsonValue:
    match value:
        case float() if value.is_integer():
            return int(value)
        case Mapping():
            return asked_data(value)
        case list():
            return [_whole(item) for item in value]
        case _:
            return value
