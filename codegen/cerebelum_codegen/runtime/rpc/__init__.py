"""Calls over gRPC: what people use beside generated stubs and server bases."""

from cerebelum_codegen.runtime.rpc.channel import Channel
from cerebelum_codegen.runtime.rpc.client import Requests
from cerebelum_codegen.runtime.rpc.context import Interceptor, Metadata, RequestContext, ResponseMetadata
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.framing import MAX_MESSAGE_BYTES
from cerebelum_codegen.runtime.rpc.limits import Keepalive, Limits
from cerebelum_codegen.runtime.rpc.retry import Retry
from cerebelum_codegen.runtime.rpc.server import Server
from cerebelum_codegen.runtime.rpc.service import Service
from cerebelum_codegen.runtime.rpc.tls import TlsError, client_tls, server_tls

__all__ = [
    "Channel",
    "Interceptor",
    "Keepalive",
    "Limits",
    "MAX_MESSAGE_BYTES",
    "Metadata",
    "RequestContext",
    "Requests",
    "ResponseMetadata",
    "Retry",
    "RpcError",
    "Server",
    "Service",
    "StatusCode",
    "TlsError",
    "client_tls",
    "server_tls",
]
