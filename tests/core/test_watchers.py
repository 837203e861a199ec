"""Following a history."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from cerebelum_core.errors import UnknownExecution
from cerebelum_core.store import Append, MemoryStore
from cerebelum_core.watchers import Watchers
from cerebelum_proto.events.v1.events_pb import Event, ExecutionCompleted
from tests.core.store.appends import START, append, head
from tests.simulation.virtual_time import in_virtual_time


async def follow(watchers: Watchers, seen: list[int], after: int = 0, *, live: bool = True) -> None:
    async with aclosing(watchers.follow("x", after, live=live)) as events:
        async for event in events:
            seen += [event.version]


def ending(version: int) -> Append:
    event = Event(execution_id="x", version=version, recorded_at=START, fact=ExecutionCompleted())
    return Append(execution_id="x", expected_version=version - 1, events=[event], head=head())


@in_virtual_time
async def test_a_follower_gets_what_is_there_and_each_new_event_until_the_end() -> None:
    store, seen = MemoryStore(), list[int]()
    watchers = Watchers(store)
    await store.append(append("x", 0, 2))
    following = asyncio.ensure_future(follow(watchers, seen))
    await asyncio.sleep(1)
    assert seen == [1, 2]
    await store.append(append("x", 2))
    watchers.notify("x")
    await asyncio.sleep(1)
    assert seen == [1, 2, 3]
    await store.append(ending(4))
    watchers.notify("x")
    await following
    assert seen == [1, 2, 3, 4]
    assert not watchers._followers


@in_virtual_time
async def test_events_that_come_while_it_reads_are_not_slept_through() -> None:
    store, seen = MemoryStore(), list[int]()
    watchers = Watchers(store)
    await store.append(append("x", 0))

    async def slow_follow() -> None:
        async with aclosing(watchers.follow("x", 0, live=True)) as events:
            async for event in events:
                seen.append(event.version)
                if event.version == 1:  # while this one is being sent, the next is written
                    await store.append(append("x", 1))
                    watchers.notify("x")

    following = asyncio.ensure_future(slow_follow())
    await asyncio.sleep(1)
    assert seen == [1, 2]
    following.cancel()


@in_virtual_time
async def test_it_may_begin_in_the_middle() -> None:
    store, seen = MemoryStore(), list[int]()
    await store.append(append("x", 0, 5))
    await follow(Watchers(store), seen, 3, live=False)
    assert seen == [4, 5]


@in_virtual_time
async def test_a_history_longer_than_a_page_comes_whole() -> None:
    store, seen = MemoryStore(), list[int]()
    await store.append(append("x", 0, 1_234))
    await follow(Watchers(store), seen, live=False)
    assert seen == list(range(1, 1_235))


@in_virtual_time
async def test_the_end_of_the_core_ends_every_follower() -> None:
    store, seen = MemoryStore(), list[int]()
    watchers = Watchers(store)
    await store.append(append("x", 0))
    followers = [asyncio.ensure_future(follow(watchers, seen)) for _ in range(3)]
    await asyncio.sleep(1)
    watchers.close()
    await asyncio.gather(*followers)
    assert not watchers._followers


@in_virtual_time
async def test_a_follower_that_goes_away_is_forgotten() -> None:
    store = MemoryStore()
    watchers = Watchers(store)
    await store.append(append("x", 0))
    following = asyncio.ensure_future(follow(watchers, []))
    await asyncio.sleep(1)
    following.cancel()
    await asyncio.sleep(1)
    assert not watchers._followers


@in_virtual_time
async def test_there_is_nothing_to_follow_where_there_is_no_execution() -> None:
    with pytest.raises(UnknownExecution, match="no execution 'x'"):
        await follow(Watchers(MemoryStore()), [])
