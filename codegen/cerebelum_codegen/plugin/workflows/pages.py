"""A page for people about each declared workflow: its diagram, steps, types, rules and policies, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cerebelum_codegen.plugin.workflows.blueprint import blueprint_of
from cerebelum_codegen.plugin.workflows.declared import NOTHING, DeclaredStep, DeclaredWorkflow, Line
from cerebelum_codegen.plugin.workflows.endings import endings_of
from cerebelum_engine.paths import Path, path_of
from cerebelum_proto.worker.worker_service_pb import RouteAction

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_ENDS = {RouteAction.ROUTE_ACTION_END: "done", RouteAction.ROUTE_ACTION_FAIL: "failed"}


def page(workflow: DeclaredWorkflow) -> str:
    """The page of a sound workflow."""
    name = workflow.service.rpartition(".")[2]
    parts = [[f"# {name}"], [*workflow.doc], list(_facts(workflow)), ["```mermaid", *_diagram(workflow), "```"]]
    parts.append(["## Steps", "", *_steps(workflow)])
    if list(workflow.lines):
        parts.append(["## Rules", "", *_rules(workflow)])
    if workflow.approvals:
        parts.append(["## Approvals", "", *_approvals(workflow)])
    parts.append([f"Written by protoc-gen-cerebelum from {workflow.file}."])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def span(milliseconds: int) -> str:
    """A duration as the contract spells it: `1h30m`."""
    text = ""
    for unit, size in _UNITS:
        count, milliseconds = divmod(milliseconds, size)
        text += f"{count}{unit}" if count else ""
    return text


def _facts(workflow: DeclaredWorkflow) -> Iterator[str]:
    endings = [[workflow.step(name).response for name in ending] for ending in endings_of(blueprint_of(workflow))]
    ends = dict.fromkeys(" and ".join(map(_code, ending)) or "nothing" for ending in endings)
    yield from (
        "| | |",
        "|---|---|",
        f"| started with | {_code(workflow.inputs)} |",
        f"| ends with | {', or '.join(ends)} |",
    )
    yield f"| execution id | {_code(workflow.execution_id) if workflow.execution_id else 'a new one each time'} |"
    yield f"| deadline | {span(workflow.deadline_ms) or 'none'} |"
    if workflow.queue:
        yield f"| queue | {_code(workflow.queue)} |"
    if workflow.tags:
        yield f"| tags | {', '.join(map(_code, workflow.tags))} |"


def _diagram(workflow: DeclaredWorkflow) -> Iterator[str]:
    yield "flowchart TD"
    yield from (f'  {_node(step.name)}["{step.name}"]' for step in workflow.steps)
    timeline = path_of(workflow.stages)
    yield from ("  begin((begin))", '  done(("done"))', *_joined(timeline))
    yield from (f"  begin --> {_node(step)}" for step, before in timeline.before.items() if not before)
    yield from (f"  {_node(step)} --> done" for step in timeline.ends)
    if any(_ENDS.get(line.route.action) == "failed" for line in workflow.lines):
        yield '  failed(("failed"))'
    for line in workflow.diverge:
        yield from _led(line, timeline, ["done"])
    for line in workflow.branch:
        after = [_node(step) for step in timeline.after.get(line.step, ())]
        yield from _led(line, timeline, after or ["done"])


def _led(line: Line, timeline: Path, onward: list[str]) -> Iterator[str]:
    """Where a line of a rule leads, dotted, and where the execution goes on behind its steps."""
    start, label = _node(line.step), _label(line.text)
    path = path_of(line.route.path)
    heads = [step for step, before in path.before.items() if not before]
    targets = [_node(step) for step in heads or [line.route.step] if step] or [_ENDS.get(line.route.action, start)]
    yield from (f'  {start} -. "{label}" .-> {target}' for target in targets)
    yield from _joined(path)
    ends = [step for step in path.ends if step not in timeline.before]
    yield from (f"  {_node(step)} -.-> {target}" for step in ends for target in onward)


def _joined(path: Path) -> Iterator[str]:
    return (f"  {_node(each)} --> {_node(step)}" for step, before in path.before.items() for each in before)


def _steps(workflow: DeclaredWorkflow) -> Iterator[str]:
    yield from ("| step | what it does | takes | gives | policy |", "|---|---|---|---|---|")
    for step in workflow.steps:
        takes = ", ".join(_taken(step)) or "nothing"
        gives = "nothing" if step.response == NOTHING else _code(step.response)
        yield f"| {_code(step.name)} | {_text(step.doc)} | {takes} | {gives} | {', '.join(_policy(step))} |"


def _taken(step: DeclaredStep) -> Iterator[str]:
    if step.takes:
        yield f"{_code(step.request)} of {_code(step.takes)}"
    for part in step.parts:
        yield _code(part.name) + (" if it ran" if part.optional else "")


def _policy(step: DeclaredStep) -> Iterator[str]:
    if step.retry is not None:
        yield f"{step.retry.max_attempts} tries"
        yield from (f"not after {_code(kind)}" for kind in step.retry.non_retryable_kinds)
    limits = (("try", step.start_to_close_ms), ("wait for a worker", step.schedule_to_start_ms))
    for name, limit in (*limits, ("silence", step.heartbeat_timeout_ms)):
        if limit:
            yield f"{name} up to {span(limit)}"
    if step.queue:
        yield f"queue {_code(step.queue)}"


def _rules(workflow: DeclaredWorkflow) -> Iterator[str]:
    yield from ("| after | when | it goes |", "|---|---|---|")
    for line in workflow.diverge:
        yield f"| {_code(line.step)} | it comes out as {_code(line.text)} | {_code(line.to)}, and leaves |"
    for line in workflow.branch:
        yield f"| {_code(line.step)} | {_code(line.text)} | {_code(line.to)}, and returns |"


def _approvals(workflow: DeclaredWorkflow) -> Iterator[str]:
    yield from ("| approval | what is asked | question | answer | waits |", "|---|---|---|---|---|")
    for each in workflow.approvals:
        limit = span(each.timeout_ms) or "as long as it takes"
        yield f"| {_code(each.name)} | {_text(each.doc)} | {_code(each.request)} | {_code(each.response)} | {limit} |"


def _node(step: str) -> str:
    """`end` and its kin mean something to Mermaid."""
    return f"step_{step}"


def _label(text: str) -> str:
    return text.replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _text(lines: Iterable[str]) -> str:
    return " ".join(lines).replace("|", "\\|")
