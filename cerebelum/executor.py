"""Starts executions on a Core and waits for them. It runs no steps: a `Worker` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

from cerebelum.core import CallerCore
from cerebelum.errors import DefinitionError
from cerebelum.execution_stream import ExecutionStream, execution_id_in, payloads_of, steps_of
from cerebelum.results import ExecutionResult, result_of
from cerebelum.step import AnyStep
from cerebelum.workflow import Workflow
from cerebelum_client import PLAIN, CerebelumClient, CoreUnavailable, Payloads, Unsupported, execute_request
from cerebelum_client.markers import milliseconds
from cerebelum_proto.worker import worker_service_pb as pb

_RETRY_S = 1.0


class ExecutionHandle:
    """One execution on a Core."""

    def __init__(
        self,
        core: CallerCore,
        execution_id: str,
        steps: Mapping[str, AnyStep] | None = None,
        payloads: Payloads = PLAIN,
    ) -> None:
        self.execution_id = execution_id
        self._core = core
        self._steps = steps
        self._payloads = payloads

    async def result(self) -> ExecutionResult:
        """Wait for the end, however long it takes and however often the Core is started again meanwhile."""
        while True:
            try:
                status = result_of(await self._core.await_result(self.execution_id), self._steps, self._payloads)
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
            try:
                async for event in self._core.history(self.execution_id, after_version=version, follow=True):
                    version = event.version
                status = await self.status()
            except CoreUnavailable:
                await asyncio.sleep(_RETRY_S)
                continue
            if status.ended:
                return status

    async def status(self) -> ExecutionResult:
        """Where it stands."""
        return result_of(await self._core.status(self.execution_id), self._steps, self._payloads)

    async def approve(self, response: object = None, *, decided_by: str = "", step: str = "") -> None:
        """Answer its waiting approval with yes; `step` names which one when several wait."""
        await self._core.approve(
            self.execution_id, response=self._payloads.write(response), decided_by=decided_by, step=step
        )

    async def reject(self, reason: str = "", *, decided_by: str = "", step: str = "") -> None:
        """Answer its waiting approval with no."""
        await self._core.reject(self.execution_id, reason=reason, decided_by=decided_by, step=step)

    async def cancel(self, reason: str = "", *, cancelled_by: str = "", cleanup: timedelta | None = None) -> None:
        """Ask it to end. Steps that run are cancelled and may take `cleanup` (30 seconds) for their own."""
        cleanup_ms = milliseconds(cleanup) if cleanup is not None else 0
        await self._core.cancel(self.execution_id, reason=reason, cancelled_by=cancelled_by, cleanup_ms=cleanup_ms)


class DistributedExecutor:
    """Starts executions on a Core: at `core_url`, else at CEREBELUM_URL, else at localhost:50051."""

    def __init__(self, core_url: str | None = None, *, core: CallerCore | None = None) -> None:
        """Prepare an executor; nothing is opened yet. `core` takes one that is at hand instead of an address."""
        self._client = CerebelumClient(core_url) if core is None else None
        self._core: CallerCore = core or self._client or CerebelumClient(core_url)
        self._submitted: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    async def execute(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        *,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        tags: Sequence[str] = (),
        correlation_id: str = "",
    ) -> ExecutionResult:
        """Start an execution and wait for its end, in one call. See `submit`."""
        request = await self.request(
            workflow, inputs, execution_id=execution_id, timeout=timeout, tags=tags, correlation_id=correlation_id
        )
        handle = self._handle(workflow, execution_id_in(request))
        try:
            status = await self._core.await_result(start=request)
        except Unsupported:
            await self._start(request)
            return await handle.result()
        result = result_of(status, steps_of(workflow), payloads_of(workflow))
        return result if result.ended else await handle.result()

    async def submit(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        *,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        tags: Sequence[str] = (),
        correlation_id: str = "",
    ) -> ExecutionHandle:
        """Start an execution of this workflow, or of the newest one with this name that the Core knows.

        The same id, workflow and inputs again are the same execution. With `timeout` it fails when it takes longer.

        Raises:
            PayloadError: the inputs cannot travel.
            NotFound: the Core knows no workflow of this name.
            AlreadyExists: the id belongs to an execution of something else.
            CoreUnavailable: nobody answers.
            DefinitionError: the Core refuses the workflow.
        """
        request = await self.request(
            workflow, inputs, execution_id=execution_id, timeout=timeout, tags=tags, correlation_id=correlation_id
        )
        await self._start(request)
        return self._handle(workflow, execution_id_in(request))

    async def request(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        *,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        tags: Sequence[str] = (),
        correlation_id: str = "",
    ) -> pb.ExecuteRequest:
        """What `submit` asks of the Core, once the Core has the workflow."""
        known = workflow if isinstance(workflow, Workflow) else None
        if known is not None and known.hash not in self._submitted:
            await _submit(self._core, known)
            self._submitted.add(known.hash)
        return execute_request(
            known.name if known else str(workflow),
            payloads_of(workflow).write(inputs),
            execution_id=execution_id or "",
            workflow_hash=known.hash if known else "",
            correlation_id=correlation_id,
            tags=tags,
            timeout_ms=milliseconds(timeout) if timeout else 0,
        )

    async def _start(self, request: pb.ExecuteRequest) -> None:
        options = request.options or pb.ExecutionOptions()
        await self._core.start(
            request.workflow_module,
            request.exact_inputs or PLAIN.write(None),
            execution_id=options.execution_id,
            workflow_hash=request.workflow_hash,
            correlation_id=options.correlation_id,
            tags=options.tags,
            timeout_ms=options.timeout_ms,
        )

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[ExecutionStream]:
        """Start many executions over one connection, many a frame: for callers with hundreds of them in flight."""
        stream = ExecutionStream(self._core, self.request)
        try:
            yield stream
        finally:
            await stream.close()

    def _handle(self, workflow: Workflow | str, execution_id: str) -> ExecutionHandle:
        return ExecutionHandle(self._core, execution_id, steps_of(workflow), payloads_of(workflow))

    def handle(self, execution_id: str) -> ExecutionHandle:
        """A handle of an execution that was started before."""
        return ExecutionHandle(self._core, execution_id)


async def _submit(core: CallerCore, workflow: Workflow) -> None:
    validation = await core.submit_blueprint(workflow.blueprint)
    if not validation.valid:
        raise DefinitionError(f"workflow '{workflow.name}'", validation.errors)
