"""Committers: what a thread commits at once, and what is committed in the loop's own turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from cerebelum_core.errors import StoreUnavailable, VersionConflict
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import MAX_BATCH_BYTES, GroupCommit, HereIfAlone, ThreadCommitter, one_thread
from tests.core.store.committing import ByHand, Notes, turn
from tests.simulation.virtual_time import VirtualTimeLoop, in_virtual_time, run


class Slow:
    """Commits in a thread, when the test says so."""

    def __init__(self) -> None:
        self.batches: list[Sequence[str]] = []
        self._commits = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._may = threading.Semaphore(0)

    def commit(self, writes: Sequence[str]) -> Sequence[Outcome]:
        self.batches.append(writes)
        self._loop.call_soon_threadsafe(self._commits.set)
        self._may.acquire()
        return [None] * len(writes)

    async def begins(self) -> None:
        await self._commits.wait()
        self._commits.clear()

    def let(self, batches: int) -> None:
        self._may.release(batches)


async def test_a_thread_commits_together_what_has_come_while_it_committed() -> None:
    slow = Slow()
    writer = GroupCommit[str](ThreadCommitter(slow.commit, one_thread("test")))
    notes = Notes(writer)
    notes.post("a")
    await slow.begins()
    for each in "bcd":
        notes.post(each)
        await turn()
    slow.let(9)
    await writer.close()
    assert slow.batches == [["a"], ["b", "c", "d"]]
    assert notes.told == [(each, None) for each in "abcd"]


async def test_a_thread_commits_no_more_at_once_than_it_may() -> None:
    slow = Slow()
    writer = GroupCommit[str](
        ThreadCommitter(slow.commit, one_thread("test"), at_once=3),
        weigh=lambda write: MAX_BATCH_BYTES if write == "large" else 1,
    )
    notes = Notes(writer)
    notes.post("a")
    await slow.begins()
    for each in ("b", "large", "large", "c", "d", "e", "f"):
        notes.post(each)
        await turn()
    slow.let(9)
    await writer.close()
    assert slow.batches == [["a"], ["b"], ["large"], ["large"], ["c", "d", "e"], ["f"]]


async def test_a_thread_that_had_ended_its_work_is_given_what_comes_next() -> None:
    slow = Slow()
    slow.let(99)
    writer = GroupCommit[str](ThreadCommitter(slow.commit, one_thread("test")))
    for _ in range(9):
        await writer.submit("a")
    assert slow.batches == [["a"]] * 9
    await writer.close()


async def test_a_thread_that_is_closed_begins_nothing() -> None:
    committer = ThreadCommitter[str](lambda writes: [None] * len(writes), one_thread("test"))
    notes = Notes(GroupCommit[str](committer))
    await committer.close()
    notes.post("a")
    await turn()
    await turn()
    [(_, outcome)] = notes.told
    assert isinstance(outcome, StoreUnavailable)


class Here:
    """Commits in the loop's own turn. In virtual time, so that it takes as long as the test says."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.has_to_wait = False
        self.is_interrupted = False
        self.takes_s = 0.0

    def commit(self, writes: Sequence[str]) -> Sequence[Outcome]:
        if self.is_interrupted:
            raise KeyboardInterrupt
        if self.has_to_wait:
            return ()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.pass_time(self.takes_s)
        self.batches.append(list(writes))
        return [VersionConflict("refused") if write == "bad" else None for write in writes]


class Alone:
    """Writes that come one by one, and where they are committed."""

    def __init__(self, after: int = 0) -> None:
        self.here, self.behind = Here(), ByHand(at_once=9)
        committer = HereIfAlone(self.here.commit, self.behind, after=after)
        self.notes = Notes(GroupCommit[str](committer, weigh=lambda write: 100_000 if write == "large" else 1))

    async def write(self, write: str, *, behind_takes_s: float = 0.0) -> None:
        """Write, and wait until it is told."""
        begun = len(self.behind.batches)
        self.notes.post(write)
        await turn()
        if len(self.behind.batches) > begun:
            await asyncio.sleep(behind_takes_s)
            self.behind.tell([None])
        await turn()


@in_virtual_time
async def test_a_write_that_comes_alone_is_committed_in_the_loop_s_own_turn() -> None:
    alone = Alone()
    for write in ("first", "second", "bad", "fourth"):
        await alone.write(write, behind_takes_s=0.0005)
    # How long one takes is not known before the first.
    assert alone.behind.batches == [["first"]]
    assert alone.here.batches == [["second"], ["bad"], ["fourth"]]
    assert [(write, outcome is None) for write, outcome in alone.notes.told] == [
        ("first", True),
        ("second", True),
        ("bad", False),
        ("fourth", True),
    ]


@in_virtual_time
async def test_nobody_is_told_of_a_write_in_the_turn_in_which_it_is_committed() -> None:
    alone = Alone()
    await alone.write("first")
    alone.notes.post("second")
    await turn()
    assert alone.here.batches == [["second"]]
    assert alone.notes.told == [("first", None)]
    await turn()
    assert alone.notes.told == [("first", None), ("second", None)]


@in_virtual_time
async def test_what_comes_together_or_behind_others_is_committed_away_from_the_loop() -> None:
    alone = Alone()
    await alone.write("first")
    alone.notes.post("a", "b")
    await turn()
    alone.notes.post("c")
    await turn()
    assert alone.here.batches == []
    assert alone.behind.batches == [["first"], ["a", "b"], ["c"]]
    alone.behind.tell([None], over=False)
    alone.behind.tell([None])
    alone.behind.tell([None])
    assert alone.notes.told == [(write, None) for write in ("first", "a", "b", "c")]
    await alone.write("d")
    assert alone.here.batches == [["d"]]


@in_virtual_time
async def test_where_two_are_not_to_take_turns_so_many_come_alone_in_a_row_first() -> None:
    alone = Alone(after=3)
    for write in ("1", "2", "3", "4"):
        await alone.write(write)
    assert alone.here.batches == [["4"]]
    alone.notes.post("a", "b")
    await turn()
    alone.behind.tell([None, None])
    for write in ("5", "6", "7", "8"):
        await alone.write(write)
    assert alone.here.batches == [["4"], ["8"]]


@in_virtual_time
async def test_a_write_that_would_have_to_wait_for_another_process_is_committed_away_from_the_loop() -> None:
    alone = Alone()
    await alone.write("first")
    alone.here.has_to_wait = True
    await alone.write("second")
    alone.here.has_to_wait = False
    await alone.write("third")
    assert alone.behind.batches == [["first"], ["second"]]
    assert alone.here.batches == [["third"]]


@in_virtual_time
async def test_what_is_large_is_committed_away_from_the_loop() -> None:
    alone = Alone()
    for write in ("first", "large", "third"):
        await alone.write(write)
    assert alone.behind.batches == [["first"], ["large"]]
    assert alone.here.batches == [["third"]]


@in_virtual_time
async def test_while_the_disk_is_slow_the_loop_does_not_wait_for_it() -> None:
    alone = Alone()
    await alone.write("first")
    alone.here.takes_s = 0.1
    await alone.write("slow")
    for _ in range(100):
        await alone.write("x", behind_takes_s=0.1)
    assert alone.here.batches == [["slow"]]
    alone.here.takes_s = 0.0001
    for _ in range(100):
        await alone.write("y", behind_takes_s=0.0001)
    assert alone.here.batches[1:] == [["y"]] * len(alone.here.batches[1:])
    assert 10 < len(alone.here.batches) < 90


@in_virtual_time
async def test_what_cannot_be_begun_is_not_under_way() -> None:
    alone = Alone()
    alone.behind.refuses_to_begin = True
    await alone.write("first")
    await turn()
    alone.behind.refuses_to_begin = False
    await alone.write("second")
    await alone.write("third")
    assert [isinstance(outcome, StoreUnavailable) for _, outcome in alone.notes.told] == [True, False, False]
    assert alone.here.batches == [["third"]]


@in_virtual_time
async def test_how_long_others_were_under_way_says_nothing_of_a_write_alone() -> None:
    alone = Alone()
    alone.notes.post("first")
    await turn()
    alone.notes.post("a", "b")
    await asyncio.sleep(60)
    alone.behind.tell([None, None], over=False)
    alone.behind.tell([None])
    alone.behind._told.clear()
    await alone.write("x")
    await alone.write("y")
    assert alone.here.batches == [["y"]]


def test_what_interrupts_a_commit_goes_its_way_once_everybody_is_told() -> None:
    told: list[tuple[str, Outcome]] = []

    async def interrupted() -> None:
        alone = Alone()
        alone.notes.told = told
        await alone.write("first")
        alone.here.is_interrupted = True
        alone.notes.post("second")
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)
    assert [(write, type(outcome)) for write, outcome in told] == [("first", type(None)), ("second", StoreUnavailable)]
