"""Starts executions on a Core and waits for them. It runs no steps: a `Worker` does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Unpack

from cerebelum.errors import DefinitionError
from cerebelum.execution_stream import ExecutionStream, execution_id_in
from cerebelum.handle import ExecutionHandle
from cerebelum.options import StartOptions, own_id
from cerebelum.policies import Retry, policies_of
from cerebelum.results import ExecutionResult, result_of
from cerebelum.workflow import Workflow, code_of, submit
from cerebelum_client import PLAIN, Core, Unsupported, execute_request
from cerebelum_client.client import Connected
from cerebelum_client.executions import limit_ms
from cerebelum_client.plain import check_texts
from cerebelum_proto.worker import worker_service_pb as pb


class DistributedExecutor(Connected):
    """Starts executions on a Core."""

    def __init__(self, core: Core | str | None = None) -> None:
        """Prepare an executor; nothing is opened yet.

        `core` is a client or an address, by default CEREBELUM_URL, then localhost:50051.
        """
        super().__init__(core)
        self._submitted: set[str] = set()

    async def execute(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        **options: Unpack[StartOptions],
    ) -> ExecutionResult:
        """Start an execution and wait for its end, in one call. See `submit`."""
        request = await self.request(workflow, inputs, **options)
        handle = self.handle(execution_id_in(request), workflow)
        try:
            status = await self._core.executions.await_result(start=request)
        except Unsupported:
            await self._core.executions.start(request)
            return await handle.result()
        result = result_of(status, code_of(workflow))
        return result if result.ended else await handle.result()

    async def submit(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        **options: Unpack[StartOptions],
    ) -> ExecutionHandle:
        """Start an execution of this workflow, or of the newest one with this name that the Core knows.

        The same id, workflow and inputs again are the same execution. What the options mean: `StartOptions`.

        Raises:
            PayloadError: the inputs cannot travel, or are none of this workflow.
            TypeError, ValueError: an option is none of its kind.
            DefinitionError: it is no workflow, or the Core refuses it.
            NotFound: the Core knows no workflow of this name.
            AlreadyExists: the id belongs to an execution of something else.
            CoreUnavailable: nobody answers.
        """
        request = await self.request(workflow, inputs, **options)
        await self._core.executions.start(request)
        return self.handle(execution_id_in(request), workflow)

    async def request(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        *,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        retries: Mapping[str, Retry] | None = None,
        correlation_id: str = "",
    ) -> pb.ExecuteRequest:
        """What `submit` asks of the Core, once the Core has the workflow. Here `StartOptions` meet their defaults."""
        chosen = own_id(execution_id)
        check_texts("an execution", queue=queue or "", correlation_id=correlation_id)
        if not isinstance(workflow, Workflow | str):
            raise DefinitionError("an execution", [f"{workflow!r} is no workflow: give one, or the name of one"])
        known = workflow if isinstance(workflow, Workflow) else None
        if known is not None and known.hash not in self._submitted:
            await submit(self._core, known.blueprint)
            self._submitted.add(known.hash)
        return execute_request(
            workflow.name if isinstance(workflow, Workflow) else workflow,
            known.write_inputs(inputs) if known is not None else PLAIN.write(inputs),
            execution_id=chosen,
            workflow_hash=known.hash if known else "",
            correlation_id=correlation_id,
            tags=tags,
            timeout_ms=limit_ms(timeout),
            queue=queue or "",
            retries=policies_of(retries),
        )

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[ExecutionStream]:
        """Start many executions over one connection, many a frame: for callers with hundreds of them in flight."""
        stream = ExecutionStream(self._core, self.request)
        try:
            yield stream
        finally:
            await stream.close()

    def handle(self, execution_id: str, workflow: Workflow | str = "") -> ExecutionHandle:
        """A handle of an execution that was started before.

        With its workflow, values come back as its steps are annotated and by its converters; see `docs/steps.md` for
        what they are without.
        """
        return ExecutionHandle(self._core, execution_id, code_of(workflow))
