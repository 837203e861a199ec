"""Lists of headers that repeat are read once: a client sends with each call what it sent with the last.

A block of references alone, of one byte each (so all of its bytes have their highest bit), leaves the table of its
connection as it was. So it means what it meant before, until a block comes that is not of that kind.
"""

from __future__ import annotations

from collections.abc import Iterable

from hpack import Decoder, HeaderTuple

_REFERENCE = 0x80
_KEPT = 8
"""A peer that has so many different lists is read anew."""


class HeaderReader(Decoder):
    """Reads blocks of headers as bytes, and remembers the last ones."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, Iterable[HeaderTuple]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """The headers of a block; `raw`: as bytes, which is how HTTP/2 reads them here."""
        known = self._known.get(data) if raw else None
        if known is not None:
            return known
        headers = tuple(super().decode(data, raw))
        if len(self._known) >= _KEPT or min(data, default=0) < _REFERENCE:
            self._known.clear()
        elif raw:
            self._known[data] = headers
        return headers
