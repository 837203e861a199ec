"""Which answers each step takes: its request is found by type, and a message of several by the names of its fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.descriptor_pb2 import FeatureSet, FieldDescriptorProto

from cerebelum_codegen.plugin import features
from cerebelum_codegen.plugin.declarations import Declarations
from cerebelum_codegen.plugin.workflows.declared import INPUTS, NOTHING, DeclaredStep, DeclaredWorkflow, Part
from cerebelum_codegen.plugin.workflows.faults import Faults
from cerebelum_engine.paths import Path, path_of

_F = FieldDescriptorProto


class Wiring:
    """Finds what the steps of one workflow take."""

    def __init__(self, workflow: DeclaredWorkflow, declared: Declarations, faults: Faults) -> None:
        self._workflow = workflow
        self._declared = declared
        self._faults = faults
        self._order = _Order(workflow)
        self._answers = {step.name: step.response for step in workflow.steps} | {INPUTS: workflow.inputs}

    def wired(self) -> DeclaredWorkflow:
        """The workflow, each of its steps with what it takes. What cannot be found is noted as a fault."""
        return replace(self._workflow, steps=tuple(self._step(step) for step in self._workflow.steps))

    def _step(self, step: DeclaredStep) -> DeclaredStep:
        if step.takes:
            self._check(step)
            return step
        if step.request == NOTHING:
            return step
        found = list(self._fitting(step))
        if len(found) == 1:
            return replace(step, takes=found[0])
        if found:
            self._fault(step, f'{_listed(found)} give one each: say which with takes: "{found[0]}"')
            return step
        return self._composed(step)

    def _check(self, step: DeclaredStep) -> None:
        answer = self._answers.get(step.takes)
        if answer is None:
            self._fault(step, f"takes names '{step.takes}', which is no step: name one, or inputs")
        elif step.request == NOTHING:
            self._fault(step, f"takes names '{step.takes}', but such a request takes nothing: leave it out")
        elif answer != step.request:
            self._fault(step, f"takes names {self._giver(step.takes)}, which gives {answer}")

    def _fitting(self, step: DeclaredStep) -> Iterator[str]:
        """Whatever comes before a step and gives what it requests."""
        if self._workflow.inputs == step.request:
            yield INPUTS
        before = self._order.before(step.name)
        yield from (each.name for each in self._workflow.steps if each.name in before and each.response == step.request)

    def _composed(self, step: DeclaredStep) -> DeclaredStep:
        """A request whose fields are named after the steps whose answers they hold."""
        message = self._declared[f".{step.request}"].message
        fields = list(message.field) if message is not None else []
        if not any(field.name in self._answers for field in fields):
            self._fault(step, self._unmet(step))
            return step
        for field in fields:
            self._check_part(step, field)
        parts = tuple(Part(name=field.name, optional=self._is_optional(step, field)) for field in fields)
        return replace(step, parts=parts)

    def _unmet(self, step: DeclaredStep) -> str:
        late = [each.name for each in self._workflow.steps if each.response == step.request and each is not step]
        if late:
            return f"step '{late[0]}' gives one, but does not come before it: move it to an earlier stage"
        return (
            f"neither the inputs ({self._workflow.inputs}) nor a step before it gives one: let a step answer with it, "
            "or name its fields after the steps whose answers they are to hold"
        )

    def _check_part(self, step: DeclaredStep, field: _F) -> None:
        answer, held = self._answers.get(field.name), field.type_name.removeprefix(".")
        if answer is None:
            self._fault(step, f"its field '{field.name}' is called like no step: name a step before it, or inputs")
        elif field.label == _F.LABEL_REPEATED or field.type != _F.TYPE_MESSAGE or held != answer:
            self._fault(step, f"its field '{field.name}' does not hold {answer}, which {self._giver(field.name)} gives")
        elif field.HasField("oneof_index") and not field.proto3_optional:
            self._fault(step, f"its field '{field.name}' stands in a oneof: several answers are given, so move it out")

    def _is_optional(self, step: DeclaredStep, field: _F) -> bool:
        """proto3 says `optional` where it is meant; elsewhere a field is, unless it is required."""
        held = features.within(self._declared[f".{step.request}"].features, field.options)
        explicit = held.field_presence == FeatureSet.EXPLICIT and not features.is_required(field, held)
        return field.proto3_optional or explicit

    def _giver(self, name: str) -> str:
        return "the inputs" if name == INPUTS else f"step '{name}'"

    def _fault(self, step: DeclaredStep, told: str) -> None:
        self._faults.note(step.place, f"rpc {step.rpc} takes {step.request}: {told}")


class _Order:
    """What may have run before a step."""

    def __init__(self, workflow: DeclaredWorkflow) -> None:
        self._timeline = path_of(workflow.stages)
        self._diverging = [path_of(line.route.path, owner=line.step) for line in workflow.diverge]
        self._branching = [path_of(line.route.path, owner=line.step) for line in workflow.branch]
        self._returning = self._branching + [path for path in self._diverging if self._returns(path)]

    def before(self, step: str) -> frozenset[str]:
        """Every step that may have run before it, however it was reached."""
        found, todo = set[str](), [step]
        while todo:
            name = todo.pop()
            new = {*self._leading(name), *(self._passed(name) if name != step else ())} - found
            found |= new
            todo += new
        return frozenset(found - {step})

    def _leading(self, step: str) -> Iterator[str]:
        """What comes before a step on a path, and the step whose rule leads over that path."""
        for path in (self._timeline, *self._diverging, *self._branching):
            if step in path.before:
                yield from path.upstream(step)
                yield from (path.owner,) if path.owner else ()

    def _passed(self, step: str) -> Iterator[str]:
        """What a rule of a step may have led over, before its execution came back."""
        for path in self._returning:
            if path.owner == step:
                yield from path.before

    def _returns(self, path: Path) -> bool:
        return any(end in self._timeline.before for end in path.ends)


def _listed(found: list[str]) -> str:
    names = ["the inputs" if name == INPUTS else f"'{name}'" for name in found]
    return f"{', '.join(names[:-1])} and {names[-1]}"
