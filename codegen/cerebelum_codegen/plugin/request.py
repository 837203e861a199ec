"""From a request of protoc to the intermediate form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        self.scopes = {name: names.Scope() for name in self.files}
        for file in request.proto_file:
            self._declare(file)

    def read(self, name: str) -> FileForm:
        """The form of one file."""
        file = self.files.get(name)
        if file is None:
            raise PluginError(f"{name} is to be generated, but the request does not describe it")
        if file.syntax == "editions":
            raise PluginError(f'{name}: editions are not supported yet: write syntax = "proto3"')
        return _FileReader(self, file).read()

    def _declare(self, file: d.FileDescriptorProto) -> None:
        """Give every message and enum of a file its name; what nests less comes first."""
        comments, prefix = Comments(file), f".{file.package}" if file.package else ""
        found: list[tuple[tuple[str, ...], str]] = [
            (path, "") for path, each, _ in comments.messages() if _is_own(each)
        ]
        for path, enum, _ in comments.enums():
            found.append((path, names.distinct((v.name for v in enum.value), names.member_name)[enum.value[0].name]))
        for path, first_member in sorted(found, key=lambda each: len(each[0])):
            name = self.scopes[file.name].take(names.class_name(path))
            self.declared[".".join((prefix, *path))] = _Declared(file.name, name, first_member)


def _is_own(message: d.DescriptorProto) -> bool:
    """Whether a message has a class: a map's entries have none."""
    return not message.options.map_entry


class _FileReader:
    def __init__(self, reader: Reader, file: d.FileDescriptorProto) -> None:
        self.reader = reader
        self.file = file
        self.comments = Comments(file)
        self.scope = reader.scopes[file.name]
        self.imports: dict[str, Import] = {}

    def read(self) -> FileForm:
        enums = tuple(self._enums())
        messages = tuple(
            self._message(path, message, location)
            for path, message, location in self.comments.messages()
            if _is_own(message)
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

    @contextmanager
    def _at(self, location: tuple[int, ...]) -> Iterator[None]:
        try:
            yield
        except PluginError as error:
            raise PluginError(f"{self.comments.place(location)}: {error}") from None

    def _own(self, path: tuple[str, ...]) -> str:
        package = f".{self.file.package}" if self.file.package else ""
        return self.reader.declared[".".join((package, *path))].name

    def _reference(self, type_name: str) -> str:
        found = self.reader.declared[type_name]
        if found.proto == self.file.name:
            return found.name
        return f"{self._import(found.proto)}.{found.name}"

    def _import(self, proto: str) -> str:
        if proto.startswith("google/protobuf/"):
            raise PluginError(
                f"types of {proto} have no Python form yet; use Struct, Value, ListValue, Timestamp, Duration or Empty"
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
            spelled = names.distinct((member.name for member in enum.value), names.member_name)
            members = tuple(
                EnumMember(
                    name=spelled[member.name],
                    number=member.number,
                    doc=self.comments.doc((*location, 2, index), member.options.deprecated),
                )
                for index, member in enumerate(enum.value)
            )
            doc = self.comments.doc(location, enum.options.deprecated)
            yield EnumForm(name=self._own(path), doc=doc, members=members)

    def _message(self, path: tuple[str, ...], message: d.DescriptorProto, location: tuple[int, ...]) -> MessageForm:
        package = f"{self.file.package}." if self.file.package else ""
        entries = {e.name: e for e in message.nested_type if e.options.map_entry}
        spelled = self._attributes(message)
        fields, members = [], dict[int, list[Member]]()
        for index, field in sorted(enumerate(message.field), key=lambda each: each[1].number):
            doc = self.comments.doc((*location, 2, index), field.options.deprecated)
            with self._at((*location, 2, index)):
                if _in_oneof(field):
                    taken = members.setdefault(field.oneof_index, [])
                    taken.append(self._member(path, field, spelled[field.name], doc, taken))
                else:
                    fields.append(self._field(field, spelled[field.name], doc, entries))
        return MessageForm(
            name=self._own(path),
            full_name=package + ".".join(path),
            doc=self.comments.doc(location, message.options.deprecated),
            fields=tuple(fields),
            oneofs=tuple(
                Oneof(
                    name=spelled[message.oneof_decl[index].name],
                    doc=self.comments.doc((*location, 8, index)),
                    alias=self.scope.take(names.class_name((*path, names.camel(message.oneof_decl[index].name)))),
                    members=tuple(taken),
                )
                for index, taken in members.items()
            ),
        )

    def _attributes(self, message: d.DescriptorProto) -> dict[str, str]:
        """What the fields and oneofs of a message are called."""
        oneofs = {message.oneof_decl[field.oneof_index].name for field in message.field if _in_oneof(field)}
        every = [field.name for field in message.field] + [
            each.name for each in message.oneof_decl if each.name in oneofs
        ]
        return names.distinct(every, lambda name: names.field_name(name, self.scope.taken))

    def _member(self, path: tuple[str, ...], field: _F, name: str, doc: tuple[str, ...], taken: list[Member]) -> Member:
        value = self._value(field)
        # Stable when members join later: the first of its type stands for itself for ever.
        alone = value.kind == "message" and all(value.annotation != other.value.annotation for other in taken)
        wrapper = None if alone else self.scope.take(names.class_name((*path, names.camel(field.name))))
        return Member(name=name, number=field.number, doc=doc, value=value, wrapper=wrapper)

    def _field(self, field: _F, name: str, doc: tuple[str, ...], entries: dict[str, d.DescriptorProto]) -> Field:
        entry = entries.get(field.type_name.rpartition(".")[2]) if field.type == _F.TYPE_MESSAGE else None
        repeated = field.label == _F.LABEL_REPEATED
        value = self._value(entry.field[1] if entry else field)
        return Field(
            name=name,
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
            raise PluginError(f"field '{field.name.lower()}' is a group, and groups have no form yet; use a message")
        return WELL_KNOWN.get(field.type_name) or message_value(self._reference(field.type_name))

    # -- services ----------------------------------------------------------------------------

    def _service(self, index: int, service: d.ServiceDescriptorProto) -> Service:
        package = f"{self.file.package}." if self.file.package else ""
        spelled = names.distinct((method.name for method in service.method), names.method_name)
        return Service(
            name=service.name,
            full_name=package + service.name,
            doc=self.comments.doc((6, index), service.options.deprecated),
            methods=tuple(
                self._method(method, spelled[method.name], (6, index, 2, number))
                for number, method in enumerate(service.method)
            ),
        )

    def _method(self, method: d.MethodDescriptorProto, name: str, location: tuple[int, ...]) -> Method:
        with self._at(location):
            request, response = self._spoken(method.input_type), self._spoken(method.output_type)
        return Method(
            name=name,
            proto_name=method.name,
            doc=self.comments.doc(location, method.options.deprecated),
            request=request,
            response=response,
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
        )

    def _spoken(self, type_name: str) -> str:
        """A request or response, as the module of stubs names it."""
        if type_name == ".google.protobuf.Empty":
            return "Empty"
        found = self.reader.declared[type_name]
        return f"{self._import(found.proto)}.{found.name}"


def _in_oneof(field: _F) -> bool:
    return field.HasField("oneof_index") and not field.proto3_optional
