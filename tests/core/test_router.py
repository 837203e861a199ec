"""Who gets which task: pools, turns, polls that end, and tasks that are lost or not owed any more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cerebelum_core.offers import Pool
from cerebelum_engine import Handout, compile_blueprint, new
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.desk import OTHER, OTHER_POOL, POOL, SHAPE, Desk, stopping, taken, task, turn
from tests.simulation.virtual_time import in_virtual_time


@in_virtual_time
async def test_a_task_goes_to_a_worker_that_waits() -> None:
    desk = Desk().opened()
    poll = desk.poll("w")
    await turn()
    desk.owe("x", task("x/a"))
    assert await taken(poll) == ["x/a"]
    lease = desk.router.lease_of("x/a")
    assert lease is not None
    assert lease.worker_id == "w"


@in_virtual_time
async def test_a_task_waits_for_a_worker_that_can_run_it() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    assert await taken(desk.poll("v", [OTHER_POOL], timeout_s=0)) == [None]
    assert desk.router.queued == {POOL: 1}
    assert await taken(desk.poll("w", [OTHER_POOL, POOL])) == ["x/a"]
    assert desk.router.queued == {}


@in_virtual_time
async def test_a_task_waits_for_a_worker_that_serves_its_queue_also_one_that_ran_the_step_before() -> None:
    desk = Desk().opened()
    gpu = Pool(SHAPE.hash, "", "gpu")
    polls = desk.poll("w"), desk.poll("v", [gpu])
    await turn()
    desk.owe("x", replace(task("x/a", last_worker_id="w"), queue="gpu"))
    assert await taken(*polls) == ["-", "x/a"]
    desk.owe("y", replace(task("y/a"), queue="gpu"))
    assert desk.router.queued == {gpu: 1}
    assert await taken(desk.poll("u", [POOL, gpu])) == ["y/a"]


@in_virtual_time
async def test_a_task_that_moves_to_another_queue_leaves_the_one_where_it_waited() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    desk.owe("x", replace(task("x/a"), queue="gpu"))
    assert desk.router.queued == {Pool(SHAPE.hash, "", "gpu"): 1}
    assert await taken(desk.poll("w", timeout_s=0), desk.poll("v", [Pool(SHAPE.hash, "", "gpu")])) == [None, "x/a"]


@in_virtual_time
async def test_steps_of_deployed_clients_are_found_by_their_names() -> None:
    desk = Desk().opened()
    definition = pb.WorkflowDefinition(timeline=[pb.Step(name="a")])
    deployed = compile_blueprint(pb.Blueprint(workflow_module="old", definition=definition))
    desk.owe("x", task("x/a"), shape=deployed)
    assert await taken(desk.poll("v", [Pool(blueprint_hash=deployed.hash)], 0), desk.poll("w", [Pool(step="a")])) == [
        None,
        "x/a",
    ]


@in_virtual_time
async def test_the_worker_of_the_step_before_is_preferred_while_it_waits() -> None:
    desk = Desk().opened()
    polls = [desk.poll(worker_id) for worker_id in ("u", "v", "w")]
    await turn()
    desk.owe("x", task("x/a", last_worker_id="w"))
    assert await taken(*polls) == ["-", "-", "x/a"]


@in_virtual_time
async def test_any_other_worker_gets_it_at_once_when_that_one_does_not_wait() -> None:
    desk = Desk().opened()
    poll = desk.poll("u")
    await turn()
    desk.owe("x", task("x/a", last_worker_id="w"))
    assert await taken(poll) == ["x/a"]


@in_virtual_time
async def test_workers_that_wait_are_served_in_the_order_in_which_they_came() -> None:
    desk = Desk().opened()
    polls = [desk.poll(worker_id) for worker_id in ("u", "v", "w")]
    await turn()
    desk.owe("x", task("x/a"), task("x/b"))
    assert await taken(*polls) == ["x/a", "x/b", "-"]


@in_virtual_time
async def test_tasks_are_handed_out_in_the_order_in_which_they_were_owed_whatever_their_pool() -> None:
    desk = Desk().opened()
    desk.owe("x", task("1"))
    desk.owe("y", task("2"), shape=OTHER)
    desk.owe("z", task("3"))
    both = (POOL, OTHER_POOL)
    assert await taken(*(desk.poll("w", both) for _ in range(3))) == ["1", "2", "3"]


@in_virtual_time
async def test_what_is_forgotten_while_the_loss_of_it_is_yet_to_be_recorded_is_handed_to_nobody() -> None:
    desk = Desk().opened()
    desk.owe("x", task("1"))
    lease = await desk.poll("w")
    assert lease is not None
    desk.router.lose(lease, "its worker is gone")
    desk.owe("x", task("1"), shape=OTHER)
    desk.router.lose_again(lease, 1)
    desk.owe("x")
    assert await desk.poll("v", [OTHER_POOL], timeout_s=0) is None
    assert desk.remembers == 0


@in_virtual_time
async def test_a_poll_ends_with_nothing_when_its_time_is_over() -> None:
    desk = Desk().opened()
    started = asyncio.get_running_loop().time()
    assert await desk.router.poll("w", [POOL], 20, 30) is None
    assert asyncio.get_running_loop().time() - started == 20
    assert desk.remembers == 0


@in_virtual_time
async def test_a_caller_that_goes_away_is_handed_nothing() -> None:
    desk = Desk().opened()
    gone, waiting = desk.poll("w"), desk.poll("v")
    await turn()
    gone.cancel()
    desk.owe("x", task("x/a"))  # before the loop had a turn to take the poll out
    assert await taken(waiting) == ["x/a"]


@in_virtual_time
async def test_a_task_for_a_caller_that_goes_away_at_that_moment_goes_to_the_next_one_first() -> None:
    desk = Desk().opened()
    poll = desk.poll("w")
    await turn()
    desk.owe("x", task("x/a"), task("x/b"))
    poll.cancel()
    await turn()
    assert await taken(desk.poll("v"), desk.poll("v")) == ["x/a", "x/b"]


@in_virtual_time
async def test_what_is_not_owed_any_more_is_handed_to_nobody_and_forgotten() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    desk.owe("x")
    assert await taken(desk.poll("w", timeout_s=0)) == [None]
    assert desk.remembers == 0


@in_virtual_time
async def test_a_task_in_a_workers_hands_that_is_not_owed_any_more_is_no_loss() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    await desk.poll("w")
    desk.owe("x")
    await asyncio.sleep(100)
    assert desk.lost == []
    assert desk.remembers == 0


@in_virtual_time
async def test_a_task_is_lost_when_its_lease_ends_and_its_silent_worker_is_asked_no_more() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    await desk.poll("w")
    idle = desk.poll("w", timeout_s=300)
    await asyncio.sleep(31)
    assert desk.lost == ["x/a"]
    assert await taken(idle) == [None]


@in_virtual_time
async def test_a_loss_that_cannot_be_recorded_is_noticed_again() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    lease = await desk.poll("w")
    assert lease is not None
    desk.router.lose(lease, "gone")
    desk.router.lose_again(lease, 1)
    assert desk.router.hold("w", ["x/a"], 30) == ["x/a"]
    await asyncio.sleep(1.1)
    assert desk.lost == ["x/a", "x/a"]


@in_virtual_time
async def test_a_worker_is_only_told_of_losses_that_are_its_own() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    await desk.poll("w")
    assert desk.router.hold("w", ["x/a"], 30) == []
    assert desk.router.hold("v", ["x/a", "never"], 30) == ["x/a", "never"]


@in_virtual_time
async def test_a_task_that_is_to_stop_and_comes_back_unseen_is_lost() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"))
    lease = await desk.poll("w")
    assert lease is not None
    desk.owe("x", stopping("x/a"))
    assert desk.lost == []
    desk.router.give_back(lease)
    assert desk.lost == ["x/a"]


@in_virtual_time
async def test_when_the_core_drains_everybody_is_answered_and_nobody_waits_any_more() -> None:
    desk = Desk().opened()
    waiting = [desk.poll("w"), desk.poll("v")]
    await turn()
    desk.router.drain()
    assert await taken(*waiting, desk.poll("u")) == [None, None, None]


@in_virtual_time
async def test_what_an_unsure_execution_owed_is_handed_out_only_once_it_is_read() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a/1"), task("x/b/1"))
    held = await desk.poll("w1")
    assert held is not None
    desk.router.withdraw("x")
    desk.router.give_back(held)  # it never reached its worker
    waiting = desk.poll("w2")
    await asyncio.sleep(1)
    assert not waiting.done()
    desk.owe("x", task("x/a/2"), read=True)
    found = await waiting
    assert found is not None
    assert found.task_id == "x/a/2"


@in_virtual_time
async def test_what_a_worker_has_stays_in_its_hands_while_its_execution_is_unsure() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a/1"))
    held = await desk.poll("w1")
    desk.router.withdraw("x")
    desk.owe("x", task("x/a/1"), read=True)
    assert desk.router.lease_of("x/a/1") is held


@in_virtual_time
async def test_a_task_that_is_being_recorded_as_lost_is_not_offered_again_when_its_execution_was_unsure() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a/1"))
    held = await desk.poll("w1")
    assert held is not None
    desk.router.lose(held, "its worker is gone")
    desk.router.withdraw("x")
    desk.owe("x", task("x/a/1"), read=True)
    waiting = desk.poll("w2", timeout_s=1)
    assert await waiting is None
    desk.owe("x", task("x/a/2"))
    found = await desk.poll("w2")
    assert found is not None
    assert found.task_id == "x/a/2"


@in_virtual_time
async def test_of_a_wide_execution_only_what_has_changed_is_told_and_all_else_stays_as_it_is() -> None:
    desk = Desk().opened()
    desk.owe("x", task("x/a"), task("x/b"), task("x/c"))
    polls = [desk.poll("w"), desk.poll("w")]
    assert await taken(*polls) == ["x/a", "x/b"]
    state = replace(new(SHAPE), execution_id="x")
    desk.router.amend(state, (task("x/d"), replace(task("x/c"), handout=Handout.KEEP)), ["x/a"])
    assert desk.router.in_hand("x") == {"x/b"}
    assert await taken(desk.poll("w"), desk.poll("w")) == ["x/d", "-"]
    desk.router.amend(state, (), ["x/b", "x/c", "x/d"])
    assert not desk.router.is_busy
    desk.router.drain()
    assert desk.remembers == 0
