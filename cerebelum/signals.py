"""What is sent from here to an execution that runs in this process: the same each time that it is run again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from cerebelum_client.plain import check_texts


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that `execute` is to send."""

    name: str
    payload: object = None
    """What the step that waits for it gets."""
    signal_id: str = field(default="", kw_only=True)
    """With the same id it is the same signal; by default it is known by its place among those sent, as `#2`."""
    sent_by: str = field(default="local", kw_only=True)

    def __post_init__(self) -> None:
        """See that it can travel.

        Raises:
            TypeError, ValueError: its name, its id or who sends it is no text.
        """
        check_texts("a signal", name=self.name, signal_id=self.signal_id, sent_by=self.sent_by)


Signals: TypeAlias = Iterable[Signal] | AsyncIterable[Signal]
"""Those that an execution is sent, one after another: at once, or as an asynchronous iterator has them."""


async def identified(signals: Signals) -> AsyncGenerator[Signal, None]:
    """The signals as they come, each with an id.

    Raises:
        TypeError: what comes is none.
    """
    number = 0
    async for signal in _each(signals):
        if not isinstance(signal, Signal):
            raise TypeError(f"signals holds {signal!r}: give signals, as in signals=[Signal('paid', 7)]")
        number += 1
        yield signal if signal.signal_id else replace(signal, signal_id=f"#{number}")


async def _each(signals: Signals) -> AsyncGenerator[Signal, None]:
    if isinstance(signals, AsyncIterable):
        async for signal in signals:
            yield signal
    else:
        for signal in signals:
            yield signal
