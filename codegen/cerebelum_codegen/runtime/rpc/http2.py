"""HTTP/2 as gRPC needs it, where h2 has another mind.

- h2 ends a whole connection when it hears GOAWAY, and cannot say it without ending itself. But a GOAWAY without an
  error means: finish what is under way. So `Http2` only tells of it, and `go_away` makes the frame by itself.
- h2 closes a connection whose peer opens one stream too many. Peers may do so in good faith before they have read our
  settings, so h2 is told a higher limit than the peer, and what lies between is refused one by one.
- h2 gathers a frame whole, up to 16 MB, before it looks whether it may be so large. `check_announced` reads the length
  of the frame that h2 is gathering.
"""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import FrameTooLargeError
from hyperframe.frame import Frame, GoAwayFrame

from cerebelum_codegen.runtime.rpc.limits import Terms
from cerebelum_codegen.runtime.rpc.repeated import HeaderReader

_WINDOW_BYTES = 4 * 1024 * 1024


def configured(*, client: bool) -> H2Configuration:
    """h2 without opinions on headers: what one means is ours to decide. latin-1 reads every byte."""
    return H2Configuration(
        client_side=client,
        header_encoding="latin-1",
        validate_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_inbound_headers=False,
        normalize_outbound_headers=False,
    )


class Http2(H2Connection):
    """Goes on after a GOAWAY that announces a friendly end."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        if frame.error_code != ErrorCodes.NO_ERROR:
            return super()._receive_goaway_frame(frame)
        event = ConnectionTerminated()
        event.error_code = ErrorCodes.NO_ERROR
        event.last_stream_id = frame.last_stream_id
        return [], [event]

    def check_announced(self) -> None:
        """Refuse a frame that is too large before it is gathered.

        Raises:
            FrameTooLargeError: the frame that has begun to arrive announces more than was agreed.
        """
        size = int.from_bytes(self.incoming_buffer._data[:3], "big")
        if size > self.max_inbound_frame_size:
            raise FrameTooLargeError(f"it announces a frame of {size} bytes")


def settled(config: H2Configuration, terms: Terms) -> Http2:
    """An HTTP/2 connection that has said its settings."""
    http2 = Http2(config)
    http2.decoder = HeaderReader()
    settings = http2.local_settings
    settings.max_concurrent_streams = terms.max_streams
    settings.max_header_list_size = http2.decoder.max_header_list_size = terms.max_header_bytes
    settings.initial_window_size = _WINDOW_BYTES
    settings.enable_push = 0
    settings.acknowledge()
    http2.initiate_connection()
    http2.increment_flow_control_window(_WINDOW_BYTES - 65_535)
    settings.max_concurrent_streams = 2 * terms.max_streams
    settings.acknowledge()
    return http2


def go_away(last_stream_id: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> bytes:
    """The frame that says which stream was the last to be answered."""
    return GoAwayFrame(0, last_stream_id=last_stream_id, error_code=int(code)).serialize()
