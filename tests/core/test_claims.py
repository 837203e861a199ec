"""What may be in hands since before a restart: it waits for their word, and is theirs when they claim it."""

from __future__ import annotations

from cerebelum_core.offers import Kind, Pool
from cerebelum_engine import compile_blueprint
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.desk import Desk, stopping, taken, task, turn
from tests.simulation.virtual_time import in_virtual_time


@in_virtual_time
async def test_tasks_from_before_a_restart_are_handed_out_once_the_gate_is_open() -> None:
    desk = Desk()
    desk.owe("x", task("x/a"), read=True)
    poll = desk.poll("w")
    assert await taken(poll) == ["-"]
    desk.opened()
    assert await taken(poll) == ["x/a"]


@in_virtual_time
async def test_each_kind_of_worker_is_waited_for_by_itself() -> None:
    desk = Desk()
    definition = pb.WorkflowDefinition(timeline=[pb.Step(name="a")])
    deployed = compile_blueprint(pb.Blueprint(workflow_module="old", definition=definition))
    desk.owe("x", task("x/a"), read=True)
    desk.owe("y", task("y/a"), shape=deployed, read=True)
    ours, theirs = desk.poll("w"), desk.poll("old", [Pool(step="a")])
    desk.router.open_gate(Kind.OURS)
    assert await taken(ours, theirs) == ["x/a", "-"]
    desk.owe("z", task("z/a"), read=True)
    assert await taken(desk.poll("w")) == ["z/a"], "what is read later is in nobody's hands"
    desk.router.open_gate(Kind.FOREIGN)
    assert await taken(theirs) == ["y/a"]


@in_virtual_time
async def test_tasks_that_are_new_do_not_wait_for_the_gate() -> None:
    desk = Desk()
    poll = desk.poll("w")
    await turn()
    desk.owe("x", task("x/a"))
    assert await taken(poll) == ["x/a"]


@in_virtual_time
async def test_a_worker_keeps_what_it_says_to_have_also_before_its_execution_was_read() -> None:
    desk = Desk()
    desk.owe("x", task("x/a"), read=True)
    assert desk.router.hold("w", ["x/a", "y/a"], 30) == []
    desk.owe("y", task("y/a"), read=True)
    desk.opened()
    assert await taken(desk.poll("v", timeout_s=0)) == [None]
    assert {lease.task_id for lease in desk.router.leases.of("w")} == {"x/a", "y/a"}


@in_virtual_time
async def test_what_it_says_to_have_and_nobody_owes_is_forgotten_with_the_gate() -> None:
    desk = Desk()
    assert desk.router.hold("w", ["x/a"], 30) == []
    desk.opened()
    assert desk.router.hold("w", ["x/a"], 30) == ["x/a"]
    assert desk.remembers == 0


@in_virtual_time
async def test_a_held_task_that_is_not_owed_any_more_is_not_handed_out_with_the_others() -> None:
    desk = Desk()
    desk.owe("x", task("x/a"), task("x/b"), read=True)
    desk.owe("x", task("x/b"))
    desk.opened()
    assert await taken(desk.poll("w"), desk.poll("w", timeout_s=0)) == ["x/b", None]


@in_virtual_time
async def test_a_task_that_is_to_stop_and_that_nobody_claims_is_lost_with_the_gate() -> None:
    """Its execution is being cancelled and waits for an answer."""
    desk = Desk()
    desk.owe("x", task("x/a"), task("x/b"), read=True)
    desk.owe("x", stopping("x/a"), stopping("x/b"))
    desk.router.hold("w", ["x/b"], 30)
    assert desk.lost == []
    desk.opened()
    assert desk.lost == ["x/a"]


@in_virtual_time
async def test_a_claimed_task_that_is_given_back_waits_for_the_word_of_others() -> None:
    desk = Desk()
    desk.owe("x", task("x/a/1"), read=True)
    assert desk.router.hold("w1", ["x/a/1"], 30) == []
    claimed = desk.router.lease_of("x/a/1")
    assert claimed is not None
    desk.router.give_back(claimed)
    assert await desk.poll("w2", timeout_s=1) is None
    assert desk.router.hold("w3", ["x/a/1"], 30) == [], "it had been given to both before the restart"
    desk.opened()
    assert await desk.poll("w2", timeout_s=1) is None
