"""Which messages are markers, and which message carries them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf import descriptor_pb2 as d
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

from cerebelum_codegen.plugin import names
from cerebelum_codegen.plugin.comments import Comments
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.form import Carrier, MarkerForm

_EXTENSION = "marker"
_PACKAGE = "cerebelum.options.v1"
_STATUS_FIELD = 1
WORKFLOW_OPTION = 50100
"""The number of the option that makes a workflow of a service."""


def extension_number(files: Iterable[d.FileDescriptorProto]) -> int:
    """The number of the `marker` option, as the request declares it; 0 when it does not."""
    for file in files:
        if file.package == _PACKAGE:
            return next((each.number for each in file.extension if each.name == _EXTENSION), 0)
    return 0


def declares_workflow(service: d.ServiceDescriptorProto) -> bool:
    """Whether a service is a workflow, which nobody calls over the wire."""
    return any(sized(service.options, WORKFLOW_OPTION))


def carrier_of(file: d.FileDescriptorProto, extension: int) -> Carrier | None:
    """The one message of a file that carries its markers.

    Raises:
        PluginError: a marker that no message, or no status, goes with.
    """
    statuses = {m.name: status for m in file.message_type if (status := _status(m, extension))}
    if not statuses:
        return None
    for message in file.message_type:
        fields = {field.type_name.rpartition(".")[2]: field for field in message.field}
        if statuses.keys() <= fields.keys():
            return _carrier(file, message, statuses)
    place = _place(file, next(iter(statuses)))
    raise PluginError(
        f"{place}: no message has a field for each of the markers {', '.join(statuses)}: "
        "add the missing field to the message that carries them"
    )


def _carrier(file: d.FileDescriptorProto, message: d.DescriptorProto, statuses: dict[str, str]) -> Carrier:
    enum, field = _status_field(file, message, set(statuses.values()))
    fields = {each.type_name.rpartition(".")[2]: each for each in message.field}
    return Carrier(
        name=names.class_name((message.name,)),
        status_field=names.field_name(field),
        status_enum=names.class_name((enum,)),
        markers=tuple(
            MarkerForm(
                name=names.class_name((marker,)),
                status=names.member_name(status),
                field=names.field_name(fields[marker].name),
            )
            for marker, status in statuses.items()
        ),
    )


def _status_field(file: d.FileDescriptorProto, message: d.DescriptorProto, wanted: set[str]) -> tuple[str, str]:
    members = {enum.name: {value.name for value in enum.value} for enum in file.enum_type}
    for field in message.field:
        enum = field.type_name.rpartition(".")[2]
        if enum in members and wanted <= members[enum]:
            return enum, field.name
    place = _place(file, message.name)
    raise PluginError(
        f"{place}: message {message.name} carries markers, but no enum of its fields has the values "
        f"{', '.join(sorted(wanted))}: add them to the enum of its status"
    )


def _place(file: d.FileDescriptorProto, name: str) -> str:
    index = [each.name for each in file.message_type].index(name)
    return Comments(file).place((4, index))


def _status(message: d.DescriptorProto, extension: int) -> str:
    """The status that a marker declares. The option is read from its bytes: no code is generated for it."""
    for option in sized(message.options, extension):
        for status in _sized_fields(option, _STATUS_FIELD):
            return status.decode()
    return ""


def sized(options: d.MessageOptions | d.ServiceOptions | d.MethodOptions | Empty, number: int) -> Iterator[bytes]:
    """The values of a field that is known by its number alone."""
    unknown = UnknownFieldSet(options)
    for field in (unknown[index] for index in range(len(unknown))):
        if field.field_number == number and field.wire_type == 2:
            yield field.data


def _sized_fields(data: bytes, number: int) -> Iterator[bytes]:
    yield from sized(Empty.FromString(data), number)
