"""`why`: what an execution waits for, or who has its steps."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cerebelum_cli.exits import run_async
from cerebelum_cli.options import RemoteCore, core_option, execution_argument, json_option
from cerebelum_cli.output import clock_text, print_json, say, time_text
from cerebelum_proto.control.v1.lifecycle_pb import Explanation


@click.command()
@execution_argument
@core_option
@json_option
def why(execution_id: str, core: RemoteCore, as_json: bool) -> None:
    """Tell why an execution is not moving, or what moves it.

    Asleep until when, waiting for whose approval, with which worker since when, paused by whom, a dead letter, or
    without any worker that has its code.
    """
    explanations = run_async(_explain(core, execution_id))
    if as_json:
        print_json({"execution_id": execution_id, "explanations": [_json(each) for each in explanations]})
        return
    for each in explanations:
        say(words(each))


async def _explain(core: RemoteCore, execution_id: str) -> Sequence[Explanation]:
    async with core.client() as client:
        return await client.lifecycle.explain(execution_id)


def words(explanation: Explanation) -> str:
    """An explanation on one line."""
    step = f"{explanation.step_name}: " if explanation.step_name else ""
    times = (("since", explanation.since), ("until", explanation.until))
    told = [f"{word} {clock_text(instant)}" for word, instant in times if instant is not None]
    when = f" ({', '.join(told)} UTC)" if told else ""
    return f"{step}{explanation.message}{when}"


def _json(explanation: Explanation) -> dict[str, object]:
    return {
        "standing": explanation.standing.name.removeprefix("STANDING_").lower(),
        "step": explanation.step_name or None,
        "message": explanation.message,
        "since": time_text(explanation.since),
        "until": time_text(explanation.until),
        "worker": explanation.worker_id or None,
        "queue": explanation.queue or None,
    }
