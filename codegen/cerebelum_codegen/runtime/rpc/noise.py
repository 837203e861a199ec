"""Counts what costs a peer nothing to send, and us something to hear."""

from __future__ import annotations


class Noise:
    """What one peer did within a second."""

    def __init__(self, max_streams: int) -> None:
        self._most = 2 * max_streams + 200
        self._second = 0.0
        self._count = 0
        self._data_sent = 0

    def heard(self, now: float, data_sent: int, *, ping: bool) -> bool:
        """Whether it goes too far. Pings between our messages are others' way to measure the network."""
        if ping and data_sent != self._data_sent:
            self._data_sent = data_sent
            return False
        if now - self._second >= 1:
            self._second, self._count = now, 0
        self._count += 1
        return self._count > self._most
