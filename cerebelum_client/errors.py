"""Errors of a call to a Core, split by who must act.

ClientError
|-- AddressError        the caller: the address is no HOST:PORT, or its certificates cannot be read
|-- PayloadError        the caller: a value cannot travel, or does not come back as its annotation says
|-- CoreUnavailable     nobody answers in time: try again, or look after the Core
|-- NotFound            there is no such execution, workflow or step
|-- AlreadyExists       the execution id is taken by something else
|-- InvalidRequest      the Core does not understand it, or it is too large
|-- Refused             the Core understood and says no: it has ended, it is not waiting
|-- Unsupported         the Core is older than what was asked of it, or another one
`-- CoreFailed          the Core's fault; its log tells why
"""

from __future__ import annotations

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode


class ClientError(Exception):
    """A call that did not succeed."""


class AddressError(ClientError, ValueError):
    """An address that is no HOST:PORT."""


class PayloadError(ClientError, ValueError):
    """A value that cannot be written as payload, or a payload that cannot be read as asked."""


class CoreUnavailable(ClientError):
    """No Core answers at the address, or not in time."""


class NotFound(ClientError):
    """There is no such execution, workflow, step or worker."""


class AlreadyExists(ClientError):
    """The execution id belongs to an execution of something else."""


class InvalidRequest(ClientError):
    """The request cannot be meant like this."""


class Refused(ClientError):
    """Understood, and not possible now."""


class Unsupported(ClientError):
    """This Core does not know the call."""


class CoreFailed(ClientError):
    """The Core has a fault."""


_ERRORS: dict[StatusCode, type[ClientError]] = {
    StatusCode.UNAVAILABLE: CoreUnavailable,
    StatusCode.DEADLINE_EXCEEDED: CoreUnavailable,
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.ALREADY_EXISTS: AlreadyExists,
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.RESOURCE_EXHAUSTED: InvalidRequest,
    StatusCode.FAILED_PRECONDITION: Refused,
    StatusCode.UNIMPLEMENTED: Unsupported,
}


def client_error(error: RpcError, address: str) -> ClientError:
    """What a status means to the caller."""
    kind = _ERRORS.get(error.code, CoreFailed)
    if kind is CoreUnavailable:
        return CoreUnavailable(f"the Core at {address} does not answer: {error.message}")
    if kind is CoreFailed:
        return CoreFailed(f"the Core at {address} failed ({error.code.name}): {error.message}")
    return kind(error.message)
