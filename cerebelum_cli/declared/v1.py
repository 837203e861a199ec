"""What generated modules of workflows call when they are run: `python -m shop.v1.orders_workflows`, version 1.

What stands here stays, as long as code generated for version 1 is in use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cerebelum.declared.definition import Definition
from cerebelum_cli.exits import Exit, fail


def command_line(*definitions: Definition) -> None:
    """Run the command line of a file's workflows and exit with one of `Exit`. Of several, the first word names one."""
    try:
        _run(definitions)
    except KeyboardInterrupt:
        fail("interrupted", Exit.INTERRUPTED)


def _run(definitions: Sequence[Definition]) -> None:
    try:
        import click  # noqa: F401  # only to see whether it is there
    except ImportError:
        sys.stderr.write("error: the command line is not installed: pip install 'cerebelum[cli]'\n")
        sys.exit(Exit.USAGE)
    from cerebelum_cli.declared.commands import commands_of
    from cerebelum_cli.entry import run_commands

    run_commands(commands_of(definitions))
