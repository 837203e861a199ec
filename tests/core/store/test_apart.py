"""The writer in a process of its own: what becomes of a batch when it, or the Core, is gone."""

from __future__ import annotations

import asyncio
import marshal
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import rows
from cerebelum_core.store.apart import ProcessCommitter
from cerebelum_core.store.framing import framed
from cerebelum_core.store.sqlite import SqliteStore, open_sqlite
from cerebelum_core.store.writer import HereIfAlone
from tests.core.store.appends import append, head

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a process that inherits a socket")

_CORE = """
import asyncio, sys
from pathlib import Path
from cerebelum_core.clock import SystemClock
from cerebelum_core.store.sqlite import open_sqlite

async def main() -> None:
    store = open_sqlite(Path(sys.argv[1]), "node", SystemClock(), apart=True)
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def opened(path: Path) -> tuple[SqliteStore, ProcessCommitter[rows.Write]]:
    store = open_sqlite(path, "node", SystemClock(), apart=True)
    alone = store._writer._committer
    assert isinstance(alone, HereIfAlone)
    assert isinstance(alone._behind, ProcessCommitter)
    return store, alone._behind


def kill(committer: ProcessCommitter[rows.Write], signals: signal.Signals = signal.SIGKILL) -> None:
    assert committer.process_id is not None
    os.kill(committer.process_id, signals)


def _note(told: list[tuple[str, object]], name: str, outcome: object) -> None:
    told.append((name, outcome))


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it has not come to that")


async def test_a_writer_that_is_killed_while_it_writes_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    acknowledged: list[str] = []

    async def write(execution_id: str) -> None:
        for _ in range(1_000):
            try:
                await store.append(append(execution_id, 0, 2))
            except StoreUnavailable:
                if await store.head(execution_id) is not None:
                    return  # it was written, only nobody said so
                await asyncio.sleep(0.005)  # one that was killed before it had answered is not started again at once
                continue
            acknowledged.append(execution_id)
            return

    async def kill_once(share: int) -> None:
        await until(lambda: len(acknowledged) >= share and committer.process_id is not None)
        kill(committer)
        dead = committer.process_id
        await until(lambda: committer.process_id != dead)

    async def kill_often() -> None:
        for share in range(150, 900, 150):
            await kill_once(share)

    ids = [f"x{number:04}" for number in range(1_000)]
    killing = asyncio.create_task(kill_often())
    for first in range(0, len(ids), 25):
        await asyncio.gather(*map(write, ids[first : first + 25]))
    await killing
    assert len(acknowledged) > 900
    for each in ids:
        assert len(await store.read(each)) == 2
    await store.close()


async def test_a_writer_that_died_while_nothing_was_written_is_started_again_for_the_next_write(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    kill(committer)
    await until(lambda: committer.process_id is None)
    await store.append(append("x", 1))
    assert len(await store.read("x")) == 2
    await store.close()


async def test_a_batch_that_begins_as_the_writer_is_lost_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    await asyncio.gather(*(store.append(append(f"x{number}", 0)) for number in range(3)))
    writing = store.append(append("y", 0))
    committer._lose("as if it had ended in this very turn of the loop")
    await asyncio.wait_for(writing, 20)
    assert len(await store.read("y")) == 1
    await store.close()


async def test_a_writer_that_is_lost_with_several_batches_under_way_fails_each_of_them_once(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    kill(committer, signal.SIGSTOP)
    told: list[tuple[str, object]] = []
    for number in range(5):
        store.post(append(f"y{number}", 0), partial(_note, told, f"y{number}"))
        await asyncio.sleep(0)
    kill(committer)
    await until(lambda: len(told) == 5)
    assert [name for name, _ in told] == [f"y{number}" for number in range(5)]
    assert all(isinstance(outcome, StoreUnavailable) for _, outcome in told)
    await store.append(append("x", 1))
    assert len(await store.read("x")) == 2
    assert len(told) == 5
    await store.close()


async def test_what_a_writer_has_told_counts_even_if_it_is_found_gone_before_that_is_heard(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    told: list[tuple[str, object]] = []
    store.post(append("told", 0), partial(_note, told, "told"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.post(append("lost", 0), partial(_note, told, "lost"))
    # The loop stands still until the first is written and answered, and its writer gone.
    assert committer._socket is not None
    answered, _, _ = select.select([committer._socket], [], [], 20)
    assert answered
    assert committer.process_id is not None
    kill(committer)
    os.waitid(os.P_PID, committer.process_id, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  # it is to stand still
    await until(lambda: len(told) == 2)
    assert told[0] == ("told", None)
    assert told[1][0] == "lost"
    assert isinstance(told[1][1], StoreUnavailable)
    await store.close()


async def test_where_no_thread_can_wait_for_the_end_of_a_lost_writer_all_are_told_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    kill(committer, signal.SIGSTOP)
    told: list[tuple[str, object]] = []
    for name in "abc":
        store.post(append(name, 0), partial(_note, told, name))
        await asyncio.sleep(0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails)
        committer._lose("as if it could not be sent to")
        store.post(append("d", 0), partial(_note, told, "d"))
        await until(lambda: len(told) >= 3)
    await until(lambda: len(told) == 4)
    assert [name for name, _ in told] == ["a", "b", "c", "d"]
    assert told[3] == ("d", None)
    await asyncio.wait_for(store.close(), 20)


async def test_a_writer_of_another_version_than_its_core_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    monkeypatch.setattr(committer, "_hello", committer._hello.replace(version("cerebelum").encode(), b"9.9.9"))
    kill(committer)
    await until(lambda: committer.process_id is None)
    with pytest.raises(StoreUnavailable, match="is gone"):
        await store.append(append("x", 1))
    assert "its Core of 9.9.9: start the Core again" in capfd.readouterr().err
    await store.close()


def test_snapshots_and_blueprints_count_as_what_they_weigh() -> None:
    assert rows.weight([("A", ("id", 1, b"12345")), ("B", (b"678", None))]) == 8
    for count in (1, 2, 3):
        events = sum(len(event.to_bytes()) for event in append("x", 0, count).events)
        assert rows.weight(rows.cells_of(append("x", 0, count))) == events


async def test_a_writer_writes_together_what_has_come_while_it_wrote(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    kill(committer, signal.SIGSTOP)
    told: list[tuple[str, object]] = []
    for number in range(100):
        store.post(append(f"y{number:02}", 0), partial(_note, told, f"y{number:02}"))
        await asyncio.sleep(0)  # each is on its way by itself
    turns = 0
    kill(committer, signal.SIGCONT)
    while len(told) < 100:
        before = len(told)
        await asyncio.sleep(0.001)
        turns += len(told) > before
    assert told == [(f"y{number:02}", None) for number in range(100)]
    assert turns < 5
    await store.close()


async def test_a_writer_does_not_mind_the_signals_that_stop_a_core_not_even_while_it_starts(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    before = committer.process_id
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        kill(committer, each)
    await store.append(append("x", 0))
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        kill(committer, each)
    await store.append(append("x", 1))
    assert committer.process_id == before
    await store.close()


async def test_a_writer_that_ends_as_soon_as_it_is_started_is_not_started_without_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    hello = committer._hello
    known, _, epoch = marshal.loads(hello[8:])
    moved = framed(marshal.dumps([known, str(tmp_path / "moved" / "core.db"), epoch]))
    monkeypatch.setattr(committer, "_hello", moved)
    kill(committer)
    await until(lambda: committer.process_id is None)
    with pytest.raises(StoreUnavailable, match="is gone"):
        await store.append(append("x", 1))
    with pytest.raises(StoreUnavailable, match="ended as soon as it was started"):
        await store.append(append("x", 1))
    monkeypatch.setattr(committer, "_hello", hello)
    monkeypatch.setattr(committer, "_not_before", 0.0)
    await store.append(append("x", 1))
    assert len(await store.read("x")) == 2
    assert capfd.readouterr().err == "the store's writer ends: unable to open database file\n"
    await store.close()


async def test_a_batch_that_cannot_be_sent_is_told_so_and_holds_up_no_other(tmp_path: Path) -> None:
    class Odd(str):
        """Nothing that marshal knows."""

    store, _ = opened(tmp_path / "core.db")
    before = store.append(append("a", 0))
    await asyncio.sleep(0)
    odd = store.append(append("odd", 0, row=replace(head(), step_name=Odd("step"))))
    await before
    with pytest.raises(StoreUnavailable, match="cannot be reached: unmarshallable"):
        await odd
    await store.append(append("a", 1))
    assert len(await store.read("a")) == 2
    assert await store.read("odd") == []
    await store.close()


async def test_while_no_writer_can_be_started_nothing_is_written_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, committer = opened(tmp_path / "core.db")
    await store.append(append("x", 0))
    command = committer._command
    monkeypatch.setattr(committer, "_command", (str(tmp_path / "no-python"), *command[1:]))
    kill(committer)
    await until(lambda: committer.process_id is None)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot be reached: .*no-python"):
            await store.append(append("x", 1))
    monkeypatch.setattr(committer, "_command", command)
    await store.append(append("x", 1))
    assert len(await store.read("x")) == 2
    await store.close()


async def test_a_batch_that_is_larger_than_a_socket_holds_comes_through_whole(tmp_path: Path) -> None:
    store, _ = opened(tmp_path / "core.db")
    large = append("x", 0)
    large.events[0]._unknown = b"\xfa\x3f" + b"\x80\x80\x80\x08" + b"x" * (16 << 20)  # a field that nobody knows
    await asyncio.gather(store.append(large), *(store.append(append(f"y{n}", 0)) for n in range(500)))
    [event] = await store.read("x")
    assert event.to_bytes() == large.events[0].to_bytes()
    assert len(await store.histories([f"y{n}" for n in range(500)], limit=1)) == 500
    await store.close()


async def test_what_is_queued_when_a_store_closes_is_written(tmp_path: Path) -> None:
    store, committer = opened(tmp_path / "core.db")
    writing = [store.append(append(f"x{number}", 0)) for number in range(2_500)]
    await store.close()
    assert await asyncio.gather(*writing) == [None] * 2_500
    assert committer.process_id is None
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.append(append("y", 0))


def test_a_writer_ends_with_its_core_however_that_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _CORE, str(tmp_path / "core.db")], stdout=subprocess.PIPE) as core:
        assert core.stdout is not None
        assert core.stdout.readline() == b"open\n"
        core.kill()
        # The pipe is the writer's, too: it is at its end when both are gone.
        assert core.stdout.read() == b""


async def test_of_many_writes_that_come_alone_the_loop_commits_the_later_and_the_two_writers_agree(
    tmp_path: Path,
) -> None:
    store, committer = opened(tmp_path / "core.db")
    alone = store._writer._committer
    assert isinstance(alone, HereIfAlone)
    version = 0
    for _ in range(3):
        for _ in range(80):
            alone._takes_s = 0.0  # however slow this disk is
            await store.append(append("x", version))
            version += 1
        assert alone._in_a_row == alone._after
        together = [store.append(append(name, version if name == "x" else 0)) for name in ("x", f"y{version}")]
        await asyncio.gather(*together)
        version += 1
        assert alone._in_a_row == 0
    kill(committer)
    assert len(await store.read("x")) == version
    await store.close()
