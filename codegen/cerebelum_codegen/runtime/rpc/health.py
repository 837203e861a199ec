"""gRPC's health service: tells balancers and orchestrators whether a server wants calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from cerebelum_codegen.runtime.rpc.context import RequestContext
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.service import Service
from cerebelum_proto.grpc.health.v1 import health_pb as pb
from cerebelum_proto.grpc.health.v1.health_grpc import HealthBase

ServingStatus = pb.HealthCheckResponse_ServingStatus


class Health(HealthBase):
    """How a server and each of its services are: SERVING, until told otherwise."""

    def __init__(self, services: Sequence[Service]) -> None:
        names = {each.route.split("/")[1] for service in services for each in service.__handlers__()}
        self._statuses = dict.fromkeys(("", *sorted(names)), ServingStatus.SERVING)
        self._changed = asyncio.Event()
        self._stopped = False

    def set(self, service: str, status: ServingStatus) -> None:
        """Say how a service is from now on; the empty name is the server as a whole."""
        self._statuses[service] = status
        self._wake()

    def stop(self) -> None:
        """Say that nothing here serves any more. Whoever watches is told, and then let go."""
        self._statuses = dict.fromkeys(self._statuses, ServingStatus.NOT_SERVING)
        self._stopped = True
        self._wake()

    async def check(self, request: pb.HealthCheckRequest, context: RequestContext) -> pb.HealthCheckResponse:
        """How a service is now."""
        status = self._statuses.get(request.service)
        if status is None:
            raise RpcError(StatusCode.NOT_FOUND, f"no service '{request.service}' is watched here")
        return pb.HealthCheckResponse(status=status)

    async def list(self, request: pb.HealthListRequest, context: RequestContext) -> pb.HealthListResponse:
        """How every service is now."""
        return pb.HealthListResponse(
            statuses={name: pb.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        )

    async def watch(
        self, request: pb.HealthCheckRequest, context: RequestContext
    ) -> AsyncGenerator[pb.HealthCheckResponse, None]:
        """How a service is now, and then each time that this changes."""
        told: ServingStatus | None = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, ServingStatus.SERVICE_UNKNOWN)
            if status is not told:
                told = status
                yield pb.HealthCheckResponse(status=status)
            if self._stopped:
                return
            await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
