"""What every store promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.errors import StoreUnavailable, VersionConflict
from cerebelum_core.store import BlueprintRecord, Due, EventStore, HeadPage, HeadQuery, Place, WorkerRecord, shard_of
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from cerebelum_proto.worker.worker_service_pb import ExecutionState
from tests.core.store.appends import START, append, head

LATER = Timestamp(START.seconds + 9)
CHANGING = [
    head(),
    replace(head(), step_index=2, step_name="ship"),
    replace(head(), status=ExecutionState.EXECUTION_SLEEPING, ready=False, wake_at=LATER),
    replace(head(), status=ExecutionState.EXECUTION_SLEEPING, ready=False, wake_at=START),
    replace(head(), blueprint_hash="other", total_steps=9),
    replace(head(), blueprint_hash="other", total_steps=9, step_name="ship"),
    replace(head(), blueprint_hash="other", total_steps=9, ended_at=LATER, ready=False),
]
"""The heads of an execution, one after the other: in each something else is another one."""


async def test_events_come_back_in_order_and_in_parts(store: EventStore) -> None:
    first, second = append("x", 0, 3), append("x", 3, 2)
    await store.append(first)
    await store.append(second)
    assert await store.read("x") == [*first.events, *second.events]
    assert [event.version for event in await store.read("x", after_version=2, limit=2)] == [3, 4]
    assert await store.read("nobody") == []


async def test_several_histories_are_read_at_one_go_each_up_to_a_limit(store: EventStore) -> None:
    histories = {
        execution_id: append(execution_id, 0, length) for execution_id, length in (("b", 2), ('a"\\,', 5), ("c", 1))
    }
    for each in histories.values():
        await store.append(each)
    found = await store.histories(["c", 'a"\\,', "nobody"], limit=3)
    assert found == {'a"\\,': histories['a"\\,'].events[:3], "c": histories["c"].events}


async def test_an_append_to_another_version_writes_nothing(store: EventStore) -> None:
    await store.append(append("x", 0, 2))
    for expected in (0, 1, 3):
        with pytest.raises(VersionConflict, match="'x'"):
            await store.append(append("x", expected, row=head(workflow="other")))
    with pytest.raises(VersionConflict):
        await store.append(append("nobody", 4))
    assert len(await store.read("x")) == 2
    stored = await store.head("x")
    assert stored is not None
    assert (stored.version, stored.head) == (2, head())
    assert await store.head("nobody") is None
    assert not await store.read("nobody")


async def test_an_append_of_very_many_events_is_written_whole_beside_others_or_not_at_all(store: EventStore) -> None:
    outcomes = await asyncio.gather(
        *(store.append(each) for each in (append("x", 0), append("y", 0, 1_000), append("z", 7, 1_000))),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), VersionConflict]
    assert [len(await store.read(each)) for each in ("x", "y", "z")] == [1, 1_000, 0]
    assert [event.version for event in await store.read("y", after_version=990)] == list(range(991, 1_001))


async def test_appends_to_one_execution_that_share_a_batch_follow_each_other(store: EventStore) -> None:
    await asyncio.gather(store.append(append("x", 0, 2)), store.append(append("y", 0)), store.append(append("x", 2, 3)))
    assert [event.version for event in await store.read("x")] == [1, 2, 3, 4, 5]


async def test_an_execution_may_move_to_another_blueprint_and_begin_again_after_its_end(store: EventStore) -> None:
    await store.append(append("x", 0, row=replace(head(), ended_at=START)))
    moved = replace(head(), blueprint_hash="other", total_steps=9)
    await store.append(append("x", 1, row=moved))
    stored = await store.head("x")
    assert stored is not None
    assert stored.head == moved


async def test_whoever_knows_the_head_before_has_whatever_changes_in_it_stored(store: EventStore) -> None:
    before = None
    for version, after in enumerate(CHANGING):
        await store.append(replace(append("x", version, row=after), before=before))
        stored = await store.head("x")
        assert stored is not None
        assert (stored.version, stored.head) == (version + 1, after)
        assert await store.ready() == (["x"] if after.ready else [])
        assert [due.wake_at for due in await store.due(LATER, limit=9)] == ([after.wake_at] if after.wake_at else [])
        before = after


async def test_of_many_that_change_at_once_each_gets_what_has_changed_in_its_own_head(store: EventStore) -> None:
    changes = dict(enumerate([*pairwise(CHANGING)] * 4))
    await asyncio.gather(*(store.append(append(f"x{n}", 0, row=before)) for n, (before, _) in changes.items()))
    moves = [replace(append(f"x{n}", 1, 1 + n % 2, row=after), before=before) for n, (before, after) in changes.items()]
    await asyncio.gather(*map(store.append, moves))
    for move in moves:
        stored = await store.head(move.execution_id)
        assert stored is not None
        assert (stored.version, stored.head) == (1 + len(move.events), move.head)
        assert await store.read(move.execution_id, after_version=1) == move.events


async def test_of_many_appends_at_once_one_wins_and_the_others_stand(store: EventStore) -> None:
    contested = [store.append(append("x", 0)) for _ in range(50)]
    others = [store.append(append(f"y{n}", 0, 2)) for n in range(500)]
    outcomes = await asyncio.gather(*contested, *others, return_exceptions=True)
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 49
    assert outcomes.count(None) == 501
    assert len(await store.read("y499")) == 2


async def test_what_is_acknowledged_can_be_read_at_once(store: EventStore) -> None:
    async def write_and_read(number: int) -> int:
        await store.append(append(f"x{number}", 0))
        return len(await store.read(f"x{number}"))

    assert set(await asyncio.gather(*(write_and_read(n) for n in range(200)))) == {1}


async def test_an_event_read_is_nobody_else_s_object(store: EventStore) -> None:
    await store.append(append("x", 0))
    (event,) = await store.read("x")
    event.version = 99
    assert [each.version for each in await store.read("x")] == [1]


async def test_heads_are_listed_newest_first_by_workflow_and_status(store: EventStore) -> None:
    done = ExecutionState.EXECUTION_COMPLETED
    for number, (workflow, status) in enumerate([("a", done), ("b", done), ("a", ExecutionState.EXECUTION_RUNNING)]):
        row = head(workflow=workflow, status=status, started_s=number)
        await store.append(append(f"x{number}", 0, row=row))
    everything = await store.list_heads(HeadQuery())
    assert ([each.execution_id for each in everything.heads], everything.total) == (["x2", "x1", "x0"], 3)
    of_a = await store.list_heads(HeadQuery(workflow="a", limit=1))
    assert ([each.execution_id for each in of_a.heads], of_a.total) == (["x2"], 2)
    finished = await store.list_heads(HeadQuery(status=done, offset=1))
    assert [each.execution_id for each in finished.heads] == ["x0"]


async def test_pages_of_a_list_follow_each_other_though_executions_start_meanwhile(store: EventStore) -> None:
    for number in range(7):
        await store.append(append(f"x{number}", 0, row=head(started_s=number // 2)))
    page = await store.list_heads(HeadQuery(limit=3))
    seen = [each.execution_id for each in page.heads]
    while page.next is not None:
        await store.append(append(f"new{len(seen)}", 0, row=head(started_s=9)))
        page = await store.list_heads(HeadQuery(limit=3, after=page.next))
        seen += [each.execution_id for each in page.heads]
    assert seen == ["x6", "x5", "x4", "x3", "x2", "x1", "x0"]
    assert page.total == 9


async def test_ready_executions_come_in_pages_by_id(store: EventStore) -> None:
    for number in range(5):
        await store.append(append(f"x{number}", 0, row=head(ready=number != 2)))
    assert list(await store.ready(limit=2)) == ["x0", "x1"]
    assert list(await store.ready(after="x1", limit=9)) == ["x3", "x4"]
    await store.append(append("x0", 1, row=head(ready=False)))
    assert list(await store.ready(limit=1)) == ["x1"]


async def test_timers_come_earliest_first_and_never_early(store: EventStore) -> None:
    for number, wake in enumerate([30, 10, None, 20]):
        await store.append(append(f"x{number}", 0, row=head(wake_s=wake)))
    at = [Timestamp(START.seconds + seconds) for seconds in (0, 10, 20, 30)]
    assert list(await store.due(Timestamp(at[1].seconds - 1, 999_999_999), limit=9)) == []
    assert list(await store.due(at[2], limit=9)) == [Due(at[1], "x1"), Due(at[2], "x3")]
    assert list(await store.due(at[3], limit=1)) == [Due(at[1], "x1")]
    await store.append(append("x1", 1, row=head(wake_s=None)))
    assert [due.execution_id for due in await store.due(at[3], limit=9)] == ["x3", "x0"]


async def test_the_blueprint_submitted_last_is_the_newest(store: EventStore) -> None:
    first, second = (BlueprintRecord(hash=each, workflow="order", data=b"\x00" * 3, stored_at=START) for each in "ab")
    assert await store.newest_blueprint("order") is None
    for record in (first, second, first):
        await store.put_blueprint(record)
    assert await store.newest_blueprint("order") == first
    assert await store.blueprint("b") == second
    assert await store.blueprint("c") is None


async def test_a_blueprint_that_is_described_otherwise_is_kept_as_it_was_submitted_last(store: EventStore) -> None:
    first = BlueprintRecord(hash="a", workflow="order", data=b"once", stored_at=START)
    again = replace(first, data=b"anew", stored_at=Timestamp(START.seconds + 1))
    await store.put_blueprint(first)
    await store.put_blueprint(again)
    assert await store.blueprint("a") == again


async def test_a_worker_s_last_registration_is_kept(store: EventStore) -> None:
    for data in (b"one", b"two"):
        await store.put_worker(WorkerRecord(worker_id="w", registration=data, seen_at=START))
    await store.put_worker(WorkerRecord(worker_id="v", registration=b"", seen_at=START))
    await store.remove_worker("v")
    assert await store.workers() == [WorkerRecord(worker_id="w", registration=b"two", seen_at=START)]


async def test_a_newer_snapshot_takes_the_place_of_an_older_one_and_never_the_other_way(store: EventStore) -> None:
    assert await store.snapshot("x") is None
    for version in (300, 600, 500):
        await store.put_snapshot(Snapshot(execution_id="x", version=version, shape="s"))
    assert await store.snapshot("x") == Snapshot(execution_id="x", version=600, shape="s")
    assert await store.snapshot("y") is None


async def test_an_id_or_a_name_that_not_every_store_can_keep_is_not_found(store: EventStore) -> None:
    name, kept = "a\0b", {each: append(each, 0) for each in ("a", "a\1")}
    for each in kept.values():
        await store.append(each)
    assert await store.read(name) == []
    assert await store.histories(["a", name], limit=9) == {"a": kept["a"].events}
    assert await store.head(name) is None
    assert await store.snapshot(name) is None
    assert await store.blueprint(name) is None
    assert await store.newest_blueprint(name) is None
    assert await store.list_heads(HeadQuery(workflow=name)) == HeadPage(heads=[], total=0)
    page = await store.list_heads(HeadQuery(after=Place(head().started_at, name)))
    assert ([each.execution_id for each in page.heads], page.total) == (["a"], 2)
    assert list(await store.ready(after=name)) == ["a\1"]


async def test_a_closed_store_takes_nothing(store: EventStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.append(append("x", 0))


def test_a_shard_is_for_ever() -> None:
    assert [shard_of(each) for each in ("", "x", "0193a1b2-execution")] == [0, 1667, 2687]
