"""The command line: `cerebelum`."""

from __future__ import annotations

import sys

from cerebelum_cli.exits import Exit


def main() -> None:
    """Run the command line and exit with one of `Exit`."""
    try:
        import click  # noqa: F401  # only to see whether it is there
    except ImportError:
        sys.stderr.write("error: the command line is not installed: pip install 'cerebelum[core]'\n")
        sys.exit(Exit.USAGE)
    from cerebelum_cli.app import cli

    cli()
