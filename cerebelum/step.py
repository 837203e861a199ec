"""`@step`: a function as a unit of a workflow. It stays callable as the function that it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Generic, ParamSpec, Self, TypeVar, overload

from cerebelum.errors import DefinitionError
from cerebelum.policies import Retry, policy_faults

_P = ParamSpec("_P")
_R = TypeVar("_R")

CONTEXT, INPUTS = "context", "inputs"
_ACTIONS = ("retry", "back_to", "skip_to", "proceed", "fail", "end")


class Part:
    """What compositions are made of: steps, and compositions themselves."""

    __slots__ = ()

    def __rshift__(self, after: Part | Sequence[Part]) -> Timeline:
        return Timeline.of(self) >> after

    # mypy takes a list of steps that differ in their types, where nothing says what is expected, for one of objects.
    def __rrshift__(self, before: Sequence[Part] | list[object]) -> Timeline:
        return Timeline.of(before) >> self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnyStep(Part):
    """A step of any signature."""

    name: str
    function: Callable[..., object] = field(repr=False)
    parameters: Mapping[str, inspect.Parameter] = field(repr=False)
    retry: Retry | None = None
    timeout: timedelta | None = None
    """How long one try may run."""
    heartbeat_timeout: timedelta | None = None
    """How long one try may go on without `context.heartbeat()`."""
    queue_timeout: timedelta | None = None
    """How long it may wait for a worker."""
    queue: str | None = None
    """Only workers that serve it get its tasks; by default the workflow's."""

    def named(self, name: str) -> Self:
        """The same step under another name: what stands twice in a workflow needs two.

        Raises:
            DefinitionError: the name cannot be one of a step.
        """
        if faults := _name_faults(name):
            raise DefinitionError(f"step '{name}'", faults)
        return replace(self, name=name)

    @property
    def takes_context(self) -> bool:
        """Whether it has a parameter `context`."""
        return CONTEXT in self.parameters

    @property
    def takes_inputs(self) -> bool:
        """Whether it has a parameter `inputs`."""
        return INPUTS in self.parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step(AnyStep, Generic[_P, _R]):
    """A step that is called like its function."""

    function: Callable[_P, _R] = field(repr=False)

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self.function(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Timeline(Part):
    """A composition: stages in order, each of lanes that run at once. Made by `>>` and lists."""

    stages: tuple[tuple[AnyStep | Timeline, ...], ...]

    @classmethod
    def of(cls, part: object) -> Timeline:
        """A step, a group or a composition as a composition.

        Raises:
            DefinitionError: it is nothing of that.
        """
        if isinstance(part, Timeline):
            return part
        if isinstance(part, AnyStep):
            return cls(((part,),))
        if isinstance(part, list | tuple):
            if not part:
                raise DefinitionError("a group", ["it is empty: write steps into it, as in a >> [b, c]"])
            return cls((tuple(cls.of(lane).as_lane() for lane in part),))
        raise DefinitionError("a composition", [f"{told(part)} is no step: {_mend(part)}"])

    def as_lane(self) -> AnyStep | Timeline:
        """The step that it only consists of, else itself."""
        first = self.stages[0]
        return first[0] if len(self.stages) == len(first) == 1 else self

    def steps(self) -> Iterator[AnyStep]:
        """Every step in it, in order."""
        for stage in self.stages:
            for lane in stage:
                yield from (lane,) if isinstance(lane, AnyStep) else lane.steps()

    def __rshift__(self, after: Part | Sequence[Part]) -> Timeline:
        return Timeline((*self.stages, *Timeline.of(after).stages))


@overload
def step(function: Callable[_P, _R], /) -> Step[_P, _R]: ...


@overload
def step(
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
    heartbeat_timeout: timedelta | None = None,
    queue_timeout: timedelta | None = None,
    queue: str | None = None,
) -> Callable[[Callable[_P, _R]], Step[_P, _R]]: ...


def step(
    function: Callable[_P, _R] | None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
    heartbeat_timeout: timedelta | None = None,
    queue_timeout: timedelta | None = None,
    queue: str | None = None,
) -> Step[_P, _R] | Callable[[Callable[_P, _R]], Step[_P, _R]]:
    """Make a step of an `async def`, or of a plain `def`, which then runs in a thread.

    A parameter `context` gets the `Context`, `inputs` what the execution was started with; every other one names the
    step whose result it takes. A step returns its value, bare or as `{"ok": value}`; `{"error": reason}` fails it for
    good, an exception obeys the retry policy (none: one try).

    Args:
        function: what it runs.
        name: its name on the timeline, by default the function's.
        retry: how often and with which pauses it is tried.
        timeout: how long one try may run.
        heartbeat_timeout: how long one try may go on without calling `context.heartbeat()`.
        queue_timeout: how long it may wait for a worker; then it fails for good.
        queue: only workers that serve it get its tasks; by default the workflow's.

    Raises:
        DefinitionError: the function's parameters cannot be those of a step.
    """

    def decorate(decorated: Callable[_P, _R]) -> Step[_P, _R]:
        limits = {"timeout": timeout, "heartbeat_timeout": heartbeat_timeout, "queue_timeout": queue_timeout}
        return _define(decorated, name, retry, limits, queue)

    return decorate if function is None else decorate(function)


def told(thing: object) -> str:
    """What something is called in an error."""
    name = getattr(thing, "__name__", "")
    return f"function '{name}'" if callable(thing) and name else repr(thing)


def _mend(thing: object) -> str:
    name = getattr(thing, "__name__", "")
    if name in _ACTIONS:
        return f"call it, as in {name}()"
    if callable(thing):
        return "decorate it with @step"
    return "name decorated functions, and compose them as in a >> b"


def _define(
    function: Callable[_P, _R],
    name: str | None,
    retry: Retry | None,
    limits: Mapping[str, timedelta | None],
    queue: str | None,
) -> Step[_P, _R]:
    if isinstance(function, AnyStep):
        raise DefinitionError(f"step '{function.name}'", ["it is a step already: decorate it once"])
    if not callable(function):
        mend = f": write @step(name={function!r})" if isinstance(function, str) else ""
        raise DefinitionError("@step", [f"{function!r} is no function{mend}"])
    if isinstance(function, type):
        raise DefinitionError("@step", [f"{function.__name__} is a class: decorate a function"])
    if name is not None and not isinstance(name, str):
        raise DefinitionError("@step", [f"its name {name!r} is no text"])
    chosen = name or str(getattr(function, "__name__", ""))
    parameters = inspect.signature(function).parameters
    faults = [*_name_faults(chosen), *_parameter_faults(parameters), *policy_faults(retry, limits, queue)]
    if faults:
        raise DefinitionError(f"step '{chosen}'", faults)
    return Step(name=chosen, function=function, parameters=parameters, retry=retry, queue=queue, **limits)


def _name_faults(name: object) -> list[str]:
    if not isinstance(name, str):
        return [f"its name {name!r} is no text"]
    if name in (CONTEXT, INPUTS):
        return [f"'{name}' is a reserved parameter: give the step another name"]
    return [] if name.isidentifier() else [f"'{name}' is no identifier: pass a name that can be a parameter"]


def _parameter_faults(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    faults: list[str] = []
    for name, parameter in parameters.items():
        if name == "self":
            faults.append("it takes 'self': a step is a function of its own, no method")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            bare = parameter.replace(annotation=parameter.empty)
            faults.append(f"it takes '{bare}': name each step whose result it needs as a parameter of its own")
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            faults.append(f"parameter '{name}' is positional only: steps are called by name")
    return faults
