"""The messages that a decorated workflow speaks: those that its annotations name, and stubs for all others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args, get_origin

from cerebelum import Context, Workflow
from cerebelum.step import CONTEXT, INPUTS
from cerebelum_cli.converting.texts import camel
from cerebelum_client.annotations import hints_of
from cerebelum_codegen.runtime import Empty, Message
from cerebelum_proto.worker import worker_service_pb as pb

NOTHING = "google.protobuf.Empty"
_GOOGLE = "google.protobuf."


@dataclass(slots=True)
class Messages:
    """Every message of one workflow, by the names that its file uses. Stubs collect in `stubs`, imports in `files`."""

    workflow: Workflow
    package: str
    service: str
    stubs: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    _hints: Mapping[str, Mapping[str, object]] = field(init=False)
    _answers: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._hints = {name: hints_of(step.function) for name, step in self.workflow.code.steps.items()}
        self._taken = {self.service, *self._declared()}
        definition = self.workflow.blueprint.definition or pb.WorkflowDefinition()
        wanted = {name for step in definition.timeline for name in step.depends_on}
        self._answers[INPUTS] = self._inputs(any(step.takes_inputs for step in definition.timeline))
        for step in definition.timeline:
            self._answers[step.name] = self._answer(step.name, step.name in wanted)

    @property
    def inputs(self) -> str:
        """What an execution is started with."""
        return self._answers[INPUTS]

    def response(self, step: str) -> str:
        """What a step gives."""
        return self._answers[step]

    def request(self, step: pb.Step) -> tuple[str, str]:
        """What a step takes, and whose answer that is where its type leaves a choice."""
        sources = [*([INPUTS] if step.takes_inputs else []), *step.depends_on]
        if not sources:
            return self._nothing(), ""
        if len(sources) > 1 or step.optional:
            return self._composed(step, sources), ""
        answer = self._answers[sources[0]]
        return answer, sources[0] if list(self._answers.values()).count(answer) > 1 else ""

    def signal(self, name: str) -> str:
        """What a signal brings, which nothing in Python says."""
        self._nothing()  # what its rpc returns
        return self._stub(f"{camel(name)}Signal", f"What signal `{name}` brings", [])

    def _composed(self, step: pb.Step, sources: list[str]) -> str:
        name = self._free(f"{camel(step.name)}Request")
        fields = [
            f"  {'optional ' if source in step.optional else ''}{self._answers[source]} {source} = {number};\n"
            for number, source in enumerate(sources, 1)
        ]
        self.stubs.append(
            f"// What `{step.name}` takes: the answers of other steps.\nmessage {name} {{\n{''.join(fields)}}}"
        )
        return name

    def _inputs(self, taken: bool) -> str:
        contexts = [get_args(each[CONTEXT])[:1] for each in self._hints.values() if _is_context(each.get(CONTEXT))]
        hints = [*(each[INPUTS] for each in self._hints.values() if INPUTS in each), *(each[0] for each in contexts)]
        if not taken and hints and all(_is_nothing(each) for each in hints):
            return self._nothing()
        return self._spoken(hints) or self._stub(f"{self.service}Inputs", "What an execution is started with", hints)

    def _answer(self, step: str, wanted: bool) -> str:
        given = [self._hints[step]["return"]] if "return" in self._hints[step] else []
        if not wanted and given and _is_nothing(given[0]):
            return self._nothing()
        hints = [*given, *(each[step] for each in self._hints.values() if step in each)]
        return self._spoken(hints) or self._stub(f"{camel(step)}Answer", f"What `{step}` gives", given)

    def _spoken(self, hints: list[object]) -> str:
        """The first message that the annotations name, as this file calls it."""
        for kind in (kind for hint in hints for kind in _messages_in(hint)):
            self.files.add(_file_of(kind))
            inside = f"{self.package}."
            return kind.FULL_NAME.removeprefix(inside) if kind.FULL_NAME.startswith(inside) else kind.FULL_NAME
        return ""

    def _stub(self, name: str, told: str, hints: list[object]) -> str:
        name = self._free(name)
        python = f" Python says {_shown(hints[0])}." if hints else ""
        self.stubs.append(f"// {told}: write its fields.{python}\nmessage {name} {{}}")
        return name

    def _free(self, name: str) -> str:
        while name in self._taken:
            name = f"{self.service}{name}"
        self._taken.add(name)
        return name

    def _nothing(self) -> str:
        self.files.add("google/protobuf/empty.proto")
        return NOTHING

    def _declared(self) -> Iterator[str]:
        """What this package declares already, in the files that the annotations name."""
        kinds = [kind for hints in self._hints.values() for hint in hints.values() for kind in _messages_in(hint)]
        for module in {kind.__module__ for kind in kinds if kind.FULL_NAME.startswith(f"{self.package}.")}:
            yield from (name for name, each in vars(sys.modules[module]).items() if isinstance(each, type))


def _messages_in(hint: object) -> Iterator[type[Message]]:
    """The message that an annotation is, or those of a union or of an annotated context."""
    if isinstance(hint, type) and issubclass(hint, Message):
        if not getattr(hint, "FULL_NAME", _GOOGLE).startswith(_GOOGLE):
            yield hint
    elif get_origin(hint) not in (list, dict, tuple, set, frozenset):
        for inner in get_args(hint):
            yield from _messages_in(inner)


def _is_nothing(hint: object) -> bool:
    return hint is type(None) or hint is Empty


def _is_context(hint: object) -> bool:
    return get_origin(hint) is Context


def _shown(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)


def _file_of(kind: type[Message]) -> str:
    return f"{kind.__module__.removesuffix('_pb').replace('.', '/')}.proto"
