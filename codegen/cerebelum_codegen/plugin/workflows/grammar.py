"""The texts of a declared workflow: compositions and targets in the DSL's own spelling, and durations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cerebelum_proto.worker import worker_service_pb as pb

_TOKEN = re.compile(r"\s*(?:(>>|[\[\](),])|([A-Za-z_]\w*)|('[^']*'|\"[^\"]*\"))")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 36_525 * _UNITS["d"]
_SPAN = re.compile(r"(?:\d+(?:ms|s|m|h|d))+")
_KINDS = pb.RouteAction
_BARE = {"retry": _KINDS.ROUTE_ACTION_RETRY, "proceed": _KINDS.ROUTE_ACTION_PROCEED, "end": _KINDS.ROUTE_ACTION_END}
_TO_STEP = {"back_to": _KINDS.ROUTE_ACTION_BACK_TO, "skip_to": _KINDS.ROUTE_ACTION_SKIP_TO}
_ACTIONS = "retry(), back_to(step), skip_to(step), proceed(), fail('reason') or end()"

Stages: TypeAlias = "tuple[tuple[str | Stages, ...], ...]"
"""A composition: stages in order, each of lanes that run at once."""


class GrammarError(ValueError):
    """A text that cannot be read, and what it should look like."""


def stages_in(text: str) -> list[pb.Stage]:
    """The stages of a timeline: "a >> [b, c >> d] >> e".

    Raises:
        GrammarError: it is no composition of steps.
    """
    reader = _Reader(text)
    composition = reader.composition()
    reader.expect_end()
    return written(composition)


def route_in(text: str) -> pb.Route:
    """Where a rule leads: over steps, or an action.

    Raises:
        GrammarError: it is neither.
    """
    reader = _Reader(text)
    if reader.is_call():
        route = reader.action()
    else:
        route = pb.Route(action=_KINDS.ROUTE_ACTION_PATH, path=written(reader.composition()))
    reader.expect_end()
    return route


def written(stages: Stages) -> list[pb.Stage]:
    """A composition in the contract's words, as the DSL writes it."""
    return [_stage(lanes) for lanes in stages]


def milliseconds_in(text: str) -> int:
    """A duration, "1h30m", in milliseconds; 0 for no text.

    Raises:
        GrammarError: it is none, or not longer than nothing.
    """
    if not text:
        return 0
    if not _SPAN.fullmatch(text):
        raise GrammarError(f"'{text}' is no duration: write numbers with units, as in 500ms, 30s, 1h30m, 3d")
    span = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text))
    if span > _LONGEST_MS:
        raise GrammarError(f"'{text}' is longer than a century: write a shorter duration")
    if span == 0:
        raise GrammarError(f"'{text}' is no time at all: write a longer duration, or leave it out")
    return span


def _stage(lanes: Sequence[str | Stages]) -> pb.Stage:
    names = [lane for lane in lanes if isinstance(lane, str)]
    if len(names) == len(lanes):
        return pb.Stage(steps=names)
    bare = [((lane,),) if isinstance(lane, str) else lane for lane in lanes]
    return pb.Stage(lanes=[pb.Lane(stages=written(lane)) for lane in bare])


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    kind: str


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def composition(self) -> Stages:
        """Parts joined by `>>`."""
        stages = [*self._part()]
        while self._peek() == ">>":
            self._take()
            stages += self._part()
        return tuple(stages)

    def is_call(self) -> bool:
        """Whether a name with a parenthesis behind it stands here."""
        return self._peek() != "" and self._peek(1) == "("

    def action(self) -> pb.Route:
        """`name(argument)`."""
        name = self._name()
        self._take("(")
        argument = None if self._peek() == ")" else self._take_any()
        self._take(")")
        is_text = argument is not None and argument.kind == "text"
        if name in _BARE and argument is None:
            return pb.Route(action=_BARE[name])
        if name in _TO_STEP and argument is not None and argument.kind == "name":
            return pb.Route(action=_TO_STEP[name], step=argument.text)
        if name == "fail" and argument is not None and is_text:
            return pb.Route(action=_KINDS.ROUTE_ACTION_FAIL, reason=argument.text[1:-1])
        raise self._fault(f"is no action: write {_ACTIONS}")

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise self._fault(f"has '{self._peek()}' where >> or its end is expected")

    def _part(self) -> Stages:
        if self._peek() == "(":
            self._take()
            inner = self.composition()
            self._take(")")
            return inner
        if self._peek() != "[":
            return ((self._name(),),)
        self._take()
        lanes = [_lane(self.composition())]
        while self._peek() == ",":
            self._take()
            lanes.append(_lane(self.composition()))
        self._take("]")
        return (tuple(lanes),)

    def _name(self) -> str:
        token = self._take_any()
        if token.kind != "name":
            raise self._fault(f"has '{token.text}' where the name of a step is expected")
        return token.text

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> None:
        found = self._take_any()
        if wanted and found.text != wanted:
            raise self._fault(f"has '{found.text}' where '{wanted}' is expected")

    def _take_any(self) -> _Token:
        if not self._tokens:
            raise GrammarError("it is empty: write steps, as in a >> [b, c] >> d")
        if self._at == len(self._tokens):
            raise self._fault("ends where something is missing: write steps, as in a >> [b, c] >> d")
        self._at += 1
        return self._tokens[self._at - 1]

    def _fault(self, told: str) -> GrammarError:
        return GrammarError(f"'{self._text}' {told}")


def _lane(stages: Stages) -> str | Stages:
    """The step that it only consists of, else itself."""
    first = stages[0]
    return first[0] if len(stages) == len(first) == 1 else stages


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise GrammarError(f"'{text}' has '{text[at:].strip()[0]}', which means nothing there")
        sign, name, quoted = found.groups()
        yield _Token(sign or name or quoted, "sign" if sign else "name" if name else "text")
        at = found.end()
