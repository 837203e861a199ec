"""The id of an execution, made of its inputs as the contract says."""

from __future__ import annotations

import re
from enum import Enum

from cerebelum_client import InvalidRequest
from cerebelum_codegen.runtime import Message
from cerebelum_codegen.runtime.descriptor import field_named

_FIELD = re.compile(r"\{([^{}]*)\}")


def id_of(template: str, inputs: Message) -> str:
    """The execution id that `order/{order_id}` makes of these inputs.

    Raises:
        InvalidRequest: a field of it is not set.
    """

    def text(found: re.Match[str]) -> str:
        value = _value(inputs, found.group(1))
        if value is None or value == "":
            raise InvalidRequest(
                f"{type(inputs).FULL_NAME} has no {found.group(1)}, of which the execution id '{template}' is made: "
                "set it, or give an execution id of your own"
            )
        return value.name if isinstance(value, Enum) else str(value)

    return _FIELD.sub(text, template)


def _value(message: Message, path: str) -> object:
    value: object = message
    for name in path.split("."):
        if not isinstance(value, Message):
            return None
        field = field_named(type(value), name)
        value = getattr(value, field.attribute) if field is not None else None
    return value
