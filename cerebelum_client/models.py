"""Pydantic's models, where pydantic is installed (2.11 or newer). Nothing here imports it.

A model travels by its fields' own values, so each of them is as exact as it is elsewhere, and is validated when it
comes back.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from pydantic import BaseModel


def is_model(value: object) -> TypeGuard[BaseModel]:
    """Whether a value is a model. Whoever has one has imported pydantic."""
    base = _base()
    return base is not None and isinstance(value, base)


def is_model_class(kind: type) -> TypeGuard[type[BaseModel]]:
    """Whether a class is one of models."""
    base = _base()
    return base is not None and issubclass(kind, base)


def members_of(model: BaseModel) -> Iterator[tuple[str, object]]:
    """Its fields by name, and what it holds beyond them."""
    for name in type(model).model_fields:
        yield name, getattr(model, name)
    yield from (model.model_extra or {}).items()


def model_of(kind: type[BaseModel], members: Mapping[str, object]) -> BaseModel:
    """A model of these members, validated.

    Raises:
        ValueError: they are not those of such a model.
    """
    return kind.model_validate(members, by_name=True)


def _base() -> type[BaseModel] | None:
    pydantic = sys.modules.get("pydantic")
    return getattr(pydantic, "BaseModel", None)
