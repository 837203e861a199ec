"""What a decorated workflow says of itself for people: its docstrings, its types, its policies; and its page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cerebelum import Context, Retry, WorkflowBuilder, fail, retry, step, workflow
from cerebelum_engine import hash_of
from cerebelum_engine.page import page
from cerebelum_proto.worker import worker_service_pb as pb


@step(retry=Retry(max_attempts=4), timeout=timedelta(minutes=90), queue="tills")
async def count(inputs: dict[str, int]) -> int:
    """Counts coins | notes.

    Twice, to be sure.
    """
    raise NotImplementedError


@step
def look(count: int, context: Context[object]) -> None:
    """Looks at them."""


@step
async def close(count: int, look: object = None):  # type: ignore[no-untyped-def]  # people may leave types out
    raise NotImplementedError


@workflow(name="till.v1.Till", queue="shop")
def till(wf: WorkflowBuilder) -> None:
    """Closes a till.

    Every evening.
    """
    wf.timeline(count >> look >> close)
    wf.signals("hurry")
    wf.diverge(count, {"short": fail("robbed"), "again": retry()})
    wf.branch(look, condition="count > 9", when_true=look.named("look_again"))


PAGE = """\
# Till

Closes a till.

| | |
|---|---|
| started with | `dict[str, int]` |
| ends with | `what close gives` |
| execution id | a new one each time |
| deadline | none |
| queue | `shop` |
| signals | `hurry` |

```mermaid
flowchart TD
  step_count["count"]
  step_look["look"]
  step_close["close"]
  step_look_again["look_again"]
  begin((begin))
  done(("done"))
  step_count --> step_look
  step_look --> step_close
  begin --> step_count
  step_close --> done
  failed(("failed"))
  step_count -. "short" .-> failed
  step_count -. "again" .-> step_count
  step_look -. "count #gt; 9" .-> step_look_again
  step_look_again -.-> step_close
```

## Steps

| step | what it does | takes | gives | policy |
|---|---|---|---|---|
| `count` | Counts coins \\| notes. | `dict[str, int]` of `inputs` | `int` | 4 tries, 1s to 4s apart, \
try up to 1h30m, queue `tills` |
| `look` | Looks at them. | `int` of `count` | nothing |  |
| `close` |  | `count`, `look` if it ran |  |  |
| `look_again` | Looks at them. | `int` of `count` | nothing |  |

## Rules

| after | when | it goes |
|---|---|---|
| `count` | it comes out as `short` | `fail('robbed')` |
| `count` | it comes out as `again` | `retry()` |
| `look` | `count > 9` | `look_again`, and returns |

Written in tests.sdk.test_describing.
"""


def test_the_page_of_a_decorated_workflow_follows_from_its_blueprint() -> None:
    assert page(till.blueprint) == PAGE


def test_what_people_are_told_is_no_part_of_the_version() -> None:
    assert till.blueprint.description is not None
    assert hash_of(replace(till.blueprint, description=None)) == till.hash


def test_a_deployed_client_s_blueprint_has_a_page_too() -> None:
    rule = pb.DivergeRule(
        from_step="a",
        patterns=[pb.PatternMatch(pattern="stop", target="END"), pb.PatternMatch(pattern="x", target="z")],
    )
    branch = pb.BranchRule(from_step="a", branches=[pb.ConditionBranch(condition="a==true", target="b")])
    steps = [pb.Step(name="a"), pb.Step(name="b")]
    definition = pb.WorkflowDefinition(timeline=steps, diverge_rules=[rule], branch_rules=[branch])
    told = page(pb.Blueprint(workflow_module="old", definition=definition))
    assert '  step_a --> step_b\n  begin --> step_a\n  step_b --> done\n  step_a -. "stop" .-> done\n```' in told
    assert "| `a` | it comes out as `stop` | `END`, and leaves |" in told
    assert "| `a` | `a==true` | `b`, and returns |" in told
