"""From a request of protoc to the intermediate form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import descriptor_pb2 as d
from google.protobuf.compiler import plugin_pb2

from cerebelum_codegen.plugin import names
from cerebelum_codegen.plugin.comments import Comments
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.form import (
    EnumForm,
    EnumMember,
    Field,
    FileForm,
    Import,
    Member,
    MessageForm,
    Method,
    Oneof,
    Service,
    Value,
)
from cerebelum_codegen.plugin.markers import carrier_of, extension_number
from cerebelum_codegen.plugin.modules import ModuleMap
from cerebelum_codegen.plugin.values import SCALARS, WELL_KNOWN, enum_value, message_value

_F = d.FieldDescriptorProto


@dataclass(frozen=True)
class _Declared:
    """A message or enum somewhere in the request."""

    proto: str
    name: str
    first_member: str = ""


class Reader:
    """Reads the files of one request. Names are resolved across all of them."""

    def __init__(self, request: plugin_pb2.CodeGeneratorRequest) -> None:
        self.modules = ModuleMap.parse(request.parameter)
        self.files = {file.name: file for file in request.proto_file}
        self.marker_extension = extension_number(request.proto_file)
        self.declared: dict[str, _Declared] = {}
        for file in request.proto_file:
            self._declare(file)

    def read(self, name: str) -> FileForm:
        """The form of one file."""
        return _FileReader(self, self.files[name]).read()

    def _declare(self, file: d.FileDescriptorProto) -> None:
        prefix = f".{file.package}" if file.package else ""
        for path, message in _messages(file):
            key = ".".join((prefix, *path))
            self.declared[key] = _Declared(file.name, names.class_name(path))
            for enum in message.enum_type:
                self._declare_enum(file, key, (*path, enum.name), enum)
        for enum in file.enum_type:
            self._declare_enum(file, prefix, (enum.name,), enum)

    def _declare_enum(
        self, file: d.FileDescriptorProto, prefix: str, path: tuple[str, ...], enum: d.EnumDescriptorProto
    ) -> None:
        first = names.member_name(enum.value[0].name)
        self.declared[f"{prefix}.{enum.name}"] = _Declared(file.name, names.class_name(path), first)


def _messages(file: d.FileDescriptorProto) -> Iterator[tuple[tuple[str, ...], d.DescriptorProto]]:
    def walk(outer: tuple[str, ...], message: d.DescriptorProto) -> Iterator[tuple[tuple[str, ...], d.DescriptorProto]]:
        path = (*outer, message.name)
        yield path, message
        for nested in message.nested_type:
            yield from walk(path, nested)

    for message in file.message_type:
        yield from walk((), message)


class _FileReader:
    def __init__(self, reader: Reader, file: d.FileDescriptorProto) -> None:
        self.reader = reader
        self.file = file
        self.comments = Comments(file)
        self.imports: dict[str, Import] = {}

    def read(self) -> FileForm:
        enums = tuple(self._enums())
        messages = tuple(
            self._message(path, message, location)
            for path, message, location in self.comments.messages()
            if not message.options.map_entry
        )
        services = tuple(self._service(index, each) for index, each in enumerate(self.file.service))
        return FileForm(
            source=self.file.name,
            module=self.reader.modules.module(self.file.name),
            doc=self.comments.file_doc(),
            imports=tuple(sorted(self.imports.values(), key=lambda each: (each.package, each.module))),
            enums=enums,
            messages=messages,
            services=services,
            carrier=carrier_of(self.file, self.reader.marker_extension),
        )

    # -- names -------------------------------------------------------------------------------

    def _reference(self, type_name: str) -> str:
        found = self.reader.declared[type_name]
        if found.proto == self.file.name:
            return found.name
        return f"{self._import(found.proto)}.{found.name}"

    def _import(self, proto: str) -> str:
        if proto.startswith("google/protobuf/"):
            raise PluginError(
                f"{self.file.name}: types of {proto} have no Python form yet; "
                "use Struct, Value, ListValue, Timestamp, Duration or Empty"
            )
        if proto not in self.imports:
            package, _, module = self.reader.modules.module(proto).rpartition(".")
            taken = {each.alias for each in self.imports.values()}
            alias = module if module not in taken else f"{package.replace('.', '_')}_{module}"
            self.imports[proto] = Import(package=package, module=module, alias=alias)
        return self.imports[proto].alias

    # -- declarations ------------------------------------------------------------------------

    def _enums(self) -> Iterator[EnumForm]:
        for path, enum, location in self.comments.enums():
            members = tuple(
                EnumMember(
                    name=names.member_name(member.name),
                    number=member.number,
                    doc=self.comments.doc((*location, 2, index)),
                )
                for index, member in enumerate(enum.value)
            )
            yield EnumForm(name=names.class_name(path), doc=self.comments.doc(location), members=members)

    def _message(self, path: tuple[str, ...], message: d.DescriptorProto, location: tuple[int, ...]) -> MessageForm:
        package = f"{self.file.package}." if self.file.package else ""
        entries = {e.name: e for e in message.nested_type if e.options.map_entry}
        fields, members = [], dict[int, list[Member]]()
        for index, field in sorted(enumerate(message.field), key=lambda each: each[1].number):
            doc = self.comments.doc((*location, 2, index))
            if field.HasField("oneof_index") and not field.proto3_optional:
                taken = members.setdefault(field.oneof_index, [])
                taken.append(self._member(path, field, doc, taken))
            else:
                fields.append(self._field(field, doc, entries))
        return MessageForm(
            name=names.class_name(path),
            full_name=package + ".".join(path),
            doc=self.comments.doc(location),
            fields=tuple(fields),
            oneofs=tuple(self._oneof(path, message, location, index, taken) for index, taken in members.items()),
        )

    def _oneof(
        self,
        path: tuple[str, ...],
        message: d.DescriptorProto,
        location: tuple[int, ...],
        index: int,
        members: list[Member],
    ) -> Oneof:
        name = message.oneof_decl[index].name
        return Oneof(
            name=names.field_name(name),
            doc=self.comments.doc((*location, 8, index)),
            alias=names.class_name((*path, names.camel(name))),
            members=tuple(sorted(members, key=lambda member: member.number)),
        )

    def _member(self, path: tuple[str, ...], field: _F, doc: tuple[str, ...], taken: list[Member]) -> Member:
        value = self._value(field)
        # Stable when members join later: the first of its type stands for itself for ever.
        alone = value.kind == "message" and all(value.annotation != other.value.annotation for other in taken)
        wrapper = None if alone else names.class_name((*path, names.camel(field.name)))
        return Member(name=names.field_name(field.name), number=field.number, doc=doc, value=value, wrapper=wrapper)

    def _field(self, field: _F, doc: tuple[str, ...], entries: dict[str, d.DescriptorProto]) -> Field:
        entry = entries.get(field.type_name.rpartition(".")[2]) if field.type == _F.TYPE_MESSAGE else None
        repeated = field.label == _F.LABEL_REPEATED
        value = self._value(entry.field[1] if entry else field)
        return Field(
            name=names.field_name(field.name),
            number=field.number,
            doc=doc,
            value=value,
            key=self._value(entry.field[0]) if entry is not None else None,
            repeated=repeated and entry is None,
            presence=not repeated and self._has_presence(field, value),
            packed=repeated and value.packable and self._is_packed(field),
        )

    def _has_presence(self, field: _F, value: Value) -> bool:
        if value.kind in ("message", "struct", "json_value", "json_list", "timestamp", "duration"):
            return True
        return field.proto3_optional or self.file.syntax != "proto3"

    def _is_packed(self, field: _F) -> bool:
        if field.options.HasField("packed"):
            return field.options.packed
        return self.file.syntax == "proto3"

    def _value(self, field: _F) -> Value:
        if field.type in SCALARS:
            return SCALARS[field.type]
        if field.type == _F.TYPE_ENUM:
            first = self.reader.declared[field.type_name].first_member
            return enum_value(self._reference(field.type_name), first)
        if field.type == _F.TYPE_GROUP:
            raise PluginError(f"{self.file.name}: field '{field.name}' is a group; groups have no form yet")
        return WELL_KNOWN.get(field.type_name) or message_value(self._reference(field.type_name))

    # -- services ----------------------------------------------------------------------------

    def _service(self, index: int, service: d.ServiceDescriptorProto) -> Service:
        package = f"{self.file.package}." if self.file.package else ""
        methods = tuple(
            Method(
                name=names.snake(method.name),
                proto_name=method.name,
                doc=self.comments.doc((6, index, 2, number)),
                request=self._spoken(method.input_type),
                response=self._spoken(method.output_type),
                client_streaming=method.client_streaming,
                server_streaming=method.server_streaming,
            )
            for number, method in enumerate(service.method)
        )
        return Service(
            name=service.name,
            full_name=package + service.name,
            doc=self.comments.doc((6, index)),
            methods=methods,
        )

    def _spoken(self, type_name: str) -> str:
        """A request or response, as the module of stubs names it."""
        if type_name == ".google.protobuf.Empty":
            return "Empty"
        found = self.reader.declared[type_name]
        return f"{self._import(found.proto)}.{found.name}"
