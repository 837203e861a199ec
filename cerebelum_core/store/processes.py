"""Whether a process has ended that had a store before."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def has_ended(machine: str, process_id: int) -> bool:
    """Whether it was a process of this very machine, which is gone."""
    return machine == this_machine() and not _runs(process_id)


def way_out(*, is_here: bool) -> str:
    """What to do about a store that a process has, perhaps this very one."""
    if is_here:
        return ", which is this one: let all that run here share one Core (`embedded_core`), or give each another store"
    return ": stop that one, or give this one another store"


def this_machine() -> str:
    """Which processes this one can see: the host, this boot of it, and the namespace of process ids."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    if not boot.exists():
        return socket.gethostname()
    return f"{socket.gethostname()} {boot.read_text().strip()} {os.readlink(space)}"


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
