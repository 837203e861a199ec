"""What a change of a declared workflow breaks: for those who start it, for those who implement it, and in flight.

An execution is pinned to the blueprint that it began with, so nothing that runs is changed by a new version; but it
needs a worker that still has the old code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from cerebelum_codegen.plugin.workflows.blueprint import blueprint_of
from cerebelum_codegen.plugin.workflows.declared import DeclaredApproval, DeclaredStep, DeclaredWorkflow, Line
from cerebelum_engine import hash_of
from cerebelum_engine.endings import endings_of
from cerebelum_proto.worker.worker_service_pb import Route

_KEEP = "executions in flight need workers with the old code until they have ended; `cerebelum migrate` refuses them"


class Effect(Enum):
    """Whom a change touches."""

    BREAKS = "breaks"
    """Code that was generated before, or an execution in flight, cannot go on as it is."""
    NEW_VERSION = "new version"
    """Executions in flight go on under the old one, for which a worker must stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change, where the new contract says it."""

    place: str
    effect: Effect
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.effect.value}: {self.text}"


def changes(before: Iterable[DeclaredWorkflow], after: Iterable[DeclaredWorkflow]) -> Iterator[Change]:
    """All that is otherwise in the newer contract."""
    now = {workflow.service: workflow for workflow in after}
    for old in before:
        if (new := now.get(old.service)) is None:
            yield _breaks(old.file, f"workflow {old.service} is gone: {_KEEP}")
            continue
        yield from _changed(old, new)


def _changed(old: DeclaredWorkflow, new: DeclaredWorkflow) -> Iterator[Change]:
    broken = [*_of_callers(old, new), *_of_steps(old, new), *_of_approvals(old, new), *_of_signals(old, new)]
    yield from broken
    if not broken and hash_of(blueprint_of(old)) != hash_of(blueprint_of(new)):
        told = f"{new.service} runs otherwise ({', '.join(_what(old, new))}): executions in flight go on as they began"
        mend = "keep a worker with the old code until they have ended, or move them with `cerebelum migrate`"
        yield Change(place=new.place, effect=Effect.NEW_VERSION, text=f"{told}; {mend}")


def _of_callers(old: DeclaredWorkflow, new: DeclaredWorkflow) -> Iterator[Change]:
    if old.name != new.name:
        yield _breaks(new.place, f"{new.service} is called {new.name} and not {old.name} any more: {_KEEP}")
    if old.inputs != new.inputs:
        told = f"{new.service} is started with {new.inputs} and not with {old.inputs}"
        yield _breaks(new.place, f"{told}: who starts it with generated code of before is refused")
    if old.execution_id != new.execution_id:
        yield _breaks(
            new.place,
            f"the execution id is '{new.execution_id}' and not '{old.execution_id}': a start that is repeated across "
            "the change begins a second execution",
        )
    gone = _results(new) - _results(old)
    if gone:
        told = f"{new.service} may end with {', '.join(sorted(gone))}"
        yield _breaks(new.place, f"{told}, which those who wait with generated code of before do not know")


def _of_steps(old: DeclaredWorkflow, new: DeclaredWorkflow) -> Iterator[Change]:
    now = {step.name: step for step in new.steps}
    for step in old.steps:
        if (found := now.get(step.name)) is None:
            yield _breaks(new.place, f"step '{step.name}' is gone: {_KEEP} where it has run")
        elif step.response != found.response:
            told = f"step '{step.name}' gives {found.response} and not {step.response}"
            yield _breaks(found.place, f"{told}: {_KEEP} where it has run")
        elif step.request != found.request:
            told = f"step '{step.name}' takes {found.request} and not {step.request}"
            yield _breaks(found.place, f"{told}: who implements it has to follow, and {_KEEP} where it has begun")


def _of_approvals(old: DeclaredWorkflow, new: DeclaredWorkflow) -> Iterator[Change]:
    now = {approval.name: approval for approval in new.approvals}
    for approval in old.approvals:
        if (found := now.get(approval.name)) is None:
            yield _breaks(new.place, f"approval '{approval.name}' is gone: what asks for it waits until it times out")
        elif _spoken(approval) != _spoken(found):
            told = f"approval '{approval.name}' asks {found.request} and is answered by {found.response}"
            yield _breaks(found.place, f"{told}: what asks now was asked as {approval.request} for {approval.response}")


def _of_signals(old: DeclaredWorkflow, new: DeclaredWorkflow) -> Iterator[Change]:
    now = {signal.name: signal for signal in new.signals}
    for signal in old.signals:
        if (found := now.get(signal.name)) is None:
            told = f"signal '{signal.name}' is gone"
            yield _breaks(new.place, f"{told}: who sends it with generated code of before is refused")
        elif signal.request != found.request:
            told = f"signal '{signal.name}' brings {found.request} and not {signal.request}"
            yield _breaks(found.place, f"{told}: who sends it with generated code of before sends what cannot be read")


def _what(old: DeclaredWorkflow, new: DeclaredWorkflow) -> Iterator[str]:
    """What is otherwise, in a word each."""
    if old.stages != new.stages:
        yield "its timeline"
    if [*map(_said, old.lines)] != [*map(_said, new.lines)]:
        yield "its rules"
    before, after = _by_name(old.steps), _by_name(new.steps)
    yield from (f"step '{name}' is new" for name in after if name not in before)
    for name in (name for name in before if name in after):
        if before[name].sources != after[name].sources:
            yield f"what '{name}' takes"
        elif _policy(before[name]) != _policy(after[name]):
            yield f"the policy of '{name}'"
    known = {signal.name for signal in old.signals}
    yield from (f"signal '{signal.name}' is new" for signal in new.signals if signal.name not in known)
    if old.max_visits != new.max_visits:
        yield "its max_visits"
    if old.queue != new.queue:
        yield "its queue"


def _results(workflow: DeclaredWorkflow) -> set[str]:
    endings = endings_of(blueprint_of(workflow))
    return {workflow.step(ending[0]).response for ending in endings if len(ending) == 1}


def _said(line: Line) -> tuple[str, str, Route]:
    return line.step, line.text, line.route


def _policy(step: DeclaredStep) -> tuple[object, ...]:
    return (step.retry, step.start_to_close_ms, step.schedule_to_start_ms, step.heartbeat_timeout_ms, step.queue)


def _by_name(steps: Iterable[DeclaredStep]) -> Mapping[str, DeclaredStep]:
    return {step.name: step for step in steps}


def _spoken(approval: DeclaredApproval) -> tuple[str, str]:
    return approval.request, approval.response


def _breaks(place: str, text: str) -> Change:
    return Change(place=place, effect=Effect.BREAKS, text=text)
