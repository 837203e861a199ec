"""How a message stands in a stream: a flag that tells whether it is compressed, a length, the bytes."""

from __future__ import annotations

import zlib

from cerebelum_codegen.runtime.errors import EncodeError
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.method import Travelling

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that is read, unless told otherwise: 4 MiB, as in gRPC elsewhere."""

ENCODINGS = ("identity", "gzip")
"""The compressions that are read. Nothing is written compressed."""

PREFIX_BYTES = 5
"""The flag and the length."""
_GZIP = 31  # zlib's word for: with the header and trailer of gzip


def framed(message: Travelling, wanted: type[Travelling]) -> bytes:
    """A message as it travels.

    Raises:
        EncodeError: it is of another type, or holds what its fields cannot carry.
    """
    if type(message) is not wanted:
        raise EncodeError(f"{type(message).__name__} was given where {wanted.__name__} travels")
    content = message.to_bytes()
    return b"\x00" + len(content).to_bytes(4, "big") + content


def unpacked(content: bytes, flag: int, encoding: str, most: int) -> bytes:
    """The content of a message whose flag says that it was compressed.

    Raises:
        RpcError: it cannot be read, or is larger than `most` bytes when unpacked.
    """
    if flag != 1:
        raise RpcError(StatusCode.INTERNAL, f"a message begins with {flag}, where only 0 and 1 mean something")
    if encoding != "gzip":
        raise RpcError(StatusCode.INTERNAL, f"a message is compressed, but its encoding is called '{encoding}'")
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(content, most + 1)
    except zlib.error as error:
        raise RpcError(StatusCode.INTERNAL, f"a compressed message cannot be read: {error}") from None
    if len(unpacked) > most:
        raise too_large("more bytes when unpacked", most)
    if not unpacking.eof:
        raise cut_off()
    if unpacking.unused_data:
        raise RpcError(StatusCode.INTERNAL, "a compressed message is followed by something else")
    return unpacked


def too_large(size: str, most: int) -> RpcError:
    """What refuses a message."""
    return RpcError(StatusCode.RESOURCE_EXHAUSTED, f"a message of {size} is larger than the limit of {most}")


def cut_off() -> RpcError:
    """What tells that a message has not come whole."""
    return RpcError(StatusCode.INTERNAL, "a message is cut off: the stream ends in the middle of it")
