"""A Core keeps no blueprint with which something could go wrong that can be told before."""

from __future__ import annotations

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
