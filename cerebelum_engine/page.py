"""A workflow's page for people: its diagram, steps, types, rules and policies, in Markdown.

It follows from the blueprint alone, so that whoever holds one can show it: the code generator, and a Core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cerebelum_engine.diagram import diagram
from cerebelum_engine.endings import endings_of
from cerebelum_engine.policies import longest_pause_ms
from cerebelum_engine.spelling import route_text, span
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

NOTHING = "google.protobuf.Empty"
"""The message of a step that takes, or gives, nothing."""


def page(blueprint: pb.Blueprint) -> str:
    """The page of a sound blueprint."""
    told, shape = blueprint.description or pb.Description(), blueprint.definition or pb.WorkflowDefinition()
    parts = [
        [f"# {blueprint.workflow_module.rpartition('.')[2]}"],
        told.doc.splitlines(),
        list(_facts(blueprint, told)),
    ]
    parts += [["```mermaid", *diagram(shape), "```"], ["## Steps", "", *_steps(shape, told)]]
    if shape.diverge_rules or shape.branch_rules:
        parts.append(["## Rules", "", *_rules(shape)])
    if told.approvals:
        parts.append(["## Approvals", "", *_approvals(told.approvals)])
    if told.signals:
        parts.append(["## Signals", "", *_signals(shape, told)])
    if told.messages:
        parts.append(["## Messages"])
        parts += [_message(each) for each in told.messages]
        parts += [_enum(each) for each in told.enums]
    parts.append([told.source])
    return "\n\n".join("\n".join(part) for part in parts if any(part)) + "\n"


def _facts(blueprint: pb.Blueprint, told: pb.Description) -> Iterator[str]:
    shape = blueprint.definition or pb.WorkflowDefinition()
    gives = {step.name: step.gives for step in told.steps}
    endings = [[gives.get(name) or f"what {name} gives" for name in ending] for ending in endings_of(blueprint)]
    ends = dict.fromkeys(" and ".join(map(_code, ending)) or "nothing" for ending in endings)
    yield from ("| | |", "|---|---|")
    if told.inputs:
        yield f"| started with | {_code(told.inputs)} |"
    yield f"| ends with | {', or '.join(ends)} |"
    yield f"| execution id | {_code(told.execution_id) if told.execution_id else 'a new one each time'} |"
    yield f"| deadline | {span(told.deadline_ms) or 'none'} |"
    if shape.queue:
        yield f"| queue | {_code(shape.queue)} |"
    if shape.signals and not told.signals:
        yield f"| signals | {', '.join(map(_code, shape.signals))} |"
    if told.tags:
        yield f"| tags | {', '.join(map(_code, told.tags))} |"


def _steps(shape: pb.WorkflowDefinition, told: pb.Description) -> Iterator[str]:
    described = {step.name: step for step in told.steps}
    yield from ("| step | what it does | takes | gives | policy |", "|---|---|---|---|---|")
    for step in shape.timeline:
        known = described.get(step.name) or pb.StepDescription()
        takes = ", ".join(_taken(step, known.request)) or "nothing"
        gives = "nothing" if known.gives == NOTHING else _code(known.gives) if known.gives else ""
        yield f"| {_code(step.name)} | {_text(known.doc)} | {takes} | {gives} | {', '.join(_policy(step))} |"


def _taken(step: pb.Step, request: str) -> Iterator[str]:
    sources = [*(["inputs"] if step.takes_inputs else []), *step.depends_on]
    for name in sources:
        kind = f"{_code(request)} of " if request and len(sources) == 1 else ""
        yield f"{kind}{_code(name)}" + (" if it ran" if name in step.optional else "")


def _policy(step: pb.Step) -> Iterator[str]:
    if step.retry is not None:
        yield f"{step.retry.max_attempts} tries{_pauses(step.retry)}"
        yield from (f"not after {_code(kind)}" for kind in step.retry.non_retryable_kinds)
    limits = (("try", step.start_to_close_ms), ("wait for a worker", step.schedule_to_start_ms))
    for name, limit in (*limits, ("silence", step.heartbeat_timeout_ms)):
        if limit:
            yield f"{name} up to {span(limit)}"
    if step.queue:
        yield f"queue {_code(step.queue)}"


def _pauses(retry: RetryPolicy) -> str:
    if retry.max_attempts < 2:
        return ""
    first, last = longest_pause_ms(retry, 1), longest_pause_ms(retry, retry.max_attempts - 1)
    return f", {span(first)} to {span(last)} apart" if last > first else f", {span(first)} apart"


def _rules(shape: pb.WorkflowDefinition) -> Iterator[str]:
    yield from ("| after | when | it goes |", "|---|---|---|")
    for rule in shape.diverge_rules:
        for each in rule.patterns:
            to = _led(each.route, each.target, "leaves")
            yield f"| {_code(rule.from_step)} | it comes out as {_code(each.pattern)} | {to} |"
    for branch in shape.branch_rules:
        for case in branch.branches:
            to = _led(case.route, case.target, "returns")
            yield f"| {_code(branch.from_step)} | {_code(case.condition)} | {to} |"


def _led(route: pb.Route | None, target: str, then: str) -> str:
    """Where a rule leads; a path leaves the timeline, or returns to it."""
    to = _code(target if route is None else route_text(route))
    return f"{to}, and {then}" if route is None or route.path else to


def _approvals(approvals: Sequence[pb.ApprovalDescription]) -> Iterator[str]:
    yield from ("| approval | what is asked | question | answer | waits |", "|---|---|---|---|---|")
    for each in approvals:
        limit = span(each.timeout_ms) or "as long as it takes"
        yield f"| {_code(each.name)} | {_text(each.doc)} | {_code(each.question)} | {_code(each.answer)} | {limit} |"


def _signals(shape: pb.WorkflowDefinition, told: pb.Description) -> Iterator[str]:
    described = {signal.name: signal for signal in told.signals}
    yield from ("| signal | what has happened | brings | waits |", "|---|---|---|---|")
    for name in shape.signals:
        known = described.get(name) or pb.SignalDescription()
        brings = "nothing" if known.brings == NOTHING else _code(known.brings) if known.brings else ""
        limit = span(known.timeout_ms) or ("as long as it takes" if name in described else "")
        yield f"| {_code(name)} | {_text(known.doc)} | {brings} | {limit} |"


def _message(told: pb.MessageDescription) -> list[str]:
    lines = [f"### {_code(told.name)}", "", *([told.doc, ""] if told.doc else [])]
    if not told.fields:
        return [*lines, "It has no fields."]
    rows = [f"| {_code(each.name)} | {_held(each)} | {_text(each.doc)} |" for each in told.fields]
    return [*lines, "| field | type | what it is |", "|---|---|---|", *rows]


def _held(field: pb.FieldDescription) -> str:
    if field.key:
        return f"{_code(field.type)} by {_code(field.key)}"
    return f"{_code(field.type)}, repeated" if field.repeated else _code(field.type)


def _enum(told: pb.EnumDescription) -> list[str]:
    values = ", ".join(_code(name) for _, name in sorted(told.values.items()))
    return [f"### {_code(told.name)}", "", *([told.doc, ""] if told.doc else []), f"One of {values}."]


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _text(doc: str) -> str:
    return " ".join(doc.split("\n")).replace("|", "\\|")
