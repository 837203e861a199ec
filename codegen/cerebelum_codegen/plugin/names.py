"""From names in proto to names in Python: the same ones, unless Python or the generated code means something by them.

What a name becomes depends on its file alone, never on the interpreter that runs the plugin.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Container, Iterable

from cerebelum_codegen.runtime import v1

_BUILTINS = frozenset(
    {
        "Exception",
        "TypeError",
        "bool",
        "bytearray",
        "bytes",
        "classmethod",
        "dict",
        "float",
        "frozenset",
        "int",
        "isinstance",
        "len",
    }
    | {"list", "object", "property", "range", "set", "staticmethod", "str", "super", "tuple", "type"}
)
_IMPORTED = frozenset(
    {"AsyncIterator", "ClassVar", "Mapping", "Self", "Sequence", "TypeAlias", "abstractmethod", "annotations"}
    | {"assert_never", "dataclass", "field", "timedelta"}
)
_LOCALS = frozenset(
    {
        "at",
        "cls",
        "data",
        "depth",
        "end",
        "beyond",
        "entry_end",
        "error",
        "message",
        "n",
        "out",
        "self",
        "start",
        "place",
        "stop",
        "tag",
        "unknown",
        "x",
    }
)
_CLASS_RESERVED = _BUILTINS | _IMPORTED | _LOCALS | frozenset(v1.__all__)
_LOCAL_ENDINGS = ("_entry", "_item", "_key", "_value")

_FIELD_RESERVED = frozenset(
    {"FULL_NAME", "to_bytes", "from_bytes", "merge_from_bytes", "to_json", "from_json", "to_dict", "from_dict"}
    | {"merge_from", "classmethod", "property", "Self"}
    | {"self", "cls", "int", "str", "bytes", "bytearray", "float", "bool", "list", "dict"}
    | {"ClassVar", "Duration", "Empty", "Enum", "JsonValue", "Mapping", "Message", "NullValue", "Sequence", "Timestamp"}
    | {"field"}
)
_MEMBER_RESERVED = frozenset(
    {"name", "value", "mro", "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes"}
    | {"imag", "is_integer", "numerator", "real", "to_bytes"}
)
_METHOD_RESERVED = frozenset({"float"})


class Scope:
    """Names of one namespace: each is given once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def take(self, name: str) -> str:
        """The name, with as many underscores behind it as it needs to be its own."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


def distinct(names: Iterable[str], to_python: Callable[[str], str]) -> dict[str, str]:
    """What each name becomes. One that stays as it is comes first: `class_` keeps its name beside `class`."""
    scope, ordered = Scope(), list(names)
    kept = {name: scope.take(name) for name in ordered if to_python(name) == name}
    return kept | {name: scope.take(to_python(name)) for name in ordered if name not in kept}


def class_name(path: tuple[str, ...]) -> str:
    """The module-level name of a message or enum: nested ones are joined by an underscore."""
    name = "_".join(path)
    reserved = name in _CLASS_RESERVED or name.endswith((*_LOCAL_ENDINGS, "_pb"))
    return _public(f"{name}_" if reserved or keyword.iskeyword(name) else name)


def field_name(name: str, classes: Container[str] = ()) -> str:
    """The attribute of a field. It hides none of the classes that its message speaks of."""
    reserved = name in _FIELD_RESERVED or name.endswith("_pb") or keyword.iskeyword(name)
    chosen = _public(f"{name}_" if reserved else name)
    while chosen in classes:
        chosen += "_"
    return chosen


def member_name(name: str) -> str:
    """The member of an enum."""
    return _public(f"{name}_" if keyword.iskeyword(name) or name in _MEMBER_RESERVED else name)


def method_name(name: str) -> str:
    """The method of an rpc: `PollForTask` as `poll_for_task`."""
    parted = snake(name)
    reserved = parted in _METHOD_RESERVED or parted.endswith("_pb") or keyword.iskeyword(parted)
    return _public(f"{parted}_" if reserved else parted)


def snake(name: str) -> str:
    """`PollForTask` as `poll_for_task`, whatever Python means by it."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)).lower()


def module_part(name: str) -> str:
    """A part of a module's path."""
    usable = re.sub(r"\W", "_", name)
    return f"_{usable}" if usable[:1].isdigit() else f"{usable}_" if keyword.iskeyword(usable) else usable


def camel(name: str) -> str:
    """`sleep_request` as `SleepRequest`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _public(name: str) -> str:
    """Python gives names that begin with an underscore a meaning of their own."""
    return f"x{name}" if name.startswith("_") else name
