"""One Core a database: who is refused, who takes over, and what the next one finds."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cerebelum_core.errors import OwnershipLost, StoreInUse
from tests.core.store.appends import WRITER, append
from tests.core.store.databases import apart_or_not, opened
from tests.postgresql import PostgresServer, run


async def test_a_second_core_is_refused_while_the_first_renews_its_lease(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()
    first = opened(url, "first")
    with pytest.raises(StoreInUse, match=r"node first, process \d+ on .*, which is this one: let all"):
        opened(url, "second")
    run(url, "UPDATE cerebelum.ownership SET process_id = 1")
    with pytest.raises(StoreInUse, match=r"node first, process 1 on .*: stop that one.*its lease ends in \d+ s"):
        opened(url, "second")
    await first.close()
    third = opened(url, "third")
    assert not third.ended_node, "it gave the database back, and its process lives"
    await third.close()


@apart_or_not
async def test_a_second_core_takes_over_when_the_lease_has_ended_and_the_first_writes_nothing_more(
    postgresql: PostgresServer,
    apart: bool,
) -> None:
    url = postgresql.new_database()
    first = opened(url, "first", apart=apart)
    await first.append(append("x", 0))
    second = opened(url, "second", ahead_s=3600, apart=apart)
    assert not second.ended_node, "its lease has ended, and it may still live"
    with pytest.raises(OwnershipLost, match="a newer Core"):
        await first.append(append("x", 1))
    await asyncio.wait_for(first.superseded(), 5)
    with pytest.raises(OwnershipLost):
        await first.remove_worker("w")
    await second.append(append("x", 1))
    await first.close()
    await second.append(append("x", 2))
    assert len(await second.read("x")) == 3
    await second.close()


@apart_or_not
async def test_what_was_acknowledged_before_kill_9_is_there_and_the_next_core_need_not_wait(
    postgresql: PostgresServer,
    apart: bool,
) -> None:
    url = postgresql.new_database()
    with subprocess.Popen([sys.executable, "-c", WRITER, url, str(apart)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        acknowledged = [int(child.stdout.readline()) for _ in range(500)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().splitlines()]
    store = opened(url, apart=apart)
    assert store.ended_node == "victim"
    for number in acknowledged:
        assert len(await store.read(f"x{number:06}")) == 2
    await store.close()


def test_of_two_cores_that_start_at_once_on_an_empty_database_one_gets_it(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()

    def start(node_id: str) -> str:
        async def start_and_stop() -> str:
            store = opened(url, node_id)
            started.set()
            await asyncio.to_thread(both.wait)
            await store.close()
            return node_id

        try:
            return asyncio.run(start_and_stop())
        except StoreInUse:
            both.set()
            return ""

    started, both = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(threads.map(start, ["a", "b"]))
    assert outcomes[0] == ""
    assert outcomes[1] in ("a", "b")
