"""How messages travel on a connection, and how large they may be."""

from __future__ import annotations

from typing import cast

from grpclib.encoding.base import CodecBase
from grpclib.protocol import Stream

from cerebelum_codegen.runtime.errors import EncodeError
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message that is read, unless told otherwise: 4 MiB, as in gRPC elsewhere."""


class MessageCodec(CodecBase):
    """Generated messages in the binary format."""

    __content_subtype__ = "proto"

    def encode(self, message: object, message_type: object) -> bytes:
        if not isinstance(message, Message) or type(message) is not message_type:
            wanted = getattr(message_type, "__name__", message_type)
            raise EncodeError(f"{type(message).__name__} was given where {wanted} travels")
        return message.to_bytes()

    def decode(self, data: bytes, message_type: object) -> Message:
        return cast("type[Message]", message_type).from_bytes(data)


def limit_messages(source: Stream, most: int) -> None:
    """Refuse a message by the length that it announces, before any of it is gathered.

    grpclib has no such setting. It asks its stream first for a message's five bytes of prefix, then for as many
    bytes as they announce: a request for more than `most` is refused here. What is not asked for stays unacknowledged,
    so flow control stops the sender.
    """
    read = source.recv_data

    async def read_within_limit(size: int) -> bytes:
        if size > most:
            raise RpcError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"a message of {size} bytes is larger than the limit of {most}",
            )
        return await read(size)

    source.recv_data = read_within_limit  # type: ignore[method-assign]  # the one place where it can be limited
