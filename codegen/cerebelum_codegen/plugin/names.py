"""From names in proto to names in Python, without a clash."""

from __future__ import annotations

import builtins
import keyword
import re

from cerebelum_codegen.runtime import v1

_MODULE_NAMES = frozenset(
    {"Mapping", "Sequence", "ClassVar", "TypeAlias", "annotations", "dataclass", "field", "assert_never"}
)
_CLASS_RESERVED = frozenset(dir(builtins)) | frozenset(v1.__all__) | _MODULE_NAMES
_FIELD_RESERVED = frozenset(
    {"FULL_NAME", "to_bytes", "from_bytes", "merge_from_bytes", "self", "cls"}
    | {"int", "str", "bytes", "float", "bool", "list", "dict", "field", "dataclass"}
)
_MEMBER_RESERVED = frozenset({"name", "value", "mro"})


def class_name(path: tuple[str, ...]) -> str:
    """The module-level name of a message or enum: nested ones are joined by an underscore."""
    name = "_".join(path)
    return f"{name}_" if name in _CLASS_RESERVED or keyword.iskeyword(name) else name


def field_name(name: str) -> str:
    """The attribute of a field."""
    reserved = keyword.iskeyword(name) or name in _FIELD_RESERVED or name in _CLASS_RESERVED - frozenset(dir(builtins))
    return f"{name}_" if reserved or name.startswith("_") else name


def member_name(name: str) -> str:
    """The member of an enum."""
    return f"{name}_" if keyword.iskeyword(name) or name in _MEMBER_RESERVED or name.startswith("_") else name


def camel(name: str) -> str:
    """`sleep_request` as `SleepRequest`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake(name: str) -> str:
    """`PollForTask` as `poll_for_task`."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)).lower()
    return f"{parted}_" if keyword.iskeyword(parted) else parted
