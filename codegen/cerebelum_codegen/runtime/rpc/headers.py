"""Calls and answers as HTTP/2 headers. What a peer writes there is never trusted to be well formed."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import cast
from urllib.parse import quote, unquote

from multidict import MultiDict

from cerebelum_codegen.runtime.http2.fields import OF_CONNECTIONS, Fields, write_field, write_fields
from cerebelum_codegen.runtime.rpc.context import Metadata
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode

Headers = list[tuple[str, str]]

CONTENT_TYPE = "application/grpc"
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_LONGEST_MESSAGE_BYTES = 2_000
_NAME = re.compile(r"[0-9a-z_.\-]+")
_VALUE = re.compile(r"[ -~]+")
_RESERVED = OF_CONNECTIONS | {"te", "content-type", "user-agent", "content-length"}
_HTTP = {
    "400": StatusCode.INTERNAL,
    "401": StatusCode.UNAUTHENTICATED,
    "403": StatusCode.PERMISSION_DENIED,
    "404": StatusCode.UNIMPLEMENTED,
    "429": StatusCode.UNAVAILABLE,
    "502": StatusCode.UNAVAILABLE,
    "503": StatusCode.UNAVAILABLE,
    "504": StatusCode.UNAVAILABLE,
}


def is_grpc(content_type: str) -> bool:
    """Whether a content type says gRPC with protobuf messages."""
    return content_type.partition(";")[0] in (CONTENT_TYPE, f"{CONTENT_TYPE}+proto")


def write_metadata(metadata: Metadata) -> bytes:
    """Metadata as a block of headers.

    Raises:
        ValueError: a name or a value that cannot travel.
    """
    return b"".join([write_field(name, _value(name, value)) for name, value in metadata.items()])


def _value(name: str, value: str | bytes) -> str:
    if name in _RESERVED or name.startswith("grpc-") or not _NAME.fullmatch(name):
        raise ValueError(f"no metadata can be called {name!r}")
    if name.endswith("-bin"):
        if not isinstance(value, bytes):
            raise ValueError(f"the metadata '{name}' carries bytes, as its name says, and not {type(value).__name__}")
        return b64encode(value).rstrip(b"=").decode()
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(f"the metadata '{name}' carries printable ASCII text, and not {value!r}")
    return value


def read_metadata(fields: Fields) -> MultiDict[str | bytes]:
    """The metadata among headers. Bytes that are not written as they should be are left out."""
    if fields.meaning is None:
        fields.meaning = tuple(_metadata(fields.pairs))
    return MultiDict(cast("tuple[tuple[str, str | bytes], ...]", fields.meaning))


def _metadata(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str | bytes]]:
    for name, value in pairs:
        if name.startswith((":", "grpc-")) or name in _RESERVED:
            continue
        if name.endswith("-bin"):
            parts = (read_bytes(part.strip()) for part in value.split(","))
            yield from ((name, part) for part in parts if part is not None)
        else:
            yield name, value


def read_bytes(text: str) -> bytes | None:
    """The value of a `-bin` header; None when it is none."""
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None


def write_status(code: StatusCode, message: str = "", details: bytes = b"") -> Headers:
    """A status as headers. Words that are too long for others' header limits are shortened."""
    headers = [("grpc-status", str(code.value))]
    if message:
        headers.append(("grpc-message", quote(_shortened(message.encode(errors="replace")), safe=_PRINTABLE)))
    if details:
        headers.append(("grpc-status-details-bin", b64encode(details).decode()))
    return headers


def _shortened(message: bytes) -> bytes:
    if len(message) <= _LONGEST_MESSAGE_BYTES:
        return message
    return message[:_LONGEST_MESSAGE_BYTES].decode(errors="ignore").encode() + b"..."


def read_status(found: Mapping[str, str]) -> RpcError | None:
    """What went wrong, by the headers that end a call; None when nothing did."""
    text = found.get("grpc-status", "")
    try:
        code = StatusCode(int(text))
    except ValueError:
        said = f"status '{text[:20]}'" if text else "no status"
        return RpcError(StatusCode.UNKNOWN, f"the server ended the call with {said}")
    if code is StatusCode.OK:
        return None
    message = unquote(found.get("grpc-message", ""), errors="replace") or "no reason given"
    return RpcError(code, message, details=read_bytes(found.get("grpc-status-details-bin", "")) or b"")


ANSWER = write_fields([(":status", "200"), ("content-type", CONTENT_TYPE)])
"""How an answer begins."""
WELL = write_fields(write_status(StatusCode.OK))
"""How a call ends that went well."""


def check_answer(found: Mapping[str, str]) -> None:
    """Refuse an answer that is none of gRPC's, by its headers.

    Raises:
        RpcError: it comes from something else, a proxy or a web server.
    """
    status = found.get(":status", "")
    if status != "200":
        raise RpcError(_HTTP.get(status, StatusCode.UNKNOWN), f"the server answered with HTTP status {status}")
    if not is_grpc(found.get("content-type", "")):
        kind = found.get("content-type", "nothing")[:40]
        raise RpcError(StatusCode.UNKNOWN, f"the server answered with {kind}, which is not gRPC")
