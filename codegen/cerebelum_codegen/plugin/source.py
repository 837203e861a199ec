"""One file while it is read: where its declarations stand, what they are called, and what they import."""

from __future__ import annotations

from google.protobuf import descriptor_pb2 as d

from cerebelum_codegen.plugin import features
from cerebelum_codegen.plugin.comments import Comments
from cerebelum_codegen.plugin.declarations import Declarations, Path
from cerebelum_codegen.plugin.form import Import
from cerebelum_codegen.plugin.modules import ModuleMap


class Source:
    """A proto file, and the imports that its Python module comes to need."""

    def __init__(self, file: d.FileDescriptorProto, declared: Declarations, modules: ModuleMap) -> None:
        self.file = file
        self.declared = declared
        self.comments = Comments(file)
        self.scope = declared.scopes[file.name]
        self._modules = modules
        self._imports: dict[str, Import] = {}

    @property
    def imports(self) -> tuple[Import, ...]:
        return tuple(sorted(self._imports.values(), key=lambda each: (each.package, each.module)))

    def full_name(self, path: Path) -> str:
        return ".".join(filter(None, (self.file.package, *path)))

    def features(self, path: Path) -> d.FeatureSet:
        """What holds inside of a message, or in the file for the empty path."""
        return self.declared[f".{self.full_name(path)}"].features if path else features.of_file(self.file)

    def own(self, path: Path) -> str:
        """What a message or enum of this file is called."""
        return self.declared[f".{self.full_name(path)}"].name

    def reference(self, type_name: str) -> str:
        """What a message or enum is called here: its bare name, or that of another module."""
        found = self.declared[type_name]
        return found.name if found.proto == self.file.name else self.qualified(type_name)

    def qualified(self, type_name: str) -> str:
        """What a message is called in a module that imports this one too."""
        found = self.declared[type_name]
        return f"{self._import(found.proto)}.{found.name}"

    def _import(self, proto: str) -> str:
        if proto not in self._imports:
            package, _, module = self._modules.module(proto).rpartition(".")
            taken = {each.alias for each in self._imports.values()}
            alias = module if module not in taken else f"{package.replace('.', '_')}_{module}"
            self._imports[proto] = Import(package=package, module=module, alias=alias)
        return self._imports[proto].alias
