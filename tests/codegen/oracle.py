"""Google's protobuf as the one who knows: random messages, and what they are in ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message as Google
from hypothesis import strategies as st

from cerebelum_codegen.runtime import Duration, Empty, Message, NullValue, Timestamp, class_of

_F = FieldDescriptor
_INT32, _UINT32 = st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, (1 << 32) - 1)
_INT64, _UINT64 = st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, (1 << 64) - 1)
_DOUBLE = st.floats(allow_nan=False)

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    _F.TYPE_DOUBLE: _DOUBLE,
    _F.TYPE_FLOAT: st.floats(width=32, allow_nan=False),
    _F.TYPE_INT32: _INT32,
    _F.TYPE_SINT32: _INT32,
    _F.TYPE_SFIXED32: _INT32,
    _F.TYPE_INT64: _INT64,
    _F.TYPE_SINT64: _INT64,
    _F.TYPE_SFIXED64: _INT64,
    _F.TYPE_UINT32: _UINT32,
    _F.TYPE_FIXED32: _UINT32,
    _F.TYPE_UINT64: _UINT64,
    _F.TYPE_FIXED64: _UINT64,
    _F.TYPE_BOOL: st.booleans(),
    _F.TYPE_STRING: st.text(max_size=12),
    _F.TYPE_BYTES: st.binary(max_size=12),
    # Some that the enum names, some that it does not.
    _F.TYPE_ENUM: st.one_of(st.integers(-2, 4), st.just(70000), _INT32),
}

JSON = st.recursive(
    st.none() | st.booleans() | _DOUBLE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)
LISTS = st.lists(JSON, max_size=3)
_NANOS = st.one_of(st.integers(0, 999_999_999), st.sampled_from([0, 1, 999_999_999]))
_SECONDS = st.one_of(st.integers(-62_135_596_800, 253_402_300_799), st.integers(-2, 2))
_SPANS = st.tuples(st.sampled_from([1, -1]), st.integers(0, 315_576_000_000) | st.integers(0, 2), _NANOS)


class Oracle:
    """Google's classes for a set of descriptors."""

    def __init__(self, files: FileDescriptorSet) -> None:
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        self.pool = pool

    def type_of(self, full_name: str) -> type[Any]:
        """A message's class: nobody declares its fields."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full_name))

    def messages(self, full_name: str, depth: int = 2) -> st.SearchStrategy[Google]:
        """Random messages, nested so deep."""
        kind = self.type_of(full_name)

        @st.composite
        def one(draw: Callable[..., Any]) -> Google:
            message: Google = kind()
            _fill(draw, message, depth)
            return message

        return one()


def canonical(message: Google) -> bytes:
    """Bytes that are equal exactly when the messages are."""
    return message.SerializeToString(deterministic=True)


def _fill(draw: Callable[..., Any], message: Any, depth: int) -> None:
    usable = [f for f in message.DESCRIPTOR.fields if depth > 0 or not _nests(f)]
    if not usable:
        return
    for field in draw(st.lists(st.sampled_from(usable), unique_by=lambda f: f.number, max_size=8)):
        _fill_field(draw, message, field, depth)


def _nests(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.message_type.full_name.startswith("google.protobuf.")


def _fill_field(draw: Callable[..., Any], message: Google, field: FieldDescriptor, depth: int) -> None:
    place = getattr(message, field.name)
    if (entry := _entry(field)) is not None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for each in draw(st.lists(_SCALARS[key.type], unique=True, max_size=3)):
            if value.message_type is None:
                place[each] = draw(_scalar(value))
            else:
                _fill_message(draw, place[each], depth, null=True)
    elif field.is_repeated and field.message_type is not None:
        for _ in range(draw(st.integers(0, 3))):
            _fill_message(draw, place.add(), depth, null=True)
    elif field.is_repeated:
        place.extend(draw(st.lists(_scalar(field), max_size=4)))
    elif field.message_type is not None:
        place.SetInParent()
        # A single field of type Value has no third state beside absent and a value: null is absent.
        _fill_message(draw, place, depth, null=field.containing_oneof is not None)
    else:
        setattr(message, field.name, draw(_scalar(field)))


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    # Google's JSON makes null of whatever a NullValue is.
    if field.enum_type is not None and (field.enum_type.is_closed or field.enum_type.name == "NullValue"):
        return st.sampled_from([value.number for value in field.enum_type.values])
    return _SCALARS[field.type]


def _entry(field: FieldDescriptor) -> Descriptor | None:
    """What a map holds; nothing where a field is none."""
    kind = field.message_type
    return kind if kind is not None and kind.GetOptions().map_entry else None


def _fill_message(draw: Callable[..., Any], message: Any, depth: int, *, null: bool) -> None:
    match message.DESCRIPTOR.name:
        case "Struct":
            _put_struct(message, draw(OBJECTS))
        case "ListValue":
            _put_list(message, draw(LISTS))
        case "Value":
            _put_value(message, draw(JSON if null else JSON.filter(lambda value: value is not None)))
        case "Timestamp":
            message.seconds, message.nanos = draw(_SECONDS), draw(_NANOS)
        case "Duration":
            sign, seconds, nanos = draw(_SPANS)
            message.seconds, message.nanos = sign * seconds, sign * nanos
        case _:
            _fill(draw, message, depth - 1)


def _put_struct(message: Any, value: dict[str, Any]) -> None:
    for key, item in value.items():
        _put_value(message.fields[key], item)


def _put_list(message: Any, value: list[Any]) -> None:
    for item in value:
        _put_value(message.values.add(), item)


def _put_value(message: Any, value: Any) -> None:
    match value:
        case None:
            message.null_value = 0
        case bool():
            message.bool_value = value
        case float():
            message.number_value = value
        case str():
            message.string_value = value
        case list():
            message.list_value.SetInParent()
            _put_list(message.list_value, value)
        case _:
            message.struct_value.SetInParent()
            _put_struct(message.struct_value, value)


class Ours:
    """Generated classes, and what a message of Google's is in them, found without any of our codec."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self._modules = {module.__name__: module for module in modules}
        self.classes: dict[str, type[Message]] = {Empty.FULL_NAME: Empty}
        for module in self._modules.values():
            for each in vars(module).values():
                if isinstance(each, type) and issubclass(each, Message) and _is_generated(each):
                    self.classes[each.FULL_NAME] = each

    def like(self, message: Google) -> Message:
        """The message of ours that says the same."""
        full_name = message.DESCRIPTOR.full_name
        kind = self.classes.get(full_name) or class_of(full_name)
        assert kind is not None, f"{full_name} is not generated"
        values: dict[str, Any] = {}
        for field, value in message.ListFields():
            oneof = field.containing_oneof
            if oneof is not None and oneof.name != f"_{field.name}":
                values[oneof.name] = self._wrapped(kind, field, self._value(field, value))
            else:
                values[field.name] = self._field(field, value)
        return kind(**values)

    def _field(self, field: FieldDescriptor, value: Any) -> Any:
        if (entry := _entry(field)) is not None:
            item = entry.fields_by_name["value"]
            return {key: self._value(item, value[key]) for key in value}
        if field.is_repeated:
            return [self._value(field, each) for each in value]
        return self._value(field, value)

    def _wrapped(self, kind: type[Message], field: FieldDescriptor, value: Any) -> Any:
        camel = "".join(part.capitalize() for part in field.name.split("_"))
        wrapper = getattr(self._modules[kind.__module__], f"{kind.__name__}_{camel}", None)
        assert field.containing_oneof is not None
        stands_for_itself = field.number == min(
            (f.number for f in field.containing_oneof.fields if f.message_type is field.message_type), default=0
        )
        if isinstance(value, Message) and stands_for_itself:
            return value
        assert wrapper is not None, f"{field.full_name} has no wrapper"
        return wrapper(value)

    def _value(self, field: FieldDescriptor, value: Any) -> Any:
        if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
            return NullValue(value)
        if field.enum_type is not None:
            return self._enum(field.enum_type.full_name)(value)
        if field.message_type is None:
            return value
        match field.message_type.full_name:
            case "google.protobuf.Timestamp":
                return Timestamp(value.seconds, value.nanos)
            case "google.protobuf.Duration":
                return Duration(value.seconds, value.nanos)
            case "google.protobuf.Struct" | "google.protobuf.ListValue" | "google.protobuf.Value":
                return plain(value)
            case name if name.startswith("google.protobuf.") and name.endswith("Value"):
                return value.value
            case _:
                return self.like(value)

    def _enum(self, full_name: str) -> Any:
        parts = full_name.split(".")
        for first in range(1, len(parts)):
            for module in self._modules.values():
                if (found := getattr(module, "_".join(parts[first:]), None)) is not None:
                    return found
        raise LookupError(full_name)


def _is_generated(kind: type[Message]) -> bool:
    """Whether a class is a message's own, not a base and not what holds its extensions."""
    return class_of(getattr(kind, "FULL_NAME", "")) is kind


def plain(message: Any) -> Any:
    """A Struct, ListValue or Value as JSON."""
    match message.DESCRIPTOR.name:
        case "Struct":
            return {key: plain(message.fields[key]) for key in message.fields}
        case "ListValue":
            return [plain(each) for each in message.values]
        case _:
            pass
    match message.WhichOneof("kind"):
        case None | "null_value":
            return None
        case "struct_value":
            return plain(message.struct_value)
        case "list_value":
            return plain(message.list_value)
        case scalar:
            return getattr(message, scalar)
