"""Required fields of proto2: a message without one is neither written nor read."""

from __future__ import annotations

from typing import TypeVar

from cerebelum_codegen.runtime.descriptor import fields_of, messages_in
from cerebelum_codegen.runtime.errors import DecodeError, Missing
from cerebelum_codegen.runtime.message import Message

_M = TypeVar("_M", bound=Message)


def missing(message: Message, attribute: str) -> Missing:
    return Missing(f"{message.FULL_NAME}.{attribute}: a required field has no value")


def complete(message: _M) -> _M:
    """The message itself, when it and all that it holds have their required fields.

    Raises:
        DecodeError: one is missing; it names it.
    """
    if (absent := _absent(message)) is not None:
        raise DecodeError(f"{absent}: a required field is missing")
    return message


def _absent(message: Message) -> str | None:
    for field in fields_of(type(message)):
        if field.required and getattr(message, field.attribute) is None:
            return f"{message.FULL_NAME}.{field.attribute}"
    return next((found for each in messages_in(message) if (found := _absent(each)) is not None), None)
