"""Exit codes that scripts can rely on, and which error leads to which."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import NoReturn, TypeAlias, TypeVar

from cerebelum_cli.printable import printable_lines

_T = TypeVar("_T")
LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]
DEBUG = "CEREBELUM_DEBUG"
"""Set, an unexpected error shows its traceback."""


class Exit(IntEnum):
    """What the exit code of `cerebelum` means."""

    OK = 0
    FAILED = 1
    """It was carried out and did not succeed: an execution failed, a rejection, an unexpected error."""
    USAGE = 2
    """The command line, its JSON or the module that it names is wrong."""
    UNREACHABLE = 3
    """No Core answers at the address."""
    NOT_FOUND = 4
    """There is no such execution, workflow or step."""
    REFUSED = 5
    """The Core understood and refused: it has ended, it is not waiting, the id is taken."""
    UNUSABLE = 6
    """The Core cannot start here: its store or its address."""
    INTERRUPTED = 130
    UNREAD = 141
    """Whoever read what it prints has left, as `head` does: as if by SIGPIPE, and without a word."""


class UsageError(Exception):
    """The command line asks for something that cannot be."""


def fail(message: str, code: Exit) -> NoReturn:
    """Tell a person what is wrong, and exit."""
    try:
        sys.stderr.write(f"error: {printable_lines(message)}\n")
    except BrokenPipeError:
        leave()
    sys.exit(code)


def leave() -> NoReturn:
    """Nobody reads any more what is printed: end without a word."""
    # Python flushes what is left, and complains once more.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
    sys.exit(Exit.UNREAD)


def run_async(
    main: Coroutine[None, None, _T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> _T:
    """Run a command's coroutine; every error becomes a message and an exit code."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main)
    except KeyboardInterrupt:
        fail("interrupted", Exit.INTERRUPTED)
    except BrokenPipeError:
        leave()
    except Exception as error:
        fail_with(error)


def fail_with(error: Exception) -> NoReturn:
    """Tell a person what went wrong, and exit with the code that such an error has."""
    for kind, code in _exits():
        if isinstance(error, kind):
            fail(str(error), code)
    if os.environ.get(DEBUG):
        raise error
    fail(f"unexpected {type(error).__name__}: {error} (set {DEBUG}=1 to see where it comes from)", Exit.FAILED)


def _exits() -> tuple[tuple[type[Exception], Exit], ...]:
    # Read when something went wrong: a Core that starts again does not wait for the SDK to be imported.
    import cerebelum as sdk
    import cerebelum_client as client

    return (
        (UsageError, Exit.USAGE),
        (client.AddressError, Exit.USAGE),
        (client.PayloadError, Exit.USAGE),
        (client.InvalidRequest, Exit.USAGE),
        (sdk.DefinitionError, Exit.USAGE),
        (sdk.WorkerError, Exit.USAGE),
        (client.CoreUnavailable, Exit.UNREACHABLE),
        (client.NotFound, Exit.NOT_FOUND),
        (client.AlreadyExists, Exit.REFUSED),
        (client.Refused, Exit.REFUSED),
        (client.ClientError, Exit.FAILED),
        (sdk.CerebelumError, Exit.FAILED),
    )
