"""Exit codes that scripts can rely on."""

from __future__ import annotations

from enum import IntEnum


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
