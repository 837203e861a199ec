"""From a request of protoc to the intermediate form."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf import descriptor_pb2 as d
from google.protobuf.compiler import plugin_pb2

from cerebelum_codegen.plugin import features, names
from cerebelum_codegen.plugin.declarations import BUILT_IN, Declarations
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.form import EnumForm, EnumMember, FileForm, Method, Service, WorkflowForm
from cerebelum_codegen.plugin.markers import carrier_of, declares_workflow, extension_number
from cerebelum_codegen.plugin.messages import read_extensions, read_messages
from cerebelum_codegen.plugin.modules import ModuleMap
from cerebelum_codegen.plugin.source import Source


class Reader:
    """Reads the files of one request. Names are resolved across all of them."""

    def __init__(self, request: plugin_pb2.CodeGeneratorRequest) -> None:
        self.modules = ModuleMap.parse(request.parameter)
        self.files = {file.name: file for file in request.proto_file}
        self.marker_extension = extension_number(request.proto_file)
        self.declared = Declarations(request.proto_file)

    def read(self, name: str) -> FileForm:
        """The form of one file."""
        file = self.files.get(name)
        if file is None:
            raise PluginError(f"{name} is to be generated, but the request does not describe it")
        if file.edition > features.NEWEST:
            known, asked = (d.Edition.Name(each).removeprefix("EDITION_") for each in (features.NEWEST, file.edition))
            raise PluginError(f"{name}: edition {asked} is not known: the newest that is known is {known}")
        return _FileReader(self, file).read()


class _FileReader:
    def __init__(self, reader: Reader, file: d.FileDescriptorProto) -> None:
        self.reader = reader
        self.file = file
        self.source = Source(file, reader.declared, reader.modules)
        self.comments = self.source.comments

    def read(self) -> FileForm:
        return FileForm(
            source=self.file.name,
            module=self.reader.modules.module(self.file.name),
            doc=self.comments.file_doc(),
            enums=tuple(self._enums()),
            messages=tuple(read_messages(self.source)),
            extensions=tuple(read_extensions(self.source)),
            services=tuple(
                self._service(index, each)
                for index, each in enumerate(self.file.service)
                if not declares_workflow(each)
            ),
            carrier=carrier_of(self.file, self.reader.marker_extension),
            workflows=self._workflows(),
            imports=self.source.imports,
        )

    def _enums(self) -> Iterator[EnumForm]:
        for path, enum, location in self.comments.enums():
            if not (own := self.source.own(path)):
                continue
            spelled = names.distinct((member.name for member in enum.value), names.member_name)
            members = tuple(
                EnumMember(
                    name=spelled[member.name],
                    proto_name=member.name,
                    number=member.number,
                    doc=self.comments.doc((*location, 2, index), member.options.deprecated),
                )
                for index, member in enumerate(enum.value)
            )
            yield EnumForm(
                name=own,
                doc=self.comments.doc(location, enum.options.deprecated),
                members=members,
                closed=features.is_closed(self.source.features(path)),
            )

    def _workflows(self) -> tuple[WorkflowForm, ...]:
        if not any(declares_workflow(each) for each in self.file.service):
            return ()
        # The engine imports generated code, which this plugin must be able to write without it.
        from cerebelum_codegen.plugin.workflows.forming import read_forms

        return tuple(read_forms(self.source))

    # -- services ----------------------------------------------------------------------------

    def _service(self, index: int, service: d.ServiceDescriptorProto) -> Service:
        spelled = names.distinct((method.name for method in service.method), names.method_name)
        return Service(
            name=service.name,
            full_name=self.source.full_name((service.name,)),
            doc=self.comments.doc((6, index), service.options.deprecated),
            methods=tuple(
                self._method(method, spelled[method.name], (6, index, 2, number))
                for number, method in enumerate(service.method)
            ),
        )

    def _method(self, method: d.MethodDescriptorProto, name: str, location: tuple[int, ...]) -> Method:
        return Method(
            name=name,
            proto_name=method.name,
            doc=self.comments.doc(location, method.options.deprecated),
            request=self._spoken(method.input_type),
            response=self._spoken(method.output_type),
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
            idempotent=method.options.idempotency_level != d.MethodOptions.IDEMPOTENCY_UNKNOWN,
        )

    def _spoken(self, type_name: str) -> str:
        """A request or response, as the module of stubs names it."""
        if type_name in BUILT_IN:
            return type_name.rpartition(".")[2]
        return self.source.qualified(type_name)
