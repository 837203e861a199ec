"""How messages stand in a stream: a flag, a length, the bytes. No length is believed before it is compared."""

from __future__ import annotations

import zlib

from grpclib.protocol import Stream

from cerebelum_codegen.runtime.errors import EncodeError
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.method import Travelling

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that is read, unless told otherwise: 4 MiB, as in gRPC elsewhere."""

ENCODINGS = ("identity", "gzip")
"""The compressions that are read. Nothing is written compressed."""

_PREFIX_BYTES = 5
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


async def read_message(stream: Stream, encoding: str, most: int) -> bytes | None:
    """The next message of a stream; None at its end.

    One that announces more than `most` bytes is refused before any of it is gathered. What is not asked for stays
    unacknowledged, so flow control stops the sender.

    Raises:
        RpcError: it is too large, compressed in an unknown way, or cut off.
    """
    try:
        prefix = await stream.recv_data(_PREFIX_BYTES)
        if not prefix:
            return None
        size = int.from_bytes(prefix[1:], "big")
        if size > most:
            raise _too_large(f"{size} bytes", most)
        content = await stream.recv_data(size)
    except AssertionError:
        # This is how grpclib says that a stream has ended before the bytes that were asked for.
        raise _cut_off() from None
    if len(content) < size:
        raise _cut_off()
    return content if prefix[0] == 0 else _unpacked(content, encoding, most)


def _unpacked(content: bytes, encoding: str, most: int) -> bytes:
    if encoding != "gzip":
        raise RpcError(StatusCode.INTERNAL, f"a message is compressed, but its encoding is called '{encoding}'")
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(content, most + 1)
    except zlib.error as error:
        raise RpcError(StatusCode.INTERNAL, f"a compressed message cannot be read: {error}") from None
    if len(unpacked) > most:
        raise _too_large("more bytes when unpacked", most)
    if not unpacking.eof:
        raise _cut_off()
    return unpacked


def _too_large(size: str, most: int) -> RpcError:
    return RpcError(StatusCode.RESOURCE_EXHAUSTED, f"a message of {size} is larger than the limit of {most}")


def _cut_off() -> RpcError:
    return RpcError(StatusCode.INTERNAL, "a message is cut off: the stream ends in the middle of it")
