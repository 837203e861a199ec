"""What a Core and the process that writes for it send each other: frames of values that Python marshals."""

from __future__ import annotations

from typing import TypeAlias

from cerebelum_core.errors import OwnershipLost, StoreError, StoreRefused, StoreUnavailable, VersionConflict
from cerebelum_core.store.records import Outcome

CHUNK = 1 << 16
"""So many bytes are received at once."""
_SIZE_BYTES = 8
"""Each message begins with how long it is."""
_ERRORS: dict[str, type[StoreError]] = {
    each.__name__: each for each in (VersionConflict, OwnershipLost, StoreUnavailable, StoreRefused)
}

Word: TypeAlias = str | int | float
OutcomeMessage: TypeAlias = tuple[str, str] | None
"""An outcome as it is sent: the kind of the error and what it says."""


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return len(message).to_bytes(_SIZE_BYTES) + message


def message_in(received: bytearray) -> bytes | None:
    """The first message in what has come, taken out of it; None until it is there as a whole."""
    end = _SIZE_BYTES + int.from_bytes(received[:_SIZE_BYTES])
    if len(received) < max(end, _SIZE_BYTES):
        return None
    message = bytes(received[_SIZE_BYTES:end])
    del received[:end]
    return message


def sent_outcome(outcome: Outcome) -> OutcomeMessage:
    """An outcome as it is sent."""
    return None if outcome is None else (type(outcome).__name__, str(outcome))


def received_outcome(told: OutcomeMessage) -> Outcome:
    """An outcome that was sent."""
    if told is None:
        return None
    kind, message = told
    error = _ERRORS.get(kind)
    return RuntimeError(f"the store's writer failed: {kind}: {message}") if error is None else error(message)
