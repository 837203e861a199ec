"""The command line: `cerebelum`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with one of `Exit`."""
    # Whoever presses Ctrl-C at once does so while Python still imports: nothing is imported outside.
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)


def _run() -> None:
    try:
        import click  # noqa: F401  # only to see whether it is there
    except ImportError:
        sys.stderr.write("error: the command line is not installed: pip install 'cerebelum[core]'\n")
        sys.exit(2)
    from cerebelum_cli.app import cli
    from cerebelum_cli.entry import run_commands

    run_commands(cli)
