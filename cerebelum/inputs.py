"""What an execution may be started with: what its first steps could not read is told to who starts it, not to them.

Conversion decides, as it does in the step: a value that it leaves as it is, is none of its business here either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, get_args, get_origin

from cerebelum_client import PayloadError, Payloads
from cerebelum_client.annotations import FROM_TEXT, fit, hints_of
from cerebelum_client.models import is_model_class
from cerebelum_client.tagged import fit_as
from cerebelum_codegen.runtime import Message
from cerebelum_engine.rules import ANYTHING, ERROR
from cerebelum_proto.types.v1.types_pb import Payload

if TYPE_CHECKING:
    from cerebelum.code import Code
    from cerebelum_engine import Blueprint

_LONGEST = 60
_MEETING = (ANYTHING, ERROR, PayloadError.__name__)
"""The patterns that meet what a step raises when it cannot read what it takes."""


class InputsPlan:
    """How a workflow takes its inputs, worked out once."""

    def __init__(self, blueprint: Blueprint, code: Code) -> None:
        self._workflow = blueprint.workflow
        self._payloads = code.payloads
        first = [name for name, before in blueprint.timeline.before.items() if not before and _fails(name, blueprint)]
        self._taken = [taken for name in first for taken in _taken_by(name, code)]
        self._known = _known(blueprint, code)

    def check(self, inputs: object, payload: Payload) -> None:
        """See that the first steps can read the inputs, and that some step takes each of them.

        Raises:
            PayloadError: not so; the words name the input, what came, and what is wanted.
        """
        for taken in self._taken:
            if type(inputs) is not taken.kind and (fault := taken.fault(inputs, payload, self._payloads)):
                raise self._refused(f"step '{taken.step}' takes {_name(taken.kind)}: {fault}")
        if self._known is not None and isinstance(inputs, dict) and not inputs.keys() <= self._known:
            unknown = ", ".join(repr(each) for each in inputs if each not in self._known)
            raise self._refused(f"no step takes {unknown}: they take {', '.join(sorted(self._known))}")

    def _refused(self, fault: str) -> PayloadError:
        return PayloadError(f"workflow '{self._workflow}' cannot be started with these inputs: {fault}")


@dataclass(frozen=True, slots=True)
class _Taken:
    """How one step takes the inputs."""

    step: str
    kind: object
    is_class: bool
    """Whether nothing else than its instances will do."""
    plain: bool
    """Whether its fields tell all that could be wrong with a mapping."""
    required: Mapping[str, object] = field(default_factory=dict)
    """Fields without a default, with their types."""
    particular: Mapping[str, object] = field(default_factory=dict)
    """Fields that do not take every value, with their types."""

    def fault(self, inputs: object, payload: Payload, payloads: Payloads) -> str:
        """What is wrong with these inputs; empty when nothing is."""
        as_it_is = payload.encoding == "json"
        if self.plain and as_it_is and isinstance(inputs, dict):
            return "; ".join(self._member_faults(inputs))
        try:
            read = fit_as(inputs, self.kind) if as_it_is else payloads.read(payload, self.kind)
        except PayloadError as error:
            return str(error)
        fits = not self.is_class or (isinstance(self.kind, type) and isinstance(read, self.kind))
        return "" if fits else f"{_shown(inputs)} is none"

    def _member_faults(self, inputs: Mapping[str, object]) -> Iterator[str]:
        if not self.required.keys() <= inputs.keys():
            lacking = (name for name in self.required if name not in inputs)
            yield from (f"'{name}' is missing ({_name(self.required[name])})" for name in lacking)
        for name, kind in self.particular.items():
            if name in inputs:
                try:
                    fit(inputs[name], kind)
                except (ValueError, TypeError, ArithmeticError) as error:
                    yield f"'{name}' is {_shown(inputs[name])}, and no {_name(kind)}: {error}"


def _taken_by(step: str, code: Code) -> Iterator[_Taken]:
    plan = code.plan(step)
    for kind in plan.inputs if plan is not None else ():
        if not _is_particular(kind):
            continue
        is_class = isinstance(kind, type)
        if not isinstance(kind, type) or not _is_plain(kind):
            yield _Taken(step, kind, is_class, plain=False)
            continue
        hints = hints_of(kind)
        types = {each.name: hints.get(each.name, object) for each in fields(kind) if each.init}
        bare = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
        yield _Taken(
            step,
            kind,
            is_class,
            plain=True,
            required={name: each for name, each in types.items() if name in bare},
            particular={name: each for name, each in types.items() if _is_particular(each)},
        )


def _fails(step: str, blueprint: Blueprint) -> bool:
    """Whether the execution has failed once this step could not read what it takes: no rule is there for that."""
    rules = blueprint.rules.get(step)
    return rules is None or not any(case.text in _MEETING for case in rules.diverge)


def _known(blueprint: Blueprint, code: Code) -> frozenset[str] | None:
    """The inputs that the steps take; None where some step or condition may take any."""
    cases = [case for rules in blueprint.rules.values() for case in rules.branch]
    plans = [plan for plan in map(code.plan, blueprint.steps) if plan is not None]
    kinds = [kind for plan in plans for kind in plan.inputs]
    if not kinds or any("inputs" in case.text for case in cases):
        return None
    names: set[str] = set()
    for kind in kinds:
        if not isinstance(kind, type) or not is_dataclass(kind) or issubclass(kind, Message):
            return None
        names.update(each.name for each in fields(kind) if each.init)
    return frozenset(names)


def _is_plain(kind: type) -> bool:
    """Whether a dataclass is made of its fields, with nothing of its author's on the way."""
    told = kind.__dict__.get("__dataclass_params__")
    made = any("__new__" in each.__dict__ for each in kind.__mro__[:-1])
    own = made or hasattr(kind, "__post_init__") or issubclass(kind, Message)
    return told is not None and told.init and not own


def _is_particular(kind: object) -> bool:
    """Whether conversion to a type may fail."""
    if get_origin(kind) is not None:
        return any(map(_is_particular, get_args(kind)))
    if not isinstance(kind, type):
        return False
    return kind in FROM_TEXT or is_dataclass(kind) or is_model_class(kind) or issubclass(kind, Enum | Message)


def _name(kind: object) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind)


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__qualname__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
