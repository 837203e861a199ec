"""A declared workflow as decorated steps: a module that imports, type-checks, and comes to the very same blueprint."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator, Sequence

from cerebelum import Retry
from cerebelum.declared.definition import Definition, StepType
from cerebelum.rules import OTHERWISE
from cerebelum.step import CONTEXT, INPUTS
from cerebelum_cli.converting.texts import snake
from cerebelum_cli.exits import UsageError
from cerebelum_client.markers import milliseconds
from cerebelum_codegen.runtime import Empty, Message
from cerebelum_engine.spelling import composition, span
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

_Kind = pb.RouteAction
_SPANS = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000), ("milliseconds", 1))
_ACTIONS = {
    _Kind.ROUTE_ACTION_RETRY: "retry",
    _Kind.ROUTE_ACTION_BACK_TO: "back_to",
    _Kind.ROUTE_ACTION_SKIP_TO: "skip_to",
    _Kind.ROUTE_ACTION_PROCEED: "proceed",
    _Kind.ROUTE_ACTION_FAIL: "fail",
    _Kind.ROUTE_ACTION_END: "end",
}
_WIDTH = 110
_SPOKEN = frozenset(
    {"Context", "Retry", "TextCondition", "Timeline", "WorkflowBuilder", "step", "timedelta", "wf", "workflow"}
)
"""What the module means something else by, beside the actions."""


def python_of(definition: Definition) -> str:
    """The module that says the same workflow with decorated steps, whose bodies are to be written.

    Raises:
        UsageError: with everything that the DSL cannot say, each fault with its mend.
    """
    if faults := list(_faults(definition)):
        raise UsageError(f"workflow '{definition.name}' cannot be written with decorators:\n" + "\n".join(faults))
    return _Writer(definition).text()


class _Writer:
    """Writes one module."""

    def __init__(self, definition: Definition) -> None:
        self._told = definition
        self._shape = definition.blueprint.definition or pb.WorkflowDefinition()
        taken = any(step.takes_inputs for step in self._shape.timeline)
        # Where no step takes the inputs, only a context can say what they are.
        self._telling = None if taken else self._shape.timeline[0]
        self._aliases = dict(_aliases(definition))
        own = definition.name.rpartition(".")[2]
        self._name = _usable(snake("".join(each if each.isalnum() else "_" for each in own)), set())
        self._used = {"WorkflowBuilder", "step", "workflow"}
        self._reserved = {*_SPOKEN, *_ACTIONS.values(), *self._aliases.values(), self._name}

        description = definition.blueprint.description or pb.Description()
        self._docs = {step.name: step.doc for step in description.steps}

    def text(self) -> str:
        steps = [self._step(*each) for each in zip(self._shape.timeline, self._told.steps, strict=True)]
        visits = f", max_visits={self._shape.max_visits}" if self._shape.max_visits else ""
        queue = f", queue={_text(self._shape.queue)}" if self._shape.queue else ""
        flow = "\n".join(
            [
                f"@workflow(name={_text(self._told.name)}{visits}{queue})",
                f"def {self._name}(wf: WorkflowBuilder) -> None:",
                *_docstring(self._told.doc).splitlines(),
                *(f"    {line}" for line in self._said()),
            ]
        )
        body = "\n\n\n".join([*steps, flow]) + "\n"
        return f"{self._doc()}\n\nfrom __future__ import annotations\n\n{self._imports()}\n\n\n{body}"

    def _doc(self) -> str:
        told = self._told
        limit = span(milliseconds(told.deadline)) if told.deadline is not None else ""
        starts = {"execution_id": told.execution_id, "deadline": limit, "tags": ", ".join(told.tags)}
        lines = [f'"""`{told.name}` as decorated steps: the very blueprint that its contract declares.']
        said = "; ".join(f"{name} {value}" for name, value in starts.items() if value)
        lines += [f"\nWhat the contract says of every start, say at the call: {said}."] if said else []
        lines += [
            f"A step asks people by wait_for_approval({each.name!r}, ...), for a {each.response.FULL_NAME}."
            for each in told.approvals
        ]
        lines += [
            f"A step takes a signal by wait_for_signal({each.name!r}, ...), a {each.request.FULL_NAME}."
            for each in told.signals
        ]
        return "\n".join(lines) + ('\n"""' if len(lines) > 1 else '"""')

    def _imports(self) -> str:
        lines = ["from datetime import timedelta\n"] if "timedelta" in self._used else []
        own = [name for name in sorted(self._used) if name not in ("timedelta", "TextCondition")]
        lines.append(f"from cerebelum import {', '.join(own)}")
        lines += ["from cerebelum.conditions import TextCondition"] if "TextCondition" in self._used else []
        for module, alias in self._aliases.items():
            package, _, name = module.rpartition(".")
            bare = f"from {package} import {name}" if package else f"import {name}"
            lines.append(bare if alias == name else f"{bare} as {alias}")
        return "\n".join(lines)

    def _call(self, name: str, arguments: str) -> str:
        """A call of what is imported."""
        self._used.add(name)
        return f"{name}({arguments})"

    # -- steps -------------------------------------------------------------------------------

    def _step(self, step: pb.Step, kind: StepType) -> str:
        name = self._variable(step.name)
        options = [*([f"name={_text(step.name)}"] if name != step.name else []), *self._policies(step)]
        return (
            f"{_laid('@step(', options, ')') if options else '@step'}\n"
            f"{_laid(f'async def {name}(', self._parameters(step, kind), f') -> {self._class(kind.response)}:')}\n"
            f"{_docstring(self._docs.get(step.name, ''))}"
            f"    raise NotImplementedError({_text(f'write what {step.name} does')})"
        )

    def _parameters(self, step: pb.Step, kind: StepType) -> list[str]:
        sources = (kind.takes,) if kind.takes else kind.parts
        told = [f"context: {self._context()}"] if step is self._telling else []
        for name in sources:
            found = self._told.step(name)
            held = self._class(self._told.inputs if found is None else found.response)
            told.append(f"{name}: {held} | None = None" if name in step.optional else f"{name}: {held}")
        # Python wants defaults last, the blueprint the order of the contract: behind `*` both hold.
        return ["*", *told] if step.optional else told

    def _policies(self, step: pb.Step) -> Iterator[str]:
        if step.retry is not None:
            yield f"retry={self._call('Retry', ', '.join(self._retry(step.retry)))}"
        limits = {
            "timeout": step.start_to_close_ms,
            "queue_timeout": step.schedule_to_start_ms,
            "heartbeat_timeout": step.heartbeat_timeout_ms,
        }
        yield from (f"{name}={self._span(limit)}" for name, limit in limits.items() if limit)
        if step.queue:
            yield f"queue={_text(step.queue)}"

    def _retry(self, policy: RetryPolicy) -> Iterator[str]:
        silent = Retry()
        yield f"max_attempts={policy.max_attempts}"
        if policy.initial_interval_ms != milliseconds(silent.initial_interval):
            yield f"initial_interval={self._span(policy.initial_interval_ms)}"
        if policy.backoff != silent.backoff:
            yield f"backoff={policy.backoff!r}"
        if policy.max_interval_ms != max(milliseconds(silent.longest), policy.initial_interval_ms):
            yield f"max_interval={self._span(policy.max_interval_ms)}"
        if policy.jitter != silent.jitter:
            yield f"jitter={policy.jitter!r}"
        if policy.non_retryable_kinds:
            yield f"non_retryable=({' '.join(f'{_text(kind)},' for kind in policy.non_retryable_kinds)})"

    def _span(self, span_ms: int) -> str:
        unit, size = next((unit, size) for unit, size in _SPANS if span_ms % size == 0)
        return self._call("timedelta", f"{unit}={span_ms // size}")

    def _context(self) -> str:
        self._used.add("Context")
        return f"Context[{self._class(self._told.inputs)}]"

    def _class(self, kind: type[Message]) -> str:
        return "None" if kind is Empty else f"{self._aliases[kind.__module__]}.{kind.__name__}"

    def _variable(self, name: str) -> str:
        return _usable(name, self._reserved)

    # -- what the workflow is ----------------------------------------------------------------------

    def _said(self) -> Iterator[str]:
        yield f"wf.timeline({self._composed(self._shape.stages)})"
        if self._shape.signals:
            yield f"wf.signals({', '.join(map(_text, self._shape.signals))})"
        for rule in self._shape.diverge_rules:
            lines = [f"{_text(each.pattern)}: {self._target(each.route)}" for each in rule.patterns]
            yield from _laid(f"wf.diverge({self._variable(rule.from_step)}, {{", lines, "})").split("\n")
        for branch in self._shape.branch_rules:
            cases = [f"{self._case(branch.from_step, each)}: {self._target(each.route)}" for each in branch.branches]
            yield from _laid(f"wf.branch({self._variable(branch.from_step)}, {{", cases, "})").split("\n")

    def _composed(self, stages: Sequence[pb.Stage]) -> str:
        return composition(stages, self._variable, self._group)

    def _target(self, route: pb.Route | None) -> str:
        told = route or pb.Route()
        action = _ACTIONS.get(told.action)
        if action is None:
            return self._composed(told.path)
        argument = self._variable(told.step) if told.step else ""
        return self._call(action, _text(told.reason) if action == "fail" else argument)

    def _case(self, step: str, case: pb.ConditionBranch) -> str:
        if case.condition == OTHERWISE or not case.by_worker:
            return _text(case.condition)
        return self._call("TextCondition", f"{_text(step)}, {_text(case.condition)}")

    def _group(self, spelled: str) -> str:
        """A list that something follows: lists have no `>>`, and steps of many types in one no type."""
        self._used.add("Timeline")
        return f"Timeline.of({spelled})"


def _faults(definition: Definition) -> Iterator[str]:
    shape = definition.blueprint.definition or pb.WorkflowDefinition()
    for step in shape.timeline:
        if step.name in (CONTEXT, INPUTS):
            yield f"  step '{step.name}' is called like a parameter of every step: rename its rpc"
        for taken in step.depends_on:
            if keyword.iskeyword(taken):
                yield f"  step '{step.name}' takes '{taken}', a word of Python and so no parameter: rename that rpc"
    diverging = [(rule.from_step, line.pattern) for rule in shape.diverge_rules for line in rule.patterns]
    branching = [(rule.from_step, case.condition) for rule in shape.branch_rules for case in rule.branches]
    for told in (diverging, branching):
        for name, text in dict.fromkeys(each for each in told if told.count(each) > 1):
            yield f"  a rule of '{name}' has two lines for '{text}': leave the second out, the first is always taken"


def _aliases(definition: Definition) -> Iterator[tuple[str, str]]:
    """The modules of its messages, and what each is called here."""
    kinds = [definition.inputs, *(step.response for step in definition.steps)]
    taken: set[str] = set()
    for module in sorted({kind.__module__ for kind in kinds if kind is not Empty}):
        name = module.rpartition(".")[2]
        alias = name if name not in taken else module.replace(".", "_")
        taken.add(name)
        yield module, alias


def _docstring(doc: str) -> str:
    """The first line of a comment, as the docstring of what follows."""
    first = doc.partition("\n")[0].strip()
    return f'    """{first}"""\n' if first else ""


def _usable(name: str, taken: set[str]) -> str:
    """A name that means nothing else in the module."""
    return f"{name}_" if keyword.iskeyword(name) or name in taken else name


def _laid(opening: str, parts: Sequence[str], closing: str) -> str:
    """In one line where it fits, else one part a line."""
    flat = f"{opening}{', '.join(parts)}{closing}"
    if len(flat) <= _WIDTH or not parts:
        return flat
    return f"{opening}\n{''.join(f'    {part},{chr(10)}' for part in parts)}{closing}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
