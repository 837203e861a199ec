"""An answer in one write: headers, message and status together, where grpclib writes each by itself.

It prepares frames in h2 as grpclib does, and lets grpclib write them with the last of them.
"""

from __future__ import annotations

from grpclib.protocol import Stream
from h2.connection import H2Connection

from cerebelum_codegen.runtime.rpc.headers import Headers


async def send_answer(stream: Stream, first: Headers, message: bytes, last: Headers) -> None:
    """Answer a call with one message. One for which the peer has no room yet goes in parts, as it finds room."""
    await stream.connection.write_ready.wait()
    http2, stream_id = stream._h2_connection, stream.id
    if stream_id is not None and _has_room(http2, stream_id, len(message)):
        http2.send_headers(stream_id, first)
        http2.send_data(stream_id, message)
        stream.data_sent += len(message)
        stream.connection.data_sent += len(message)
    else:
        await stream.send_headers(first)
        await stream.send_data(message)
    await stream.send_headers(last, end_stream=True)


def _has_room(http2: H2Connection, stream_id: int, size: int) -> bool:
    if stream_id not in http2.streams:
        return False
    return size <= min(http2.local_flow_control_window(stream_id), http2.max_outbound_frame_size)
