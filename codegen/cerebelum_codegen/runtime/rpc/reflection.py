"""gRPC's reflection: a server tells which services it has, and what their messages are.

It serves the descriptors that stand beside the generated stubs, so what it says is what was compiled.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from cerebelum_codegen.runtime.rpc.context import RequestContext
from cerebelum_codegen.runtime.rpc.errors import StatusCode
from cerebelum_codegen.runtime.rpc.method import ProtoFile
from cerebelum_codegen.runtime.rpc.service import Service
from cerebelum_proto.grpc.reflection.v1 import reflection_pb as pb
from cerebelum_proto.grpc.reflection.v1.reflection_grpc import ServerReflectionBase
from cerebelum_proto.grpc.reflection.v1alpha import reflection_pb as alpha
from cerebelum_proto.grpc.reflection.v1alpha.reflection_grpc import ServerReflectionBase as AlphaBase


def reflection(services: Sequence[Service]) -> list[Service]:
    """The two services by which tools such as grpcurl ask: `v1`, and `v1alpha` for older ones.

    Serve them beside `services`; they tell of themselves as well.
    """
    catalogue = _Catalogue()
    told: list[Service] = [_Reflection(catalogue), _AlphaReflection(catalogue)]
    for service in (*services, *told):
        catalogue.add(service)
    return told


class _Catalogue:
    """What can be asked for, by each of its names."""

    def __init__(self) -> None:
        self.services: dict[str, None] = {}
        self.files: dict[str, ProtoFile] = {}
        self.symbols: dict[str, ProtoFile] = {}
        self.extensions: dict[str, dict[int, ProtoFile]] = {}

    def add(self, service: Service) -> None:
        """Tell of a service."""
        self.services |= dict.fromkeys(each.route.split("/")[1] for each in service.__handlers__())
        for file in service.__files__():
            self.files.setdefault(file.name, file)
            for symbol in file.symbols:
                self.symbols.setdefault(symbol, file)
            for extended, number in file.extensions:
                self.extensions.setdefault(extended, {}).setdefault(number, file)

    def answer(self, request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse_MessageResponse:
        """The answer to one question."""
        match request.message_request:
            case pb.ServerReflectionRequest_ListServices():
                services = [pb.ServiceResponse(name=name) for name in self.services]
                return pb.ListServiceResponse(service=services)
            case pb.ServerReflectionRequest_FileByFilename(value=name):
                return _described(self.files.get(name), f"file '{name}'")
            case pb.ServerReflectionRequest_FileContainingSymbol(value=name):
                return _described(self.symbols.get(name), f"symbol '{name}'")
            case pb.ExtensionRequest(containing_type=name, extension_number=number):
                return _described(self.extensions.get(name, {}).get(number), f"extension {number} of '{name}'")
            case pb.ServerReflectionRequest_AllExtensionNumbersOfType(value=name):
                if name not in self.symbols:
                    return _missing(f"message '{name}'")
                numbers = sorted(self.extensions.get(name, ()))
                return pb.ExtensionNumberResponse(base_type_name=name, extension_number=numbers)
            case None:
                return pb.ErrorResponse(
                    error_code=StatusCode.INVALID_ARGUMENT.value, error_message="the request asks for nothing"
                )


def _described(file: ProtoFile | None, what: str) -> pb.FileDescriptorResponse | pb.ErrorResponse:
    return _missing(what) if file is None else pb.FileDescriptorResponse(file_descriptor_proto=[file.content])


def _missing(what: str) -> pb.ErrorResponse:
    return pb.ErrorResponse(error_code=StatusCode.NOT_FOUND.value, error_message=f"no {what} is known here")


class _Reflection(ServerReflectionBase):
    def __init__(self, catalogue: _Catalogue) -> None:
        self._catalogue = catalogue

    async def server_reflection_info(
        self, requests: AsyncIterator[pb.ServerReflectionRequest], context: RequestContext
    ) -> AsyncGenerator[pb.ServerReflectionResponse, None]:
        async for request in requests:
            yield pb.ServerReflectionResponse(
                valid_host=request.host, original_request=request, message_response=self._catalogue.answer(request)
            )


class _AlphaReflection(AlphaBase):
    """The same questions and answers in older words: their bytes are alike."""

    def __init__(self, catalogue: _Catalogue) -> None:
        self._catalogue = catalogue

    async def server_reflection_info(
        self, requests: AsyncIterator[alpha.ServerReflectionRequest], context: RequestContext
    ) -> AsyncGenerator[alpha.ServerReflectionResponse, None]:
        async for request in requests:
            asked = pb.ServerReflectionRequest.from_bytes(request.to_bytes())
            answer = pb.ServerReflectionResponse(
                valid_host=asked.host, original_request=asked, message_response=self._catalogue.answer(asked)
            )
            yield alpha.ServerReflectionResponse.from_bytes(answer.to_bytes())
