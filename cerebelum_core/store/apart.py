"""A committer in a process of its own: it waits for no other's interpreter, and none waits for it.

In a thread it would have to be given the interpreter's lock before and after each commit, by a loop that is busy. The
two talk over a pair of sockets, in values that Python marshals. What is to be written is sent as it comes; the process
commits together what has come while it committed what came before, and tells of it in the same order. What a process
that is gone has written, only reading tells, as after any commit without an answer; the next write starts another.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import marshal
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from importlib.metadata import version
from math import inf
from typing import Generic, NoReturn, TypeAlias, TypeVar, cast

from cerebelum_core.errors import OwnershipLost, StoreError, StoreUnavailable, VersionConflict
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import MAX_BATCH_BYTES, Told, outcomes_of

_log = logging.getLogger(__name__)

_SIZE_BYTES = 8
"""Each message begins with how long it is."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if os.name == "posix" else ()
_PAUSE_S = 1.0
"""A process that ended before it had answered is not started again sooner."""
_PATIENCE_S = 10.0
"""So long may a process take to end that has nothing to do any more."""
_CHUNK = 1 << 16
_ERRORS: dict[str, type[StoreError]] = {
    each.__name__: each for each in (VersionConflict, OwnershipLost, StoreUnavailable)
}

_W = TypeVar("_W")
"""A write: a value that Python marshals."""
Commit: TypeAlias = Callable[[Sequence[_W]], Sequence[Outcome]]
"""Makes writes durable, and says what became of each."""
Word: TypeAlias = str | int | float

_OutcomeMessage: TypeAlias = tuple[str, str] | None
"""An outcome as it is sent: the kind of the error and what it says."""


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
    """Hands batches to a process that it starts: a module that runs `work`, which is told these words over the socket,
    where nobody else sees them.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, module: str, words: Sequence[Word]) -> None:
        self._command = (sys.executable, "-P", "-m", module)
        self._hello = _framed(marshal.dumps([version("cerebelum"), *words]))
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
        message = _framed(marshal.dumps([*writes]))
        if self._socket is None:
            self._start()
        # From here on they are told of, whatever happens.
        self._told = told
        self._under_way += len(writes)
        self._unsent = memoryview(message)
        self._send()

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
        while (message := _message_in(self._received)) is not None:
            self._answered = True
            self._tell([_outcome(each) for each in cast("list[_OutcomeMessage]", marshal.loads(message))])

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


def work(opened: Callable[..., AbstractContextManager[Commit[_W]]], at_once: int) -> None:
    """The process: open what its words name, and serve. It ends with the Core, whose end of the socket closes then,
    however the Core ends. The signals that tell a Core to stop are blocked when it is started.
    """
    gc.set_threshold(100_000)  # a batch is thousands of small values, none of them in a cycle
    # Why it ends is said before the socket closes, by which the Core learns of it.
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        incoming = Incoming[_W](channel)
        wanted, *words = incoming.hello()
        if version("cerebelum") != wanted:
            _end(f"the store's writer is of version {version('cerebelum')}, its Core of {wanted}: start the Core again")
        try:
            with opened(*words) as commit:
                serve(channel, incoming, commit, at_once)
        except Exception as error:
            _end(f"the store's writer ends: {error}")


def _end(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    raise SystemExit(1)


def serve(channel: socket.socket, incoming: Incoming[_W], commit: Commit[_W], at_once: int) -> None:
    """Commit what comes over the socket, so many at once, until the other end is closed."""
    ending = select.poll()
    ending.register(channel, 0)

    def commit_for_somebody(writes: Sequence[_W]) -> Sequence[Outcome]:
        # A Core that is gone has no use for it: each commit may have waited for whoever else has the file.
        if ending.poll(0):
            raise SystemExit
        return commit(writes)

    with channel, suppress(ConnectionError):
        while writes := incoming.take(at_once):
            outcomes = outcomes_of(commit_for_somebody, writes)
            channel.sendall(_framed(marshal.dumps([_sent(each) for each in outcomes])))


class Incoming(Generic[_W]):
    """What comes over a socket: a Core's words, then writes."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._received = bytearray()
        self._writes: deque[_W] = deque()

    def hello(self) -> list[Word]:
        """The Core's version, and its words."""
        while (message := _message_in(self._received)) is None:
            received = self._channel.recv(_CHUNK)
            if not received:
                raise SystemExit
            self._received += received
        return cast("list[Word]", marshal.loads(message))

    def take(self, most: int) -> list[_W]:
        """Those that have come, if there are none the next ones; none when the other end is closed."""
        size = self._unpack()
        is_more = not self._writes
        while is_more and len(self._writes) < most and size < MAX_BATCH_BYTES:
            try:
                received = self._channel.recv(_CHUNK, socket.MSG_DONTWAIT if self._writes else 0)
            except BlockingIOError:
                break
            if not received:
                return []
            self._received += received
            size += self._unpack()
            is_more = not self._writes or len(received) == _CHUNK
        return [self._writes.popleft() for _ in range(min(len(self._writes), most))]

    def _unpack(self) -> int:
        """Take writes out of what has come; how many bytes they have."""
        size = 0
        while (message := _message_in(self._received)) is not None:
            size += len(message)
            self._writes += cast("list[_W]", marshal.loads(message))
        return size


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _import_path() -> list[str]:
    """Where this process looks for modules: the other one finds the same there."""
    return [str(path) or os.getcwd() for path in sys.path]


def _message_in(received: bytearray) -> bytes | None:
    """The first message in what has come, taken out of it; None until it is there as a whole."""
    end = _SIZE_BYTES + int.from_bytes(received[:_SIZE_BYTES])
    if len(received) < max(end, _SIZE_BYTES):
        return None
    message = bytes(received[_SIZE_BYTES:end])
    del received[:end]
    return message


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(_SIZE_BYTES) + message


def _sent(outcome: Outcome) -> _OutcomeMessage:
    return None if outcome is None else (type(outcome).__name__, str(outcome))


def _outcome(told: _OutcomeMessage) -> Outcome:
    if told is None:
        return None
    kind, message = told
    error = _ERRORS.get(kind)
    return RuntimeError(f"the store's writer failed: {kind}: {message}") if error is None else error(message)
