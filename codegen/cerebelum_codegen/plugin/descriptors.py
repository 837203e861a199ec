"""The module that lets a server describe itself: a file with services, and all that it imports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from google.protobuf import descriptor_pb2 as d

_LINE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoFileForm:
    """One file, each part of it a Python literal."""

    name: str
    symbols: tuple[str, ...]
    extensions: tuple[str, ...]
    imports: tuple[str, ...]
    content: tuple[str, ...]


def proto_files(name: str, files: Mapping[str, d.FileDescriptorProto]) -> list[ProtoFileForm]:
    """A file, then what it imports, each once."""
    ordered: dict[str, None] = {}
    _collect(name, files, ordered)
    return [_form(files[each]) for each in ordered]


def _collect(name: str, files: Mapping[str, d.FileDescriptorProto], ordered: dict[str, None]) -> None:
    ordered[name] = None
    for each in files[name].dependency:
        if each not in ordered:
            _collect(each, files, ordered)


def _form(file: d.FileDescriptorProto) -> ProtoFileForm:
    bare = d.FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")  # comments are not reflected anywhere
    content = bare.SerializeToString(deterministic=True)
    prefix = f"{file.package}." if file.package else ""
    extensions = list(_extensions(file.extension, file.message_type))
    return ProtoFileForm(
        name=literal(file.name),
        symbols=tuple(literal(prefix + each) for each in _symbols(file)),
        extensions=tuple(f"({literal(each.extendee.lstrip('.'))}, {each.number})" for each in extensions),
        imports=tuple(literal(each) for each in file.dependency),
        content=tuple(literal(line) for line in _lines(content)),
    )


def _symbols(file: d.FileDescriptorProto) -> Iterator[str]:
    for message in file.message_type:
        yield from _nested(message)
    for enum in file.enum_type:
        yield enum.name
    for service in file.service:
        yield service.name
        for method in service.method:
            yield f"{service.name}.{method.name}"
    for extension in file.extension:
        yield extension.name


def _nested(message: d.DescriptorProto) -> Iterator[str]:
    yield message.name
    inner = [name for each in message.nested_type for name in _nested(each)]
    inner += [enum.name for enum in message.enum_type] + [each.name for each in message.extension]
    yield from (f"{message.name}.{name}" for name in inner)


def _extensions(
    extensions: Iterable[d.FieldDescriptorProto], messages: Iterable[d.DescriptorProto]
) -> Iterator[d.FieldDescriptorProto]:
    yield from extensions
    for message in messages:
        yield from _extensions(message.extension, message.nested_type)


def _lines(content: bytes) -> Iterator[bytes]:
    """Pieces whose literals are about as long as each other."""
    start = width = 0
    for at, byte in enumerate(content):
        width += len(repr(bytes((byte,)))) - 3
        if width >= _LINE:
            yield content[start : at + 1]
            start, width = at + 1, 0
    yield content[start:]


def literal(value: str | bytes) -> str:
    """A text or bytes as Python source, in double quotes."""
    body = repr(value)
    prefix, quote, inner = body[: body.index(body[-1])], body[-1], body[body.index(body[-1]) + 1 : -1]
    if quote == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    return f'{prefix}"{inner}"'
