"""A workflow as its proto file declares it, for those who start it and those who implement it: data, without code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from cerebelum.declared.events import ApprovalAnswered, ApprovalAsked, Signalled, StepCompleted
from cerebelum_client import PLAIN
from cerebelum_codegen.runtime import Empty, Message
from cerebelum_proto.options.v1.options_pb import IdReuse
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import Blueprint

INPUTS = "inputs"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the steps of an execution have given so far, each None until it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepType:
    """A step: what it takes, and what it gives."""

    name: str
    method: str
    """What it is called in Python."""
    response: type[Message]
    completed: type[StepCompleted[object]]
    """The event that tells of its answer."""
    request: type[Message] = Empty
    takes: str = ""
    """Whose answer its request is: a step, or `inputs`."""
    parts: tuple[str, ...] = ()
    """The steps whose answers its request is put together of, each in the field of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalType:
    """An approval: the question and the answer."""

    name: str
    request: type[Message]
    response: type[Message]
    asked: type[ApprovalAsked[object]]
    answered: type[ApprovalAnswered[object]]
    doc: str = ""
    """The contract's comment on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalType:
    """A signal: what it brings."""

    name: str
    request: type[Message]
    signalled: type[Signalled[object]]
    """The event that tells that it came."""
    doc: str = ""
    """The contract's comment on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """All that the contract says about a workflow."""

    blueprint: Blueprint
    inputs: type[Message]
    outputs: type[Outputs]
    steps: tuple[StepType, ...]
    approvals: tuple[ApprovalType, ...] = ()
    signals: tuple[SignalType, ...] = ()
    execution_id: str = ""
    """Made of fields of the inputs; empty for a new id each time."""
    id_reuse: IdReuse = IdReuse.ID_REUSE_SAME
    deadline: timedelta | None = None
    tags: tuple[str, ...] = ()
    doc: str = ""
    """The contract's comment on it."""
    _by_name: Mapping[str, StepType] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {step.name: step for step in self.steps})

    @property
    def name(self) -> str:
        """What the Core calls it."""
        return self.blueprint.workflow_module

    def approval(self, name: str) -> ApprovalType | None:
        """The approval of this name."""
        return next((each for each in self.approvals if each.name == name), None)

    def signal(self, name: str) -> SignalType | None:
        """The signal of this name."""
        return next((each for each in self.signals if each.name == name), None)

    def step(self, name: str) -> StepType | None:
        """The step of this name; a newer version of the workflow may have others."""
        return self._by_name.get(name)

    def read(self, step: str, payload: Payload | None) -> object:
        """What a step gave; of one that this version does not know, the payload."""
        known = self.step(step)
        return PLAIN.read(payload, known.response) if known is not None else payload

    def outputs_of(self, values: Mapping[str, object]) -> Outputs:
        """What steps have given, by their names, typed."""
        known = {step.method: values[step.name] for step in self.steps if step.name in values}
        return cast("Callable[..., Outputs]", self.outputs)(**known)

    def result_of(self, values: Mapping[str, object], result_steps: Iterable[str]) -> object:
        """What an execution ended with: the answer of the last step, of several those of all, or nothing."""
        last = {name: values[name] for name in result_steps if name in values}
        return next(iter(last.values())) if len(last) == 1 else self.outputs_of(last) if last else None
