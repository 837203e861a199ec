"""What operators do to a store: copy it, check it, prune it; of every kind, and beside a Core that runs."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import apsw
import pytest

from cerebelum_codegen.runtime import Duration, Timestamp
from cerebelum_core import upkeep
from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import CopyRefused, StoreInUse, StoreUnusable, StoreUrlError
from cerebelum_core.store import BlueprintRecord, EventStore, Head, HeadPage, HeadQuery, WorkerRecord, open_store
from cerebelum_core.store.archive import read_archive
from cerebelum_proto.worker.worker_service_pb import Blueprint, ExecutionState, Step, WorkflowDefinition
from tests.core.store.appends import START, append
from tests.core.store.appends import head as running_head
from tests.postgresql import PostgresServer, run

NewUrl = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Makes URLs of empty stores of a kind."""
    numbers = count()
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.new_database


def opened(url: str) -> EventStore:
    return open_store(url, node_id="node", clock=SystemClock())


def ended_head(ended_s: int) -> Head:
    done = running_head(status=ExecutionState.EXECUTION_COMPLETED, ready=False)
    return replace(done, ended_at=Timestamp(START.seconds + ended_s))


async def fill(url: str, *, running: int = 30, ended: int = 250) -> None:
    """Executions that run, sleep and have ended, blueprints of which the newest is the older one, and a worker."""
    store = opened(url)
    for name in "ba":
        data = Blueprint(workflow_module="order", version=name).to_bytes()
        record = BlueprintRecord(hash={"a": "hash", "b": "other"}[name], workflow="order", data=data, stored_at=START)
        await store.put_blueprint(record)
    await store.put_worker(WorkerRecord(worker_id="w", registration=b"\0\xff", seen_at=START))
    await asyncio.gather(*(store.append(append(f"é{n:04}", 0, 3)) for n in range(running)))
    await asyncio.gather(*(store.append(append(f"é{n:04}", 3, 2, running_head(wake_s=n))) for n in range(running)))
    await asyncio.gather(*(store.append(append(f"ended{n:04}", 0, 2, ended_head(n))) for n in range(ended)))
    await store.close()


# -- copy ------------------------------------------------------------------------------------


async def test_a_store_goes_to_the_other_kind_and_back_whole(postgresql: PostgresServer, tmp_path: Path) -> None:
    first, second, third = f"sqlite:///{tmp_path}/a.db", postgresql.new_database(), f"sqlite:///{tmp_path}/b.db"
    await fill(first)
    there = await upkeep.copy(first, second)
    back = await upkeep.copy(second, third)
    assert there == back
    assert (there.executions, there.events) == (280, 650)
    original, copied = opened(first), opened(third)
    assert await copied.read("é0007") == await original.read("é0007")
    assert await copied.head("é0007") == await original.head("é0007")
    assert await copied.newest_blueprint("order") == await original.newest_blueprint("order")
    assert await copied.due(Timestamp(START.seconds + 5), limit=9) == await original.due(
        Timestamp(START.seconds + 5), limit=9
    )
    await copied.append(append("é0007", 5))
    await original.close()
    await copied.close()


async def test_a_copy_that_was_interrupted_goes_on_and_one_into_another_s_store_is_refused(new_url: NewUrl) -> None:
    source, target = new_url(), new_url()
    await fill(source, running=3, ended=3)
    half = opened(target)
    await half.append(append("ended0001", 0, 2, ended_head(1)))
    await half.close()
    assert (await upkeep.copy(source, target)).executions == 6
    assert (await upkeep.copy(source, target)).executions == 6
    more = opened(target)
    await more.append(append("é0001", 5))
    await more.close()
    with pytest.raises(CopyRefused, match="'é0001' that is not the source's"):
        await upkeep.copy(source, target)


async def test_a_target_that_holds_what_the_source_does_not_is_refused_and_left_as_it_is(new_url: NewUrl) -> None:
    source = new_url()
    await fill(source, running=3, ended=0)

    async def execution(store: EventStore) -> None:
        await store.append(append("stranger", 0))

    async def blueprint(store: EventStore) -> None:
        await store.put_blueprint(BlueprintRecord(hash="strange", workflow="stranger", data=b"", stored_at=START))

    async def worker(store: EventStore) -> None:
        await store.put_worker(WorkerRecord(worker_id="stranger", registration=b"", seen_at=START))

    for put, what in ((execution, "execution"), (blueprint, "workflow"), (worker, "worker")):
        target = new_url()
        store = opened(target)
        await put(store)
        before = await held(store)
        await store.close()
        with pytest.raises(CopyRefused, match=f"{what} 'stranger' that is not the source's"):
            await upkeep.copy(source, target)
        store = opened(target)
        assert await held(store) == before
        await store.close()


async def held(store: EventStore) -> tuple[object, ...]:
    return (await store.list_heads(HeadQuery()), await store.blueprints(), await store.workers())


async def test_a_store_that_a_core_has_or_that_is_not_there_is_not_copied(new_url: NewUrl, tmp_path: Path) -> None:
    source = new_url()
    running = opened(source)
    with pytest.raises(StoreInUse):
        await upkeep.copy(source, new_url())
    await running.close()
    with pytest.raises(StoreUnusable, match="there is no store"):
        await upkeep.copy(f"sqlite:///{tmp_path}/nothing.db", new_url())
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(StoreUrlError):
        await upkeep.copy("memory://", new_url())


@pytest.mark.parametrize("url", ["sqlite:///\udcff.db", "postgresql://host/\udcff"])
def test_a_url_that_is_not_text_is_refused(url: str) -> None:
    with pytest.raises(StoreUrlError, match="is not written in UTF-8"):
        upkeep.check(url)


async def test_nothing_is_copied_into_memory(new_url: NewUrl) -> None:
    url = new_url()
    await fill(url, running=1, ended=0)
    with pytest.raises(StoreUrlError, match="name a store that is kept"):
        await upkeep.copy(url, "memory://")
    with pytest.raises(StoreUrlError, match="a store in memory ends with this command"):
        await upkeep.migrate("memory://")


async def test_a_store_that_is_written_in_two_ways_is_not_copied_into_itself(new_url: NewUrl, tmp_path: Path) -> None:
    url = new_url()
    await fill(url, running=1, ended=0)
    other = f"{url}&connect_timeout=9" if url.startswith("postgresql") else f"sqlite:///{tmp_path}/other.db"
    (tmp_path / "other.db").symlink_to(tmp_path / "0.db")
    for same in (url, other):
        with pytest.raises(CopyRefused, match="both are the same store"):
            await upkeep.copy(url, same)
    await opened(url).close()


async def test_what_postgresql_cannot_keep_is_named_before_anything_is_copied_and_left_out_on_request(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    source, target = f"sqlite:///{tmp_path}/old.db", postgresql.new_database()
    await fill(source, running=3, ended=3)
    store = opened(source)
    await asyncio.gather(*(store.append(append(each, 0, 2)) for each in ("a\0b", "x" * 3_000)))
    await store.append(append("fine", 0, 1, running_head(workflow="order\0")))
    await store.put_blueprint(BlueprintRecord(hash="odd", workflow="order\0", data=b"", stored_at=START))
    await store.put_worker(WorkerRecord(worker_id="w\0", registration=b"", seen_at=START))
    await store.close()

    with pytest.raises(CopyRefused, match=r"execution 'a\\x00b' of the workflow 'order'.*`--leave-out` copies"):
        await upkeep.copy(source, target)
    empty = opened(target)
    assert await held(empty) == (HeadPage(heads=[], total=0), [], [])
    await empty.close()

    copied = await upkeep.copy(source, target, leave_out=True)
    assert (copied.executions, copied.events) == (6, 3 * 5 + 3 * 2)
    assert sorted(copied.left_out) == [
        r"execution 'a\x00b' of the workflow 'order'",
        r"execution 'fine' of the workflow 'order\x00'",
        f"execution '{'x' * 40}...' of the workflow 'order'",
        r"worker 'w\x00'",
        r"workflow 'order\x00'",
    ]
    assert upkeep.check(source).executions[ExecutionState.EXECUTION_RUNNING] == 6
    assert await upkeep.copy(source, target, leave_out=True) == copied


async def test_a_workflow_with_a_step_that_postgresql_cannot_keep_stays_with_all_that_runs_by_it(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    source, target = f"sqlite:///{tmp_path}/old.db", postgresql.new_database()
    store = opened(source)
    odd = Blueprint(workflow_module="odd", definition=WorkflowDefinition(timeline=[Step(name="a"), Step(name="b\0")]))
    for data, digest, workflow in ((odd.to_bytes(), "odd", "odd"), (b"", "hash", "order")):
        await store.put_blueprint(BlueprintRecord(hash=digest, workflow=workflow, data=data, stored_at=START))
    await store.append(append("x", 0, 2, replace(running_head(workflow="odd"), blueprint_hash="odd", step_name="a")))
    await store.append(append("y", 0, 3))
    await store.close()
    with pytest.raises(
        CopyRefused, match=r"execution 'x' of the workflow 'odd', workflow 'odd' with the step 'b\\x00'"
    ):
        await upkeep.copy(source, target)
    copied = await upkeep.copy(source, target, leave_out=True)
    assert (copied.executions, copied.events, len(copied.left_out)) == (1, 3, 2)
    assert [fault for fault in upkeep.check(target).faults if "fsync" not in fault] == []


async def test_a_file_takes_a_copy_of_whatever_another_one_holds(tmp_path: Path) -> None:
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in "ab")
    store = opened(source)
    await store.append(append("a\0b", 0, 2))
    await store.close()
    copied = await upkeep.copy(source, target)
    assert (copied.executions, copied.events, copied.left_out) == (1, 2, [])


# -- check -----------------------------------------------------------------------------------


async def test_a_whole_store_has_no_faults_also_while_a_core_runs(new_url: NewUrl) -> None:
    url = new_url()
    await fill(url)
    running = opened(url)
    report = await asyncio.to_thread(upkeep.check, url)
    await running.close()
    assert report.executions == {ExecutionState.EXECUTION_RUNNING: 30, ExecutionState.EXECUTION_COMPLETED: 250}
    assert (report.events, report.blueprints, report.owner) == (650, 2, "node")
    assert [fault for fault in report.faults if "fsync" not in fault] == []


REMOVE = "DELETE FROM @executions WHERE execution_id = 'é0001'"
KEY = "(SELECT @key FROM @executions WHERE execution_id = 'é0001')"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (f"DELETE FROM @events WHERE @key = {KEY} AND version = 2", "'é0001' should have 5 events and has 4"),
        (REMOVE, "'é0001' has events and no head"),
        (
            f"UPDATE @events SET data = substring(data, 1, 3) WHERE @key = {KEY}; {REMOVE}",
            ", whose events cannot be read,",
        ),
        ("UPDATE @executions SET version = 9 WHERE execution_id = 'é0001'", "should have 9 events and has 5"),
        ("DELETE FROM @blueprints WHERE hash = 'hash'", "blueprint 'hash' is not there, and 3 executions are pinned"),
    ],
)
async def test_what_is_missing_is_named(new_url: NewUrl, damage: str, said: str) -> None:
    url = new_url()
    await fill(url, running=3, ended=0)
    harm(url, damage)
    faults = (await asyncio.to_thread(upkeep.check, url)).faults
    assert [said in fault for fault in faults if "fsync" not in fault] == [True]


def harm(url: str, statement: str) -> None:
    if url.startswith("postgresql"):
        run(url, statement.replace("@key", "execution_id").replace("@", "cerebelum."))
        return
    database = apsw.Connection(url.removeprefix("sqlite:///"))
    database.execute(statement.replace("@key", "number").replace("@", ""))
    database.close()


# -- prune -----------------------------------------------------------------------------------


async def test_what_ended_long_ago_is_archived_and_removed_and_a_core_that_runs_goes_on(
    new_url: NewUrl, tmp_path: Path
) -> None:
    url, archive = new_url(), tmp_path / "archive"
    await fill(url)
    running = opened(url)
    await running.append(append("just ended", 0, 2, ended_head(SystemClock().now().seconds - START.seconds)))

    def prune() -> int:
        return sum(upkeep.prune(url, Duration(86_400), archive))

    pruning = asyncio.create_task(asyncio.to_thread(prune))
    written = 0
    while not pruning.done():
        await running.append(append("é0001", 5 + written))
        written += 1
    assert await pruning == 250
    assert len(await running.read("é0001")) == 5 + written
    assert await running.read("ended0001") == []
    assert await running.head("ended0001") is None
    assert len(await running.read("just ended")) == 2
    await running.close()

    archived = list(read_archive(archive))
    assert [each.execution_id for each in archived] == [f"ended{n:04}" for n in range(250)]
    assert archived[7].events == append("ended0007", 0, 2).events
    assert archived[7].blueprint == Blueprint(workflow_module="order", version="a")
    assert [fault for fault in (await asyncio.to_thread(upkeep.check, url)).faults if "fsync" not in fault] == []


async def test_nothing_ended_longer_ago_than_there_are_timestamps(new_url: NewUrl) -> None:
    url = new_url()
    await fill(url, running=0, ended=3)
    assert sum(upkeep.prune(url, Duration(999_999 * 86_400))) == 0
    assert upkeep.check(url).executions == {ExecutionState.EXECUTION_COMPLETED: 3}


async def test_what_cannot_be_archived_is_not_removed(new_url: NewUrl, tmp_path: Path) -> None:
    url = new_url()
    await fill(url, running=0, ended=3)
    with pytest.raises(StoreUnusable, match="cannot write the archive"):
        sum(upkeep.prune(url, Duration(1), tmp_path))
    assert upkeep.check(url).executions == {ExecutionState.EXECUTION_COMPLETED: 3}


async def test_an_archive_that_a_full_disk_cut_short_stays_whole_and_the_next_run_adds_to_it(
    new_url: NewUrl, tmp_path: Path
) -> None:
    url, archive = new_url(), tmp_path / "archive"
    await fill(url, running=0, ended=3)
    running = opened(url)
    assert await asyncio.to_thread(sum, upkeep.prune(url, Duration(1), archive)) == 3
    for n in range(3, 9):
        await running.append(append(f"ended{n:04}", 0, 2, ended_head(n)))
    before = archive.read_bytes()
    with (
        room_for(len(before) + 100),
        pytest.raises(StoreUnusable, match="cannot write the archive.*still in the store"),
    ):
        sum(upkeep.prune(url, Duration(1), archive))
    assert archive.read_bytes() == before
    assert sum(upkeep.prune(url, Duration(1), archive)) == 6
    await running.close()
    assert [each.execution_id for each in read_archive(archive)] == [f"ended{n:04}" for n in range(9)]


@contextmanager
def room_for(octets: int) -> Iterator[None]:
    """No file of this process becomes longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
