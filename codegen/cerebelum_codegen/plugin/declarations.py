"""Every message and enum of a request, by its full name: what it is called in Python, and what holds for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from google.protobuf import descriptor_pb2 as d

from cerebelum_codegen.plugin import features, names
from cerebelum_codegen.plugin.comments import Comments, Location

_F = d.FieldDescriptorProto
Path = tuple[str, ...]

BUILT_IN = frozenset(f".google.protobuf.{name}" for name in ("Timestamp", "Duration", "Empty", "NullValue"))
"""What the runtime itself has a class for."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A message or enum somewhere in the request."""

    proto: str
    name: str
    features: d.FeatureSet
    location: Location
    message: d.DescriptorProto | None = None
    enum: d.EnumDescriptorProto | None = None
    first_member: str = ""

    @property
    def is_map_entry(self) -> bool:
        return self.message is not None and self.message.options.map_entry


class Declarations:
    """Names are resolved across all files of a request."""

    def __init__(self, files: Iterable[d.FileDescriptorProto]) -> None:
        self.scopes: dict[str, names.Scope] = {}
        self._declared: dict[str, Declared] = {}
        self._comments: dict[str, Comments] = {}
        self._demanding: dict[str, bool] = {}
        for file in files:
            self._declare(file)

    def __getitem__(self, type_name: str) -> Declared:
        return self._declared[type_name]

    def find(self, name: str, package: str) -> str | None:
        """The full name of a message that a file of this package calls so, as a field would; None for no message."""
        scopes = package.split(".") if package and not name.startswith(".") else []
        for depth in range(len(scopes), -1, -1):
            full_name = ".".join((*scopes[:depth], name.removeprefix(".")))
            found = self._declared.get(f".{full_name}")
            if found is not None and found.message is not None:
                return full_name
        return None

    def entry(self, field: _F) -> tuple[_F | None, _F]:
        """The key and the value of a map; a field that is none has no key and is its own value."""
        if field.type != _F.TYPE_MESSAGE or not self._declared[field.type_name].is_map_entry:
            return None, field
        entry = self._declared[field.type_name].message
        assert entry is not None, "only a message is a map's entry"
        return entry.field[0], entry.field[1]

    def doc(self, type_name: str, *location: int) -> str:
        """The comment on a message or enum, or on what stands in it at this location."""
        found = self._declared[type_name]
        return "\n".join(self._comments[found.proto].doc((*found.location, *location)))

    def demands(self, type_name: str) -> bool:
        """Whether a message, or any message that it may hold, has a required field."""
        if type_name in self._demanding:
            return self._demanding[type_name]
        reached = {type_name}
        waiting = [type_name]
        while waiting:
            found = self._declared[waiting.pop()]
            for field in found.message.field if found.message is not None else ():
                if features.is_required(field, features.within(found.features, field.options)):
                    self._demanding[type_name] = True
                    return True
                if field.type in (_F.TYPE_MESSAGE, _F.TYPE_GROUP) and field.type_name not in reached:
                    reached.add(field.type_name)
                    waiting.append(field.type_name)
        self._demanding |= dict.fromkeys(reached, False)
        return False

    def _declare(self, file: d.FileDescriptorProto) -> None:
        """Give every message and enum of a file its name; what nests less comes first."""
        scope = self.scopes[file.name] = names.Scope()
        prefix = f".{file.package}" if file.package else ""
        comments = self._comments[file.name] = Comments(file)
        for path, found in sorted(_found(comments), key=lambda each: len(each[0])):
            full_name = ".".join((prefix, *path))
            # A map's entries have no class.
            named = "" if found.is_map_entry or full_name in BUILT_IN else scope.take(names.class_name(path))
            self._declared[full_name] = replace(found, name=named)


def _found(comments: Comments) -> Iterator[tuple[Path, Declared]]:
    proto = comments.file.name
    around: dict[Path, d.FeatureSet] = {(): features.of_file(comments.file)}
    for path, message, location in comments.messages():
        around[path] = features.within(around[path[:-1]], message.options)
        yield path, Declared(proto, "", around[path], location, message)
    for path, enum, location in comments.enums():
        held = features.within(around[path[:-1]], enum.options)
        first = names.distinct((v.name for v in enum.value), names.member_name)[enum.value[0].name]
        yield path, Declared(proto, "", held, location, enum=enum, first_member=first)
