"""A thin typed client of a Core, the marker serializer and the payload converter."""

from cerebelum_client.address import Address, core_address, parse_address
from cerebelum_client.backoff import Backoff
from cerebelum_client.calls import Calls
from cerebelum_client.client import CerebelumClient
from cerebelum_client.converters import Converter
from cerebelum_client.core import Core, Stubs
from cerebelum_client.errors import (
    AddressError,
    AlreadyExists,
    ClientError,
    CoreFailed,
    CoreUnavailable,
    InvalidRequest,
    NotFound,
    PayloadError,
    Refused,
    Unsupported,
)
from cerebelum_client.executions import execute_request, new_execution_id
from cerebelum_client.markers import (
    Approval,
    Request,
    SignalWait,
    Sleep,
    from_marker,
    read_marker,
    to_marker,
    write_marker,
)
from cerebelum_client.payload import PLAIN, Payloads, from_payload, to_payload

__all__ = [
    "Address",
    "AddressError",
    "AlreadyExists",
    "Approval",
    "Backoff",
    "Calls",
    "CerebelumClient",
    "ClientError",
    "Converter",
    "Core",
    "CoreFailed",
    "CoreUnavailable",
    "InvalidRequest",
    "PLAIN",
    "NotFound",
    "PayloadError",
    "Payloads",
    "Refused",
    "Request",
    "SignalWait",
    "Sleep",
    "Stubs",
    "Unsupported",
    "core_address",
    "execute_request",
    "from_marker",
    "from_payload",
    "new_execution_id",
    "parse_address",
    "read_marker",
    "to_marker",
    "to_payload",
    "write_marker",
]
