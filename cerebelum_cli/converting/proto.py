"""A decorated workflow as the service that declares it. What proto cannot say is refused, all at once."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator

from cerebelum import Workflow
from cerebelum.conditions import TextCondition
from cerebelum.rules import OTHERWISE
from cerebelum_cli.converting.messages import Messages
from cerebelum_cli.converting.texts import camel, snake
from cerebelum_cli.exits import UsageError
from cerebelum_engine import validate
from cerebelum_engine.spelling import composition, route_text, span
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

_FIRST_MS, _LONGEST_MS, _BACKOFF, _JITTER = 1_000, 60_000, 2.0, 0.1
"""What a retry in proto means where it is silent."""
_QUALIFIED = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)\.([A-Z]\w*)")


def proto_of(workflow: Workflow, package: str | None = None) -> str:
    """The proto file that declares the same workflow.

    Raises:
        UsageError: with everything that proto cannot say, each fault with its mend.
    """
    if faults := list(_faults(workflow)):
        raise UsageError(f"workflow '{workflow.name}' cannot be written in proto:\n" + "\n".join(faults))
    named = _QUALIFIED.fullmatch(workflow.name)
    service = named.group(2) if named else camel(workflow.name)
    return _Writer(workflow, package or (named.group(1) if named else f"{snake(service)}.v1"), service).text()


class _Writer:
    """Writes one file."""

    def __init__(self, workflow: Workflow, package: str, service: str) -> None:
        self._workflow = workflow
        self._package = package
        self._service = service
        self._definition = workflow.blueprint.definition or pb.WorkflowDefinition()
        self._messages = Messages(workflow, package, service)

    def text(self) -> str:
        rpcs = [self._rpc(step) for step in self._definition.timeline]
        rpcs += [self._signal(name) for name in self._definition.signals]
        imports = sorted({"cerebelum/options/v1/options.proto", *self._messages.files})
        path = f"{self._package.replace('.', '/')}/{snake(self._service)}.proto"
        approvals = "Approvals, execution ids, deadlines and tags stand in Python's code and calls: add them here."
        parts = [
            f'// Save it as {path}.\n// {approvals}\nsyntax = "proto3";',
            f"package {self._package};",
            "\n".join(f'import "{each}";' for each in imports),
            "\n".join([f"service {self._service} {{", *self._options(), "", *rpcs, "}"]),
            *self._messages.stubs,
        ]
        return "\n\n".join(parts) + "\n"

    def _options(self) -> Iterator[str]:
        yield "  option (cerebelum.options.v1.workflow) = {"
        yield f'    inputs: "{self._messages.inputs}"'
        yield f'    timeline: "{composition(self._definition.stages)}"'
        for rule in self._definition.diverge_rules:
            for line in rule.patterns:
                told = f"from: {_text(rule.from_step)} on: {_text(line.pattern)} to: {_to(line.route)}"
                yield f"    diverge: {{{told}}}"
        for branch in self._definition.branch_rules:
            for case in branch.branches:
                if not case.by_worker and case.condition != OTHERWISE:
                    yield "    // In Python the Core asks this; here the worker does, since messages are opaque to it."
                told = f"from: {_text(branch.from_step)} when: {_text(case.condition)} to: {_to(case.route)}"
                yield f"    branch: {{{told}}}"
        if self._definition.max_visits:
            yield f"    max_visits: {self._definition.max_visits}"
        if self._definition.queue:
            yield f"    queue: {_text(self._definition.queue)}"
        if self._workflow.name != f"{self._package}.{self._service}":
            yield f"    name: {_text(self._workflow.name)}"
        yield "  };"

    def _rpc(self, step: pb.Step) -> str:
        request, takes = self._messages.request(step)
        told = [*([f"takes: {_text(takes)}"] if takes else []), *_policies(step)]
        lines = [f"  // {line}\n" for line in _doc(self._workflow, step.name)]
        head = f"{''.join(lines)}  rpc {camel(step.name)}({request}) returns ({self._messages.response(step.name)})"
        return (
            f"{head} {{\n    option (cerebelum.options.v1.step) = {{{' '.join(told)}}};\n  }}" if told else f"{head};"
        )

    def _signal(self, name: str) -> str:
        brings = self._messages.signal(name)
        option = "option (cerebelum.options.v1.signal) = {};"
        return f"  rpc {camel(name)}({brings}) returns (google.protobuf.Empty) {{\n    {option}\n  }}"


def _faults(workflow: Workflow) -> Iterator[str]:
    definition = workflow.blueprint.definition or pb.WorkflowDefinition()
    for step in definition.timeline:
        if snake(camel(step.name)) != step.name:
            yield f"  step '{step.name}' is no rpc: call it '{snake(step.name).strip('_')}', as in @step(name=...)"
    for name in definition.signals:
        if snake(camel(name)) != name:
            yield f"  signal '{name}' is no rpc: call it '{snake(name).strip('_')}', as in wf.signals(...)"
    for name, predicates in workflow.code.predicates.items():
        for each in predicates:
            if not isinstance(each, TextCondition):
                title = getattr(each, "__qualname__", type(each).__qualname__)
                yield (
                    f"  the predicate {title} of '{name}' is Python: write it as CEL, "
                    f"TextCondition('{name}', \"{name}.total > 100\")"
                )
    yield from (f"  {told}" for told in validate(workflow.blueprint).warnings)
    routes = [(rule.from_step, line.route) for rule in definition.diverge_rules for line in rule.patterns]
    routes += [(rule.from_step, case.route) for rule in definition.branch_rules for case in rule.branches]
    for name, route in routes:
        if route is not None and "'" in route.reason and '"' in route.reason:
            yield f"  the reason {route.reason!r} of '{name}' has both quotes, and proto takes one kind: leave one out"


def _doc(workflow: Workflow, step: str) -> list[str]:
    found = workflow.code.steps.get(step)
    return (inspect.getdoc(found.function) or "").splitlines()[:1] if found else []


def _to(route: pb.Route | None) -> str:
    """Where a rule leads, as a quoted text."""
    return _text(route_text(route or pb.Route()))


def _policies(step: pb.Step) -> Iterator[str]:
    if step.retry is not None:
        yield f"retry: {{{' '.join(_retry(step.retry))}}}"
    limits = {
        "start_to_close": step.start_to_close_ms,
        "schedule_to_start": step.schedule_to_start_ms,
        "heartbeat": step.heartbeat_timeout_ms,
    }
    yield from (f'{name}: "{span(limit)}"' for name, limit in limits.items() if limit)
    if step.queue:
        yield f"queue: {_text(step.queue)}"


def _retry(policy: RetryPolicy) -> Iterator[str]:
    yield f"max_attempts: {policy.max_attempts}"
    if policy.initial_interval_ms != _FIRST_MS:
        yield f'initial_interval: "{span(policy.initial_interval_ms)}"'
    if policy.backoff != _BACKOFF:
        yield f"backoff: {policy.backoff!r}"
    if policy.max_interval_ms != max(_LONGEST_MS, policy.initial_interval_ms):
        yield f'max_interval: "{span(policy.max_interval_ms)}"'
    yield from (f"non_retryable: {_text(kind)}" for kind in policy.non_retryable_kinds)
    if policy.jitter != _JITTER:
        yield f"jitter: {policy.jitter or 0.0!r}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
