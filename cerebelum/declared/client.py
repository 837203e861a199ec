"""What those who start a declared workflow use: typed inputs, and the contract's defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

from cerebelum.declared.definition import Definition
from cerebelum.declared.handle import WorkflowHandle
from cerebelum.declared.identity import id_of
from cerebelum.options import own_id
from cerebelum.policies import Retry, policies_of
from cerebelum.workflow import submit
from cerebelum_client import PLAIN, AlreadyExists, Core, NotFound, execute_request, new_execution_id
from cerebelum_client.client import Connected
from cerebelum_client.executions import limit_ms
from cerebelum_codegen.runtime import Message
from cerebelum_proto.options.v1.options_pb import IdReuse
from cerebelum_proto.worker.worker_service_pb import ExecuteRequest, ExecutionHandle

_Inputs = TypeVar("_Inputs", bound=Message)
_Handle = TypeVar("_Handle", bound=WorkflowHandle[object, object, object])


class WorkflowClient(Connected, Generic[_Inputs, _Handle]):
    """Base of the generated clients. It starts executions on a Core, and runs no steps."""

    def __init__(self, core: Core | str | None, definition: Definition, handle: Callable[[Core, str], _Handle]) -> None:
        super().__init__(core)
        self._definition = definition
        self._handle = handle

    async def start(
        self,
        inputs: _Inputs,
        *,
        execution_id: str | None = None,
        id_reuse: IdReuse | None = None,
        deadline: timedelta | None = None,
        tags: Sequence[str] | None = None,
        queue: str | None = None,
        retries: Mapping[str, Retry] | None = None,
        correlation_id: str = "",
    ) -> _Handle:
        """Start an execution of the newest version that the Core knows. What is not told here, the contract tells.

        With `queue` all of its steps go to the workers that serve it, and with `retries` steps are tried again as these
        say, by their names.

        Raises:
            TypeError, ValueError: what is told is none of its kind.
            InvalidRequest: the inputs lack what the execution id is made of, or no queue can be called so.
            AlreadyExists: the id belongs to an execution with other inputs; with ID_REUSE_REFUSE, to any, also to one
                that a call has started whose answer was lost.
            CoreUnavailable: nobody answers.
        """
        told = self._definition
        if not isinstance(inputs, told.inputs):
            raise TypeError(f"{told.name} starts with {told.inputs.FULL_NAME}, not with {inputs!r}")
        chosen = own_id(execution_id) or (id_of(told.execution_id, inputs) if told.execution_id else new_execution_id())
        limit = told.deadline if deadline is None else deadline
        request = execute_request(
            told.name,
            PLAIN.write(inputs),
            execution_id=chosen,
            correlation_id=correlation_id,
            tags=told.tags if tags is None else tags,
            timeout_ms=limit_ms(limit),
            queue=queue or "",
            retries=policies_of(retries),
        )
        started = await self._started(request)
        if not started.created and (id_reuse or told.id_reuse) is IdReuse.ID_REUSE_REFUSE:
            raise AlreadyExists(f"execution '{chosen}' exists already, and an id of {told.name} is used once")
        return self.handle(chosen)

    def handle(self, execution_id: str) -> _Handle:
        """A handle of an execution that was started before."""
        return self._handle(self._core, execution_id)

    async def _started(self, request: ExecuteRequest) -> ExecutionHandle:
        """Start by name: who implements the workflow says which version runs. A Core that knows none is told of one."""
        try:
            return await self._core.executions.start(request)
        except NotFound:
            await submit(self._core, self._definition.blueprint)
            return await self._core.executions.start(request)
