"""How a compiled class becomes the dataclass that it was written as. Only modules in their compiled form come here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final, TypeVar, cast

_T = TypeVar("_T")

UNSET: Final = object()
"""An argument that was not given, where each instance gets a fresh value."""


def adopt(
    kind: type,
    annotations: Mapping[str, str],
    defaults: Mapping[str, object],
    *,
    from_bytes: Callable[[bytes], object] | None = None,
    **options: bool,
) -> None:
    """Let `dataclass` see the fields as they were written, and put the compiled attributes back in their place."""
    places = {name: kind.__dict__[name] for name in annotations if name in kind.__dict__}
    for name in places:
        delattr(kind, name)
    for name, value in defaults.items():
        setattr(kind, name, value)
    kind.__annotations__ = dict(annotations)
    # Without one, `dataclass` asks for the signature, which a compiled class has none of: Python 3.11.2 fails there.
    kind.__doc__ = kind.__doc__ or kind.__name__
    dataclass(init=False, **options)(kind)
    for name, place in places.items():
        setattr(kind, name, place)
    if from_bytes is not None:
        setattr(kind, "from_bytes", from_bytes)  # noqa: B010  # the class has one, bound each time that it is called
    setattr(kind, "__reduce__", _reduce)  # noqa: B010  # pickle finds no slots here to ask for


def _reduce(self: object) -> tuple[object, ...]:
    return _restored, (type(self), {each.name: getattr(self, each.name) for each in fields(cast("type", self))})


def _restored(kind: type[_T], values: Mapping[str, object]) -> _T:
    return kind(**values)
