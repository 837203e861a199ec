"""Lists of headers, read with what a connection has agreed on, and written so that they need no agreement.

Reading remembers: a client sends with each call what it sent with the last. A block that leaves the table of its
connection as it was means the same until a block comes that changes the table.

Writing names every header in full and adds nothing to the peer's table. So the block of a list is the same on every
connection for ever, and can be kept: a call costs no compression at all, for some hundred bytes on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

from hpack import Decoder, Encoder, HPACKError, OversizedHeaderListError

from cerebelum_codegen.runtime.http2.codes import ErrorCode
from cerebelum_codegen.runtime.http2.errors import ConnectionFault

_KEPT = 32
"""A peer that has more different lists than this is read anew."""
_LONGEST_KEPT_BYTES = 1024
_RESIZE = 0x20
"""The first bits of a block that begins by resizing the table."""

_NAME = re.compile(r":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(r"[^\0\r\n]*")
OF_CONNECTIONS = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
"""Headers of HTTP/1.1, which make a list malformed."""
_PSEUDO = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
_ENCODER = Encoder()
_LITERAL = b"\x10"
"""What follows is a name and a value, which nobody on the way may put into a table either."""
_LONG = 127
"""A length from here on takes more than one byte."""


class Fields:
    """A list of headers as it was read. It is shared by all calls that have the same one: nobody changes it."""

    __slots__ = ("fault", "found", "meaning", "pairs")

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs
        self.found = dict(pairs)
        """The last value of each name."""
        self.fault = _fault(pairs)
        """What section 8 of RFC 9113 has against it; empty when it is well formed."""
        self.meaning: object = None
        """What those who read it keep with it, so as to work it out once."""

    @property
    def pseudo(self) -> bool:
        """Whether it says what a call or an answer is, as no trailer may."""
        return bool(self.pairs) and self.pairs[0][0].startswith(":")


class FieldReader:
    """Reads the blocks of one connection."""

    def __init__(self, most_bytes: int) -> None:
        """Take lists of so many bytes at most, by the sum of section 6.5.2."""
        self._decoder = Decoder(most_bytes)
        self._known: dict[bytes, Fields] = {}

    def read(self, block: bytes) -> Fields:
        """The list that a block holds.

        Raises:
            ConnectionFault: it cannot be read, or is too large; the table is lost with it.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        table = self._decoder.header_table
        entries = cast("Sequence[object]", table.dynamic_entries)  # objects: a compiled tuple is never the same twice
        size, count, newest = table.maxsize, len(entries), entries[0] if entries else None
        fields = Fields(tuple(self._decoded(block)))
        # An entry that is added is another object, whatever it says.
        if table.maxsize != size or len(entries) != count or (entries and entries[0] is not newest):
            self._known.clear()
        elif len(block) <= _LONGEST_KEPT_BYTES and (not block or block[0] & 0xE0 != _RESIZE):
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[block] = fields
        return fields

    def _decoded(self, block: bytes) -> list[tuple[str, str]]:
        try:
            raw = cast("Iterable[tuple[bytes, bytes]]", self._decoder.decode(block, raw=True))
        except OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, str(error)) from None
        except (HPACKError, IndexError, ValueError) as error:  # hpack has more than one name for a block cut short
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, f"headers that cannot be read: {error}") from None
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]


def write_fields(headers: Iterable[tuple[str, str]]) -> bytes:
    """The block of a list of headers, the same wherever it is sent. It is short, and to be kept."""
    return _ENCODER.encode([(name, value, True) for name, value in headers])  # True: add none to the table


def write_field(name: str, value: str) -> bytes:
    """The block of one header, as it is quickest to write: for what differs from call to call."""
    return _LITERAL + _string(name.encode()) + _string(value.encode())


def _string(raw: bytes) -> bytes:
    size = len(raw)
    if size < _LONG:
        return bytes((size,)) + raw
    length, size = bytearray((_LONG,)), size - _LONG
    while size >= 128:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return bytes(length) + raw


def _fault(pairs: Iterable[tuple[str, str]]) -> str:
    regular, seen = False, set()
    for name, value in pairs:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return f"a header that HTTP/2 does not allow: {name[:40]!r}"
        if not name.startswith(":"):
            regular = True
        elif regular or name in seen or name not in _PSEUDO:
            return f"the pseudo-header {name[:40]!r} is out of place"
        if name in OF_CONNECTIONS or (name == "te" and value != "trailers"):
            return f"the header '{name}' belongs to HTTP/1.1"
        seen.add(name)
    return ""
