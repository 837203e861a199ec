"""The contract between generated stubs and the runtime, version 1."""

from cerebelum_codegen.runtime.rpc.client import Requests, Stub
from cerebelum_codegen.runtime.rpc.context import Metadata, RequestContext, ResponseMetadata
from cerebelum_codegen.runtime.rpc.method import Method, ProtoFile
from cerebelum_codegen.runtime.rpc.service import Service
from cerebelum_codegen.runtime.rpc.serving import Handler

__all__ = [
    "Handler",
    "Metadata",
    "Method",
    "ProtoFile",
    "RequestContext",
    "Requests",
    "ResponseMetadata",
    "Service",
    "Stub",
]
