"""A committer in a process of its own: it waits for no other's interpreter, and none waits for it.

In a thread it would have to be given the interpreter's lock before and after each commit, by a loop that is busy. The
two talk over a pair of sockets, in values that Python marshals. What a process that is gone has written, only reading
tells, as after any commit without an answer; the next write starts another.
"""

from __future__ import annotations

import asyncio
import logging
import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from io import BufferedReader
from typing import TypeAlias, cast

from cerebelum_core.errors import OwnershipLost, StoreError, StoreUnavailable, VersionConflict
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.rows import AppendRows, Row, Statements, Write
from cerebelum_core.store.writer import Told, outcomes_of

_log = logging.getLogger(__name__)

_SIZE_BYTES = 4
"""Each message begins with how long it is."""
_CHUNK = 1 << 20
_ERRORS: dict[str, type[StoreError]] = {
    each.__name__: each for each in (VersionConflict, OwnershipLost, StoreUnavailable)
}

_OutcomeMessage: TypeAlias = tuple[str, str] | None
"""An outcome as it is sent: the kind of the error and what it says."""
_WriteMessage: TypeAlias = tuple[str, int, Row, list[Row]] | list[tuple[str, Row]]


def can_be_apart() -> bool:
    """Whether a process can be started here that inherits a socket."""
    return os.name == "posix" and bool(sys.executable)


class ProcessCommitter:
    """Hands batches to a process that it starts: a module, which is told the socket's number and then `words`.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, module: str, words: Sequence[str]) -> None:
        self._command = (sys.executable, "-P", "-m", module)
        self._words = words
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ended: asyncio.Future[int] | None = None
        """Until the process that went last is gone."""
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._told: Told | None = None
        self._count = 0
        self._start()

    @property
    def process_id(self) -> int | None:
        """Of the process that writes now, if there is one."""
        return self._process.pid if self._process is not None else None

    def begin(self, writes: Sequence[Write], told: Told) -> None:
        """Write, and tell what became of each."""
        self._told, self._count = told, len(writes)
        try:
            if self._socket is None:
                self._start()
        except OSError as error:
            self._loop.call_soon(self._tell_all, StoreUnavailable(f"the store's writer cannot be started: {error}"))
            return
        self._unsent = memoryview(_framed(marshal.dumps([_message(each) for each in writes])))
        self._send()

    async def close(self) -> None:
        """Let the process end."""
        self._hang_up()
        if self._ended is not None:
            await self._ended

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with ExitStack() as open_until_started, theirs:
            open_until_started.callback(ours.close)
            self._process = subprocess.Popen(
                (*self._command, str(theirs.fileno()), *self._words),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
            open_until_started.pop_all()
        ours.setblocking(False)
        self._socket = ours
        self._received.clear()
        self._loop.add_reader(ours.fileno(), self._receive)

    def _hang_up(self) -> None:
        """End the conversation, and with it the process."""
        if self._socket is None or self._process is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._ended = self._loop.run_in_executor(None, self._process.wait)
        self._socket = self._process = None

    def _send(self) -> None:
        """Send what there is room for; go on when there is more."""
        if self._socket is None:
            return
        try:
            # Not sent within the brackets: compiled, a slice of a memoryview asks twice for where it begins.
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(str(error))
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._socket.fileno(), self._send)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _receive(self) -> None:
        if self._socket is None:
            return
        try:
            received = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(str(error))
            return
        if not received:
            self._lose("its process has ended")
            return
        self._received += received
        if len(self._received) >= _SIZE_BYTES + int.from_bytes(self._received[:_SIZE_BYTES]):
            outcomes = cast("list[_OutcomeMessage]", marshal.loads(self._received[_SIZE_BYTES:]))
            self._received.clear()
            self._tell([_outcome(each) for each in outcomes])

    def _lose(self, reason: str) -> None:
        """The process is gone: nobody knows what it has written of the batch that it had."""
        _log.warning("the store's writer is gone, the next write starts another: %s", reason)
        if self._process is not None:
            self._process.kill()
        self._hang_up()
        self._tell_all(StoreUnavailable(f"the store's writer is gone: {reason}"))

    def _tell_all(self, outcome: Outcome) -> None:
        self._tell([outcome] * self._count)

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(outcomes)


def serve(channel: socket.socket, commit: Callable[[Sequence[Write]], Sequence[Outcome]], at_once: int) -> None:
    """In the process: commit what comes over the socket, until the other end is closed."""
    with channel, channel.makefile("rb") as incoming, suppress(ConnectionError):
        while (message := _read(incoming)) is not None:
            writes = [_write(each) for each in cast("list[_WriteMessage]", marshal.loads(message))]
            outcomes = outcomes_of(commit, writes, at_once)
            channel.sendall(_framed(marshal.dumps([_sent(each) for each in outcomes])))


def _read(incoming: BufferedReader) -> bytes | None:
    """The next message; None when the other end is gone, perhaps in the middle of one."""
    size = int.from_bytes(incoming.read(_SIZE_BYTES))
    message = incoming.read(size)
    return message if size and len(message) == size else None


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(_SIZE_BYTES) + message


def _message(write: Write) -> _WriteMessage:
    if isinstance(write, AppendRows):
        return write.execution_id, write.expected_version, write.head, write.events
    return list(write)


def _write(message: _WriteMessage) -> Write:
    if isinstance(message, list):
        statements: Statements = tuple(message)
        return statements
    return AppendRows(*message)


def _sent(outcome: Outcome) -> _OutcomeMessage:
    return None if outcome is None else (type(outcome).__name__, str(outcome))


def _outcome(told: _OutcomeMessage) -> Outcome:
    if told is None:
        return None
    kind, message = told
    error = _ERRORS.get(kind)
    return RuntimeError(f"the store's writer failed: {kind}: {message}") if error is None else error(message)
