"""`store`: look after what a Core keeps. `check` and `prune` work beside a Core that runs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cerebelum_cli.exits import Exit, fail, run_async
from cerebelum_cli.options import json_option, store_option
from cerebelum_cli.output import print_json, say
from cerebelum_cli.timeline import event_json
from cerebelum_codegen.runtime import Duration
from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_proto.archive.v1.archive_pb import ArchivedExecution
from cerebelum_proto.worker.worker_service_pb import ExecutionState

_UNIT_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def store() -> None:
    """Look after what a Core keeps: migrate, check, copy, prune, read."""


@store.command()
@store_option
def migrate(store_url: str) -> None:
    """Bring a store's schema up to date.

    A Core does so by itself when it starts. On PostgreSQL a role that may create a schema can do it once, so that the
    Core's role need not be allowed to.
    """
    run_async(_migrate(store_url))


async def _migrate(store_url: str) -> None:
    with _refusals():
        from cerebelum_core import upkeep
        from cerebelum_core.store import shown

        await upkeep.migrate(store_url)
        say(f"{shown(store_url)} is up to date")


@store.command()
@store_option
@json_option
def check(store_url: str, as_json: bool) -> None:
    """Prove that a store is whole, also while a Core runs: every history without a gap, every head true.

    Exit code 1 when it is not.
    """
    with _refusals():
        from cerebelum_core import upkeep

        report = upkeep.check(store_url)
    counts = {_word(state): count for state, count in report.executions.items()}
    if as_json:
        totals = {"events": report.events, "blueprints": report.blueprints, "owner": report.owner}
        print_json({"executions": counts, **totals, "faults": list(report.faults)})
    else:
        listed = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"
        click.echo(f"executions: {listed}\nevents: {report.events}\nblueprints: {report.blueprints}")
        for fault in report.faults:
            say(f"fault: {fault}")
        click.echo(f"{len(report.faults)} faults" if report.faults else "no faults")
    if report.faults:
        raise SystemExit(Exit.FAILED)


@store.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--leave-out", is_flag=True, help="Copy all but what the target cannot keep, and name it.")
def copy(source: str, target: str, leave_out: bool) -> None:
    """Copy a store into another of any kind: from SQLite to PostgreSQL, or back.

    Stop the Core first. Executions that run are copied as they stand, and go on when a Core is started on the copy.
    What was written is read back and compared by checksum. Interrupted, it goes on when it is run again. A target that
    holds something else, or cannot keep something, is refused and left as it is.
    """
    run_async(_copy(source, target, leave_out))


async def _copy(source: str, target: str, leave_out: bool) -> None:
    with _refusals():
        from cerebelum_core import upkeep

        copied = await upkeep.copy(source, target, leave_out=leave_out)
    for each in copied.left_out:
        say(f"left out: {each}")
    counted = f"{copied.executions} executions, {copied.events} events"
    click.echo(f"{counted}; {'all else has' if copied.left_out else 'both stores have'} checksum {copied.checksum}")


@store.command()
@store_option
@click.option(
    "--older-than", "age", metavar="AGE", required=True, help="How long ago they must have ended: 30d, 12h, 90m, 10s."
)
@click.option("--archive", metavar="FILE", type=_FILE, help="Add them to this file first; `store read` shows it.")
def prune(store_url: str, age: str, archive: Path | None) -> None:
    """Remove executions that ended long ago, also while a Core runs. Those that have not ended stay."""
    older_than, removed = _duration(age), 0
    with _refusals():
        from cerebelum_core import upkeep

        began = time.monotonic()
        for count in upkeep.prune(store_url, older_than, archive):
            removed += count
            # Half of the time belongs to the Core.
            time.sleep(time.monotonic() - began)
            began = time.monotonic()
    click.echo(f"{removed} executions {'archived and removed' if archive else 'removed'}")


@store.command()
@click.argument("archive", metavar="FILE", type=_FILE)
def read(archive: Path) -> None:
    """Print the events of an archive, one a line as JSON."""
    with _refusals():
        for execution in _archived(archive):
            for event in execution.events:
                print_json({"execution_id": execution.execution_id, **event_json(event)})


def _archived(archive: Path) -> Iterator[ArchivedExecution]:
    from cerebelum_core.store.archive import read_archive

    try:
        yield from read_archive(archive)
    except (DecodeError, OSError) as error:
        fail(f"the archive cannot be read: {error}", Exit.USAGE)


@contextmanager
def _refusals() -> Iterator[None]:
    """Errors of a store as messages and exit codes."""
    try:
        from cerebelum_core.errors import CopyRefused, StartError, StoreError

        try:
            yield
        except (StartError, StoreError) as error:
            fail(str(error), Exit.UNUSABLE)
        except CopyRefused as error:
            fail(str(error), Exit.REFUSED)
        except DecodeError as error:
            fail(f"the store holds something that cannot be read: {error}", Exit.UNUSABLE)
    except ImportError as error:
        fail(f"the Core is not installed ({error}): pip install 'cerebelum[core]'", Exit.USAGE)


def _duration(age: str) -> Duration:
    """An age as people write it.

    Raises:
        click.BadParameter: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,6})([dhms])", age.strip())
    if found is None:
        raise click.BadParameter(f"{age!r} is no age: write 30d, 12h, 90m or 10s", param_hint="--older-than")
    return Duration(int(found[1]) * _UNIT_S[found[2]])


def _word(state: ExecutionState) -> str:
    return state.name.removeprefix("EXECUTION_").lower()
