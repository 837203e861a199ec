"""From a request to start an execution to the command that it is."""

from __future__ import annotations

from dataclasses import dataclass

from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import Clock
from cerebelum_core.edges.refusals import require, require_name
from cerebelum_core.ids import RandomBytes, uuid7
from cerebelum_core.payloads import payload_of
from cerebelum_engine import Blueprint, StartExecution
from cerebelum_proto.worker import worker_service_pb as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Reads requests to start, and finds what they start."""

    blueprints: BlueprintRegistry
    clock: Clock
    random_bytes: RandomBytes

    async def read(self, request: pb.ExecuteRequest) -> tuple[StartExecution, Blueprint]:
        """The command, and the blueprint that it is about: the one that is named, or the newest of its workflow.

        Raises:
            UnknownBlueprint, StoreError, RpcError: it cannot be started.
        """
        options = request.options or pb.ExecutionOptions()
        _require_names(request, options)
        if request.workflow_hash:
            blueprint = await self.blueprints.get(request.workflow_hash)
        else:
            blueprint = await self.blueprints.newest(request.workflow_module)
        require(
            request.workflow_module in ("", blueprint.workflow),
            f"blueprint {blueprint.hash!r} is of workflow {blueprint.workflow!r}, not {request.workflow_module!r}",
        )
        command = StartExecution(
            execution_id=options.execution_id or uuid7(self.clock, self.random_bytes),
            workflow=blueprint.workflow,
            inputs=request.exact_inputs or payload_of(request.inputs or {}),
            correlation_id=options.correlation_id,
            tags=tuple(options.tags),
            timeout_ms=options.long_timeout_ms or options.timeout_ms,
            queue=options.queue,
            retries=options.retries,
        )
        return command, blueprint


def _require_names(request: pb.ExecuteRequest, options: pb.ExecutionOptions) -> None:
    require_name("execution_id", options.execution_id)
    require_name("workflow_module", request.workflow_module)
    require_name("workflow_hash", request.workflow_hash)
    require_name("correlation_id", options.correlation_id)
    for tag in options.tags:
        require_name("tag", tag)
