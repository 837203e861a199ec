"""From a message's descriptor to its form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from google.protobuf import descriptor_pb2 as d

from cerebelum_codegen.plugin import features, names
from cerebelum_codegen.plugin.declarations import Path
from cerebelum_codegen.plugin.defaults import declared_default
from cerebelum_codegen.plugin.form import ExtensionForm, Field, Member, MessageForm, Oneof
from cerebelum_codegen.plugin.source import Source
from cerebelum_codegen.plugin.values import value_of
from cerebelum_codegen.runtime.descriptor import json_name

_F = d.FieldDescriptorProto
_Location = tuple[int, ...]


def read_messages(source: Source) -> Iterator[MessageForm]:
    """The messages of a file that have a class."""
    for path, message, location in source.comments.messages():
        if source.own(path):
            yield _message(source, path, message, location)


def read_extensions(source: Source) -> Iterator[ExtensionForm]:
    """What a file adds to messages: all that it adds to one is held by one class."""
    found = sorted(source.comments.extensions(), key=lambda each: each[1].extendee)
    for extendee, each in groupby(found, key=lambda each: each[1].extendee):
        yield from _extensions_of(source, extendee, list(each))


def _message(source: Source, path: Path, message: d.DescriptorProto, location: _Location) -> MessageForm:
    declared = source.declared[f".{source.full_name(path)}"]
    spelled = _attributes(source, message)
    fields, members = [], dict[int, list[Member]]()
    for index, field in sorted(enumerate(message.field), key=lambda each: each[1].number):
        place = (*location, 2, index)
        if _in_oneof(field):
            around = features.within(declared.features, message.oneof_decl[field.oneof_index].options)
            taken = members.setdefault(field.oneof_index, [])
            taken.append(_member(source, path, field, spelled[field.name], around, place, taken))
        else:
            read = _field(source, field, spelled[field.name], declared.features, place)
            fields.append(replace(read, fallback=spelled.get(_fallback(field), "")))
    return MessageForm(
        name=declared.name,
        full_name=source.full_name(path),
        doc=source.comments.doc(location, message.options.deprecated),
        fields=tuple(fields),
        oneofs=tuple(
            Oneof(
                name=spelled[message.oneof_decl[index].name],
                doc=source.comments.doc((*location, 8, index)),
                alias=source.scope.take(names.class_name((*path, names.camel(message.oneof_decl[index].name)))),
                members=tuple(taken),
            )
            for index, taken in members.items()
        ),
        base=_base(source.full_name(path), message),
        demanding=source.declared.demands(f".{source.full_name(path)}"),
        extendable=bool(message.extension_range),
    )


def _base(full_name: str, message: d.DescriptorProto) -> str:
    if message.options.message_set_wire_format:
        return "MessageSet"
    return "AnyMessage" if full_name == "google.protobuf.Any" else "Message"


def _attributes(source: Source, message: d.DescriptorProto) -> dict[str, str]:
    """What the fields and oneofs of a message are called."""
    used = {field.oneof_index for field in message.field if _in_oneof(field)}
    every = [field.name for field in message.field]
    every += [_fallback(field) for field in message.field if field.HasField("default_value")]
    every += [each.name for index, each in enumerate(message.oneof_decl) if index in used]
    return names.distinct(every, lambda name: names.field_name(name.replace(" ", "_"), source.scope.taken))


def _fallback(field: _F) -> str:
    """The property's name, told from that of a field which is called so itself."""
    return f"{field.name} or default"


def _member(
    source: Source,
    path: Path,
    field: _F,
    name: str,
    around: d.FeatureSet,
    place: _Location,
    taken: list[Member],
) -> Member:
    held = features.within(around, field.options)
    value = value_of(source, field, features.is_delimited(field, held), features.is_checked(held))
    # Stable when members join later: the first of its type stands for itself for ever.
    alone = value.kind == "message" and all(value.annotation != other.value.annotation for other in taken)
    wrapper = None if alone else source.scope.take(names.class_name((*path, names.camel(field.name))))
    return Member(
        name=name,
        proto_name=field.name,
        json_name=field.json_name or json_name(field.name),
        number=field.number,
        doc=source.comments.doc(place, field.options.deprecated),
        value=value,
        wrapper=wrapper,
    )


def _field(source: Source, field: _F, name: str, around: d.FeatureSet, place: _Location) -> Field:
    held = features.within(around, field.options)
    key, single = source.declared.entry(field)
    repeated = field.label == _F.LABEL_REPEATED
    # What a map holds has a length in front of it, whatever stands around the map.
    delimited = key is None and features.is_delimited(field, held)
    value = value_of(source, single, delimited, features.is_checked(held))
    return Field(
        name=name,
        proto_name=field.name,
        json_name=field.json_name or json_name(field.name),
        number=field.number,
        doc=source.comments.doc(place, field.options.deprecated),
        value=value,
        key=None if key is None else value_of(source, key, False, features.is_checked(held)),
        repeated=repeated and key is None,
        presence=not repeated and (single.type in _MESSAGES or features.has_presence(field, held)),
        required=features.is_required(field, held),
        packed=repeated and value.packable and features.is_packed(field, held),
        declared_default=declared_default(field, value),
    )


_MESSAGES = (_F.TYPE_MESSAGE, _F.TYPE_GROUP)


def _in_oneof(field: _F) -> bool:
    return field.HasField("oneof_index") and not field.proto3_optional


def _extensions_of(source: Source, extendee: str, found: list[tuple[Path, _F, _Location]]) -> Iterator[ExtensionForm]:
    extended, full_name = source.reference(extendee), extendee.removeprefix(".")
    fields = tuple(_extensions(source, sorted(found, key=lambda each: each[1].number)))
    holder = MessageForm(
        name=source.scope.take(names.class_name((extended.rpartition(".")[2], "Extensions"))),
        full_name=full_name,
        doc=(f"What this file adds to `{full_name}`.",),
        fields=tuple(replace(field, declared_default="") for field in fields),
        demanding=any(f.type in _MESSAGES and source.declared.demands(f.type_name) for _, f, _ in found),
        extended=extended,
    )
    for field in fields:
        yield ExtensionForm(name=source.scope.take(names.class_name((field.name,))), holder=holder, field=field)


def _extensions(source: Source, found: Iterable[tuple[Path, _F, _Location]]) -> Iterator[Field]:
    """The fields of an extension are named by their scope too, and in JSON by their full names."""
    taken = names.Scope()
    for path, field, location in found:
        name = taken.take(names.field_name("_".join((*path, field.name)), source.scope.taken))
        read = _field(source, field, name, source.features(path), location)
        bracketed = f"[{source.full_name((*path, field.name))}]"
        yield replace(read, proto_name=bracketed, json_name=bracketed)
