"""Leases under virtual time."""

from __future__ import annotations

import asyncio

from cerebelum_core.leases import Lease, Leases
from tests.simulation.virtual_time import VirtualTimeLoop, in_virtual_time


class Ended:
    """Leases that note which of them ended, and when."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, float]] = []
        self.reasons: list[str] = []
        self.leases = Leases(self._note)

    def _note(self, lease: Lease) -> None:
        self.ended.append((lease.task_id, asyncio.get_running_loop().time()))
        self.reasons.append("overran" if lease.overran else "silent" if lease.silent else "")

    def grant(self, task_id: str, length_s: float = 30, worker_id: str = "w") -> Lease:
        return self.leases.grant(task_id, "x", worker_id, length_s)


@in_virtual_time
async def test_a_lease_ends_after_its_length_and_not_before() -> None:
    it = Ended()
    it.grant("a", 30)
    await asyncio.sleep(29.9)
    assert it.ended == []
    await asyncio.sleep(0.2)
    assert it.ended == [("a", 30.0)]
    assert len(it.leases) == 0


@in_virtual_time
async def test_each_sign_of_life_moves_the_end() -> None:
    it = Ended()
    it.grant("a", 30)
    for _ in range(5):
        await asyncio.sleep(20)
        it.leases.renew(it.leases.of("w"))
    await asyncio.sleep(31)
    assert it.ended == [("a", 130.0)]


@in_virtual_time
async def test_what_is_lost_and_yet_to_be_recorded_so_no_sign_of_life_brings_back() -> None:
    it = Ended()
    lease = it.grant("a", 30)
    it.leases.end(lease)
    kept = it.leases.end_again(lease, 1)
    assert it.leases.of("w") == []
    it.leases.renew([kept])
    it.leases.beat("w", ["a"])
    await asyncio.sleep(1.1)
    assert it.ended == [("a", 1.0)]


@in_virtual_time
async def test_leases_of_different_lengths_end_each_in_its_own_time() -> None:
    it = Ended()
    for task_id, length_s, worker_id in (("a", 30, "w"), ("b", 5, "w"), ("c", 12, "v")):
        it.grant(task_id, length_s, worker_id)
    await asyncio.sleep(60)
    assert it.ended == [("b", 5.0), ("c", 12.0), ("a", 30.0)]


@in_virtual_time
async def test_renewals_reach_no_further_than_the_step_may_run() -> None:
    it = Ended()
    lease = it.leases.grant("a", "x", "w", 30, longest_s=45)
    for _ in range(8):
        it.leases.renew([lease])
        await asyncio.sleep(10)
    assert it.ended == [("a", 45.0)]
    assert lease.overran


@in_virtual_time
async def test_a_step_that_gives_no_sign_of_life_ends_its_lease_however_often_its_worker_does() -> None:
    it = Ended()
    it.leases.grant("a", "x", "w", 30, silence_s=45)
    for _ in range(8):
        it.leases.renew(it.leases.of("w"))
        await asyncio.sleep(10)
    assert it.ended == [("a", 45.0)]
    assert it.reasons == ["silent"]


@in_virtual_time
async def test_each_sign_of_life_of_a_step_moves_the_end_of_its_silence() -> None:
    it = Ended()
    for task_id in ("a", "b", "c"):
        it.leases.grant(task_id, "x", "w", 30, silence_s=12)
    for _ in range(3):
        await asyncio.sleep(10)
        it.leases.beat("w", ["a", "b", "nothing"])
        it.leases.beat("v", ["a", "c"])
    await asyncio.sleep(60)
    assert it.ended == [("c", 12.0), ("a", 42.0), ("b", 42.0)]


@in_virtual_time
async def test_a_sign_of_life_of_a_step_is_one_of_its_worker_for_it_too() -> None:
    it = Ended()
    it.leases.grant("a", "x", "w", 10, silence_s=100)
    await asyncio.sleep(8)
    it.leases.beat("w", ["a"])
    await asyncio.sleep(60)
    assert it.ended == [("a", 18.0)]


@in_virtual_time
async def test_at_its_end_a_lease_says_why_it_ends() -> None:
    it = Ended()
    it.leases.grant("too long", "x", "w", 30, longest_s=20)
    it.leases.grant("too silent", "x", "w", 30, silence_s=25)
    it.leases.grant("no word", "x", "w", 30, longest_s=40, silence_s=50)
    await asyncio.sleep(60)
    assert it.reasons == ["overran", "silent", ""]


@in_virtual_time
async def test_what_is_ended_leaves_nothing_behind() -> None:
    it = Ended()
    a, b = it.grant("a"), it.grant("b")
    it.leases.end(a)
    assert [lease.task_id for lease in it.leases.of("w")] == ["b"]
    it.leases.end(b)
    assert not it.leases._by_worker


@in_virtual_time
async def test_of_leases_that_end_together_one_may_still_be_taken_back_by_what_the_other_leads_to() -> None:
    ended: list[str] = []

    def give_up(lease: Lease) -> None:
        ended.append(lease.task_id)
        leases.end(b)

    leases = Leases(give_up)
    leases.grant("a", "x", "w", 30)
    b = leases.grant("b", "x", "w", 30)
    await asyncio.sleep(40)
    assert ended == ["a"]


@in_virtual_time
async def test_whoever_still_has_a_lease_that_ended_has_no_say_when_it_is_to_end_once_more() -> None:
    it = Ended()
    late = it.grant("a", 30)
    await asyncio.sleep(31)
    it.leases.end_again(late, 5)
    assert not it.leases.end(late)
    await asyncio.sleep(6)
    assert it.ended == [("a", 30.0), ("a", 36.0)]


@in_virtual_time
async def test_a_lease_that_was_ended_does_not_end_again() -> None:
    it = Ended()
    lease = it.grant("a")
    assert it.leases.end(lease)
    assert not it.leases.end(lease)
    await asyncio.sleep(100)
    assert it.ended == []


@in_virtual_time
async def test_an_old_lease_does_not_end_the_one_that_came_after_it() -> None:
    it = Ended()
    old = it.grant("a", worker_id="w")
    it.leases.end(old)
    new = it.grant("a", worker_id="v")
    assert not it.leases.end(old)
    assert it.leases.of("v") == [new]
    assert it.leases.end(new)


@in_virtual_time
async def test_what_a_worker_holds_is_its_own() -> None:
    it = Ended()
    it.grant("a", worker_id="w")
    it.grant("b", worker_id="v")
    assert [lease.task_id for lease in it.leases.of("w")] == ["a"]
    assert it.leases.of("nobody") == []


@in_virtual_time
async def test_after_the_close_no_lease_ends() -> None:
    it = Ended()
    it.grant("a")
    it.leases.close()
    await asyncio.sleep(100)
    assert it.ended == []


async def stand_still(seconds: float) -> None:
    """Time passes, and nothing in this process happens."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.pass_time(seconds)


@in_virtual_time
async def test_a_core_that_stood_still_hears_its_workers_before_it_takes_them_for_lost() -> None:
    it = Ended()
    it.grant("a")
    await asyncio.sleep(10)
    await stand_still(60)
    asyncio.get_running_loop().call_later(0.5, lambda: it.leases.renew(it.leases.of("w")))
    await asyncio.sleep(29)
    assert it.ended == [], "its sign of life was waiting in the socket"
    await asyncio.sleep(10)
    assert it.ended == [("a", 100.5)]


@in_virtual_time
async def test_who_says_nothing_then_is_lost_a_moment_later_however_much_else_goes_on() -> None:
    it = Ended()
    it.grant("a")
    await stand_still(60)
    for number in range(20):
        await asyncio.sleep(0.1)
        it.grant(f"other {number}", worker_id=f"w{number}")
    assert it.ended == [("a", 61.0)]
