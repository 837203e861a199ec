"""The contract between generated stubs and the runtime, version 1."""

from grpclib.const import Handler

from cerebelum_codegen.runtime.rpc.client import Requests, Stub
from cerebelum_codegen.runtime.rpc.server import RequestContext, Service

__all__ = ["Handler", "RequestContext", "Requests", "Service", "Stub"]
