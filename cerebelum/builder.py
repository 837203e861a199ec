"""What is said about a workflow below `@workflow`, and the blueprint that it comes to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, overload

from cerebelum.conditions import TextCondition
from cerebelum.describing import description_of
from cerebelum.errors import DefinitionError
from cerebelum.policies import MOST_TIMES, policy_of
from cerebelum.rulebook import RuleBook, check_lines, stages
from cerebelum.rules import OTHERWISE, Condition, Predicate, Target
from cerebelum.step import CONTEXT, INPUTS, AnyStep, Part, Timeline
from cerebelum_client.markers import milliseconds
from cerebelum_codegen.runtime import EncodeError
from cerebelum_engine import DEFAULT_MAX_VISITS, validate
from cerebelum_engine.conditions import Condition as CelCondition
from cerebelum_engine.conditions import ConditionError
from cerebelum_proto.worker import worker_service_pb as pb


class Built(NamedTuple):
    """A workflow as it was said: its code, and the contract's form of it."""

    steps: Mapping[str, AnyStep]
    blueprint: pb.Blueprint
    predicates: Mapping[str, tuple[Predicate, ...]]


class WorkflowBuilder:
    """Handed to the function below `@workflow`, which says with it what the workflow is."""

    def __init__(self) -> None:
        self._timeline: Timeline | None = None
        self._rules = RuleBook()
        self._signals: list[str] = []

    def timeline(self, *parts: Part | Sequence[Part]) -> None:
        """The steps in their order: `wf.timeline(a >> b >> [c, d >> e] >> f)`. Several parts follow one another.

        Raises:
            DefinitionError: it is no composition of steps, or was said before.
        """
        if self._timeline is not None:
            raise DefinitionError("the workflow", ["it has a timeline already: compose all of it in one"])
        composed = [Timeline.of(part) for part in parts]
        self._timeline = Timeline(tuple(stage for each in composed for stage in each.stages))

    def diverge(self, from_step: AnyStep, patterns: Mapping[str, Target]) -> None:
        """Look at what comes out of a step; the first pattern that matches leaves the timeline.

        A pattern is `ok`, `error`, `_` for anything, a text for itself, or `mapping(...)` for a part of a mapping. A
        step or composition replaces the rest, unless it ends in a step of the timeline: then it goes on from there.

        Raises:
            DefinitionError: there are no patterns, one leads to no step, or the step has such a rule already.
        """
        self._rules.add_diverge(from_step, patterns)

    @overload
    def branch(
        self, after: AnyStep, /, *, condition: Condition, when_true: Target, when_false: Target | None = None
    ) -> None: ...

    @overload
    def branch(
        self, after: AnyStep, cases: Mapping[Condition, Target], /, *, otherwise: Target | None = None
    ) -> None: ...

    def branch(
        self,
        after: AnyStep,
        cases: Mapping[Condition, Target] | None = None,
        /,
        *,
        condition: Condition | None = None,
        when_true: Target | None = None,
        when_false: Target | None = None,
        otherwise: Target | None = None,
    ) -> None:
        """Ask about the value of a step that succeeded, take the path of the first condition that holds, and return.

        It returns to what comes after the step, or to where the path's last step stands if that is on the timeline.

        Raises:
            DefinitionError: there are no conditions, one is none, or the step has such a rule already.
        """
        check_lines("a branch", cases or {}, "condition")
        if (condition is None) is not (when_true is None):
            raise DefinitionError("a branch", ["give condition= and when_true= together"])
        if when_false is not None and otherwise is not None:
            raise DefinitionError("a branch", ["give when_false= or otherwise=, not both: they say the same"])
        told = dict(cases or {})
        if condition is not None and when_true is not None:
            told[condition] = when_true
        last = otherwise if when_false is None else when_false
        if last is not None and not told:
            raise DefinitionError("a branch", ["it has no condition: give condition= and when_true= together"])
        if last is not None:
            told[OTHERWISE] = last
        self._rules.add_branch(after, told)

    def signals(self, *names: str) -> None:
        """Name the signals that the workflow takes: those of other names are refused. Without it, it takes any.

        Raises:
            DefinitionError: it names none.
        """
        texts: tuple[object, ...] = names
        faults = [f"{name!r} is no name: give a text" for name in texts if not isinstance(name, str) or not name]
        if faults or not names:
            raise DefinitionError("wf.signals", faults or ["it names none: leave it out, and the workflow takes any"])
        self._signals += names

    def build(self, name: str, max_visits: int, queue: str | None, definition: Callable[..., object]) -> Built:
        """What was said, as the contract writes it, examined.

        Raises:
            DefinitionError: with everything that is wrong with it.
        """
        timeline, rules = self._timeline, self._rules
        if timeline is None or not timeline.stages:
            raise DefinitionError(f"workflow '{name}'", ["it has no timeline: call wf.timeline(first >> second)"])
        steps, ambiguous = _steps(timeline, rules)
        faults = [*ambiguous]
        faults += [fault for step in steps.values() for fault in _parameter_faults(step, steps)]
        faults += _condition_faults(rules.predicates(), steps)
        faults += ["its queue is empty: name one, or leave it out"] if queue == "" else []
        if wrong := _kind_faults(max_visits, queue):
            raise DefinitionError(f"workflow '{name}'", wrong)
        shape = pb.WorkflowDefinition(
            timeline=[_step(step, steps) for step in steps.values()],
            stages=stages(timeline),
            max_visits=max_visits if max_visits != DEFAULT_MAX_VISITS else 0,
            signals=self._signals,
            queue=queue or "",
        )
        rules.write(shape)
        blueprint = pb.Blueprint(workflow_module=name, language="python", definition=shape)
        blueprint.description = description_of(definition, steps)
        faults += _text_faults(blueprint) or ([] if ambiguous else validate(blueprint).errors)
        if faults:
            raise DefinitionError(f"workflow '{name}'", faults)
        return Built(steps, blueprint, rules.predicates())


def _kind_faults(max_visits: object, queue: object) -> list[str]:
    """What is of another kind than it has to be."""
    faults = [f"its queue is {queue!r}: give a text"] if not isinstance(queue, str | None) else []
    if not isinstance(max_visits, int):
        faults.append(f"max_visits is {max_visits!r}: give a whole number")
    elif not 1 <= max_visits <= MOST_TIMES:
        faults.append(f"max_visits is {max_visits}: let each step be visited once, and {MOST_TIMES} times at most")
    return faults


def _text_faults(blueprint: pb.Blueprint) -> list[str]:
    """Which of its texts cannot be written, or whether its lanes nest too deep."""
    try:
        blueprint.to_bytes()
    except EncodeError as error:
        return [f"it cannot be sent: {error}; texts hold no lone surrogates, and lanes nest 49 deep at most"]
    return []


def _steps(timeline: Timeline, rules: RuleBook) -> tuple[dict[str, AnyStep], list[str]]:
    """Every step by its name, those of the timeline first, and which names mean two things."""
    steps: dict[str, AnyStep] = {}
    faults: list[str] = []
    for step in timeline.steps():
        if step.name in steps:
            faults.append(
                f"step '{step.name}' stands twice on the timeline: give the second a name of its own, as in "
                f"{step.name}.named('{step.name}_again')"
            )
        steps[step.name] = step
    for owner, path in rules.led():
        faults += [
            f"two steps are called '{step.name}', one on the path from '{owner}': rename one"
            for step in path.steps()
            if steps.setdefault(step.name, step).function is not step.function
        ]
    return steps, faults


def _parameter_faults(step: AnyStep, steps: Mapping[str, AnyStep]) -> list[str]:
    return [
        f"step '{step.name}' has a parameter '{name}', which is no step of this workflow: "
        "name an earlier step, 'inputs' or 'context', or give it a default"
        for name, parameter in step.parameters.items()
        if name not in (CONTEXT, INPUTS) and name not in steps and parameter.default is inspect.Parameter.empty
    ]


def _condition_faults(predicates: Mapping[str, Sequence[Predicate]], steps: Mapping[str, AnyStep]) -> Iterator[str]:
    """What workers cannot answer of conditions over messages: they see what the step gave and took."""
    for owner, conditions in predicates.items():
        taken = steps[owner].parameters.keys() if owner in steps else ()
        for condition in conditions:
            if isinstance(condition, TextCondition):
                seen = dict.fromkeys((condition.step, *(INPUTS if each == CONTEXT else each for each in taken)))
                try:
                    CelCondition(condition.text, tuple(seen)).check()
                except ConditionError as error:
                    yield (
                        f"condition '{condition.text}' of '{owner}' cannot be evaluated: {error}; its worker sees "
                        f"what the step gives and takes, {', '.join(seen)}"
                    )


def _step(step: AnyStep, steps: Mapping[str, AnyStep]) -> pb.Step:
    wanted = {name: each for name, each in step.parameters.items() if name in steps}
    return pb.Step(
        name=step.name,
        depends_on=list(wanted),
        optional=[name for name, each in wanted.items() if each.default is not inspect.Parameter.empty],
        takes_inputs=step.takes_inputs,
        retry=policy_of(step.retry) if step.retry else None,
        start_to_close_ms=_span(step.timeout),
        schedule_to_start_ms=_span(step.queue_timeout),
        heartbeat_timeout_ms=_span(step.heartbeat_timeout),
        queue=step.queue or "",
    )


def _span(limit: timedelta | None) -> int:
    return milliseconds(limit) if limit else 0
