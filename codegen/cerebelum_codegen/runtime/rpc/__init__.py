"""Calls over gRPC: what people use beside generated stubs and server bases."""

from cerebelum_codegen.runtime.rpc.client import Channel, Requests
from cerebelum_codegen.runtime.rpc.codec import MAX_MESSAGE_BYTES, MessageCodec
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.server import RequestContext, Server, Service

__all__ = [
    "Channel",
    "MAX_MESSAGE_BYTES",
    "MessageCodec",
    "RequestContext",
    "Requests",
    "RpcError",
    "Server",
    "Service",
    "StatusCode",
]
