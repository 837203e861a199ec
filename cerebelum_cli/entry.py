"""From a group of commands to the end of its process: every error becomes a message and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from cerebelum_cli.exits import Exit, fail, fail_with, leave
from cerebelum_cli.printable import printable_lines


def run_commands(commands: click.Command) -> NoReturn:
    """Run what the command line asks for, and exit with one of `Exit`."""
    try:
        _run(commands)
    except BrokenPipeError:
        leave()
    except SystemExit:
        if type(sys.stdout).__module__.startswith("click."):  # which takes it for a failure that nobody reads any more
            leave()
        raise


def _run(commands: click.Command) -> NoReturn:
    try:
        sys.exit(commands.main(standalone_mode=False))
    except click.ClickException as error:
        _printable(error).show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted", Exit.INTERRUPTED)
    except BrokenPipeError:
        raise
    except Exception as error:
        fail_with(error)


def _printable(error: click.ClickException) -> click.ClickException:
    told = error.format_message()
    if (spelled := printable_lines(told)) == told:
        return error
    return click.UsageError(spelled, error.ctx if isinstance(error, click.UsageError) else None)
