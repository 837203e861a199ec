"""What code that somebody wrote for a workflow may raise: anything, and nothing that it raises is taken on trust."""

from __future__ import annotations

import signal
import traceback
from functools import partial


def was_pressed(error: BaseException) -> bool:
    """Whether somebody's Ctrl-C came while the code ran, and the code did not raise it by itself."""
    if not isinstance(error, KeyboardInterrupt):
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True  # it leaves no trace, so nothing tells the two apart
    while isinstance(handler, partial):  # as that of `asyncio.run` is
        handler = handler.func
    code = getattr(handler, "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))


def words_of(error: BaseException) -> str:
    """What an exception says."""
    try:
        return str(error)
    except BaseException:
        return "its words cannot be had: its __str__ fails"
