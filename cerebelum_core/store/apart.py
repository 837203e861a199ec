"""A committer in a process of its own: it waits for no other's interpreter, and none waits for it.

In a thread it would have to be given the interpreter's lock before and after each commit, by a loop that is busy. The
two talk over a pair of sockets. What is to be written is sent as it comes, and told of in the same order. What a
process that is gone has written, only reading tells, as after any commit without an answer; the next write starts
another.
"""

from __future__ import annotations

import asyncio
import logging
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from math import inf
from typing import Generic, TypeVar, cast

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store.framing import CHUNK, OutcomeMessage, Word, framed, message_in, received_outcome
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import Told, raise_again

_log = logging.getLogger(__name__)

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if os.name == "posix" else ()
_PAUSE_S = 1.0
"""A process that ended before it had answered is not started again sooner."""
_PATIENCE_S = 10.0
"""So long may a process take to end that has nothing to do any more."""
_INTERRUPTED = "talking to it was interrupted"
"""By a handler of signals that raised, between any two calls."""
_W = TypeVar("_W")
"""A write: a value that Python marshals."""


def committer_apart(module: str, words: Sequence[Word]) -> ProcessCommitter[_W] | None:
    """A committer in a process of its own; None where none can be started."""
    if not _can_be_apart():
        return None
    try:
        return ProcessCommitter(module, words)
    except OSError as error:
        _log.warning("the store writes in a thread, for no process can be started: %s", error)
        return None


def _can_be_apart() -> bool:
    """Whether a process of this Python can be started here that inherits a socket."""
    return os.name == "posix" and bool(sys.executable) and not getattr(sys, "frozen", False)


class ProcessCommitter(Generic[_W]):
    """Hands batches to a process that it starts: a module that runs `child.work`, which is told these words over the
    socket, where nobody else sees them.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, module: str, words: Sequence[Word]) -> None:
        self._command = (sys.executable, "-P", "-m", module)
        self._hello = framed(marshal.dumps([version("cerebelum"), *words]))
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ended: asyncio.Future[None] | None = None
        """Until the process that went last is gone."""
        self._unsent = memoryview(b"")
        self._has_more = False
        """Whether the loop is asked to tell when there is room for what is unsent."""
        self._received = bytearray()
        self._told: Told | None = None
        self._under_way = 0
        """Writes that it has, or is to have, and of which it has told nothing."""
        self._answered = False
        """Whether the process that runs has ever answered."""
        self._not_before = -inf
        """When another may be started."""
        self._start()

    @property
    def process_id(self) -> int | None:
        """Of the process that writes now, if there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def is_free(self) -> bool:
        """Whether there is room for more on the way to it: it writes together what has come while it wrote."""
        return not self._unsent

    def begin(self, writes: Sequence[_W], size: int, told: Told) -> None:
        """Write, and tell what became of each.

        Raises:
            OSError, StoreUnavailable: no process can be started now.
        """
        message = framed(marshal.dumps([*writes]))
        if self._socket is None:
            self._start()
        # From here on they are told of, whatever happens.
        under_way = self._under_way + len(writes)
        try:
            self._told = told
            self._under_way = under_way
            self._unsent = memoryview(message)
            self._send()
        except BaseException as interruption:
            if self._socket is not None:  # else all of them are told already
                self._told, self._under_way = told, under_way
                self._lose(_INTERRUPTED)
            self._loop.call_soon(raise_again, interruption)

    async def close(self) -> None:
        """Let the process end."""
        self._hang_up()
        if self._ended is not None:
            await self._ended

    def _start(self) -> None:
        if self._loop.time() < self._not_before:
            raise StoreUnavailable("its process ended as soon as it was started")
        ours, theirs = socket.socketpair()
        with ExitStack() as open_until_started, theirs:
            open_until_started.callback(ours.close)
            # From the first moment on it does not mind what stops a Core: what is being recorded is to be written.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
            try:
                self._process = subprocess.Popen(
                    (*self._command, str(theirs.fileno())),
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path())},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            try:
                ours.sendall(self._hello)  # for which there is room
                ours.setblocking(False)
                self._loop.add_reader(ours.fileno(), self._receive)
            except BaseException:
                process, self._process = self._process, None
                process.kill()
                process.wait()
                raise
            open_until_started.pop_all()
        self._socket, self._answered, self._has_more = ours, False, False
        self._received.clear()

    def _hang_up(self) -> None:
        """End the conversation, and with it the process."""
        channel, process = self._socket, self._process
        self._socket = self._process = None
        if channel is not None and process is not None:
            self._loop.remove_reader(channel.fileno())
            self._loop.remove_writer(channel.fileno())
            channel.close()
            try:
                self._ended = self._loop.run_in_executor(None, _wait_for, process)
            except RuntimeError as error:
                _log.warning("nobody waits for the end of the store's writer: %s", error)

    def _send(self) -> None:
        """Send what there is room for; go on when there is more."""
        if self._socket is None:
            return
        try:
            # Not sent within the brackets: compiled, a slice of a memoryview asks twice for where it begins.
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except BrokenPipeError:
            sent = len(self._unsent)  # it is gone: `_receive` comes to that, behind what it has told before
        except OSError as error:
            self._lose(str(error))
            return
        except BaseException:
            self._lose(_INTERRUPTED)  # nobody knows how much of it went
            raise
        self._unsent = self._unsent[sent:]
        self._await_room(bool(self._unsent))

    def _await_room(self, wanted: bool) -> None:
        """Be told when there is room for more, while there is more."""
        if self._socket is None or self._has_more == wanted:
            return
        try:
            if wanted:
                self._loop.add_writer(self._socket.fileno(), self._send)
            else:
                self._loop.remove_writer(self._socket.fileno())
        except OSError as error:
            self._lose(str(error))
        else:
            self._has_more = wanted

    def _receive(self) -> None:
        if self._socket is None:
            return
        try:
            received = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(str(error))
            return
        except BaseException:
            self._lose(_INTERRUPTED)  # nobody knows what it had told
            raise
        if not received:
            self._lose("its process has ended")
            return
        self._received += received
        self._hear()

    def _hear(self) -> None:
        """Tell what has come."""
        try:
            while (message := message_in(self._received)) is not None:
                self._answered = True
                self._tell([received_outcome(each) for each in cast("list[OutcomeMessage]", marshal.loads(message))])
        except BaseException:
            self._loop.call_soon(self._hear)  # there may be more, and nothing else that comes
            raise

    def _lose(self, reason: str) -> None:
        """The process is gone: nobody knows what it has written of the batch that it had."""
        _log.warning("the store's writer is gone, the next write starts another: %s", reason)
        if not self._answered:
            self._not_before = self._loop.time() + _PAUSE_S
        try:
            if self._process is not None:
                self._process.kill()
            self._hang_up()
        finally:
            # Told in a later turn: whoever begins something just now is not to hear of it before that is begun.
            lost, told = self._under_way, self._told
            self._under_way, self._unsent = 0, memoryview(b"")
            self._received.clear()
            if lost and told is not None:
                self._loop.call_soon(told, [StoreUnavailable(f"the store's writer is gone: {reason}")] * lost)

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        self._under_way -= len(outcomes)
        if self._told is not None:
            self._told(outcomes)


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _import_path() -> list[str]:
    """Where this process looks for modules: the other one finds the same there."""
    return [str(path) or os.getcwd() for path in sys.path]
