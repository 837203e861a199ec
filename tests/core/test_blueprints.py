"""A blueprint that was kept before a fault of its kind was known goes on; a new one is refused."""

from __future__ import annotations

from cerebelum_core.store import BlueprintRecord
from cerebelum_engine import hash_of
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.hands import Bench
from tests.engine.play import submitted

END = pb.Route(action=pb.RouteAction.ROUTE_ACTION_END)


def asking_too_early() -> pb.Blueprint:
    blueprint = submitted(["a"], ["b"])
    case = pb.ConditionBranch(condition="b == 1", route=END)
    assert blueprint.definition is not None
    blueprint.definition.branch_rules.append(pb.BranchRule(from_step="a", branches=[case]))
    return blueprint


async def test_a_condition_over_a_later_step_is_refused() -> None:
    answer = await Bench().blueprints.submit(asking_too_early())
    assert not answer.valid
    assert "condition 'b == 1' names 'b', which never has a result when 'a' ends" in answer.errors[0]


async def test_a_version_that_was_kept_with_one_runs_on_and_its_workers_are_warned() -> None:
    bench, blueprint = Bench(), asking_too_early()
    digest = hash_of(blueprint)
    now = bench.clock.now()
    await bench.store.put_blueprint(
        BlueprintRecord(hash=digest, workflow=blueprint.workflow_module, data=blueprint.to_bytes(), stored_at=now)
    )
    assert (await bench.blueprints.get(digest)).hash == digest
    answer = await bench.blueprints.submit(blueprint)
    assert (answer.valid, answer.workflow_hash) == (True, digest)
    assert "condition 'b == 1' names 'b'" in answer.warnings[0]
