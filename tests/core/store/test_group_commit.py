"""Group commit: what goes to the committer together, and who is told what."""

from __future__ import annotations

import asyncio

import pytest

from cerebelum_core.errors import StoreUnavailable, VersionConflict
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import MAX_BATCH, MAX_BATCH_BYTES, GroupCommit
from tests.core.store.committing import ByHand, Notes, turn


async def test_what_comes_in_one_turn_of_the_loop_goes_together() -> None:
    committer = ByHand()
    notes = Notes(GroupCommit[str](committer))
    notes.post("a", "b")
    assert committer.batches == []
    await turn()
    assert committer.batches == [["a", "b"]]
    committer.tell([None, None])
    assert notes.told == [("a", None), ("b", None)]


async def test_what_comes_while_the_committer_is_busy_goes_together_once_it_is_free() -> None:
    committer = ByHand()
    notes = Notes(GroupCommit[str](committer))
    notes.post("a")
    await turn()
    for late in "bcd":
        notes.post(late)
        await turn()
    assert committer.batches == [["a"]]
    committer.tell([None])
    assert committer.batches == [["a"], ["b", "c", "d"]]


async def test_the_next_batch_is_begun_before_anybody_is_told_of_the_one_before() -> None:
    committer = ByHand()
    writer = GroupCommit[str](committer)
    begun: list[int] = []
    writer.post("a", lambda _: begun.append(len(committer.batches)))
    await turn()
    writer.post("b", lambda _: None)
    committer.tell([None])
    assert begun == [2]


async def test_a_committer_that_takes_several_batches_is_given_each_as_it_comes() -> None:
    committer = ByHand(at_once=2)
    notes = Notes(GroupCommit[str](committer))
    for each in "abc":
        notes.post(each)
        await turn()
    assert committer.batches == [["a"], ["b"]]
    conflict = VersionConflict("it has another length")
    committer.tell([conflict])
    assert committer.batches == [["a"], ["b"], ["c"]]
    committer.tell([None])
    committer.tell([None])
    assert notes.told == [("a", conflict), ("b", None), ("c", None)]


async def test_a_batch_may_be_told_of_in_parts() -> None:
    committer = ByHand()
    notes = Notes(GroupCommit[str](committer))
    notes.post("a", "b", "c")
    await turn()
    committer.tell([None, None], over=False)
    assert notes.told == [("a", None), ("b", None)]
    committer.tell([None])
    assert notes.told[2:] == [("c", None)]


async def test_a_batch_ends_where_it_has_as_many_bytes_as_one_may_have() -> None:
    committer = ByHand(at_once=9)
    notes = Notes(GroupCommit[str](committer, weigh=lambda write: MAX_BATCH_BYTES // 2 if write == "large" else 1))
    notes.post("small", "large", "large", "large", "small")
    await turn()
    assert committer.batches == [["small", "large", "large"], ["large", "small"]]


async def test_a_batch_ends_where_it_has_as_many_writes_as_one_may_have() -> None:
    committer = ByHand(at_once=9)
    notes = Notes(GroupCommit[str](committer))
    notes.post(*map(str, range(MAX_BATCH + 1)))
    await turn()
    assert list(map(len, committer.batches)) == [MAX_BATCH, 1]


async def test_those_whose_batch_cannot_be_begun_are_told_so_and_no_others() -> None:
    committer = ByHand(at_once=2)
    notes = Notes(GroupCommit[str](committer))
    notes.post("a")
    await turn()
    committer.refuses_to_begin = True
    notes.post("b")
    await turn()
    await turn()
    [(name, outcome)] = notes.told
    assert name == "b"
    assert isinstance(outcome, StoreUnavailable)
    assert "no process can be started" in str(outcome)
    committer.refuses_to_begin = False
    notes.post("c")
    await turn()
    committer.tell([None])
    committer.tell([None])
    assert notes.told[1:] == [("a", None), ("c", None)]


async def test_one_who_fails_to_take_an_outcome_keeps_it_from_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Outcome) -> None:
        raise RuntimeError("out of order")

    committer = ByHand()
    writer = GroupCommit[str](committer)
    notes = Notes(writer)
    writer.post("a", fails)
    notes.post("b")
    await turn()
    committer.tell([None, None])
    assert notes.told == [("b", None)]
    assert "failed to take that it is written" in caplog.text


async def test_closing_waits_until_everybody_is_told() -> None:
    committer = ByHand()
    writer = GroupCommit[str](committer)
    notes = Notes(writer)
    notes.post("a")
    await turn()
    notes.post("b")
    closing = asyncio.create_task(writer.close())
    await turn()
    committer.tell([None])
    await turn()
    assert not closing.done()
    committer.tell([None])
    await closing
    assert notes.told == [("a", None), ("b", None)]
    notes.post("c")
    await turn()
    assert isinstance(notes.told[2][1], StoreUnavailable)
