"""A file's declarations with where they stand, and the comments that stand there."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf import descriptor_pb2 as d

Location = tuple[int, ...]
"""A path through a file's descriptor, as protoc writes it down."""


class Comments:
    """The comments of one file, by the location of what they describe."""

    def __init__(self, file: d.FileDescriptorProto) -> None:
        self.file = file
        self._docs = {
            tuple(each.path): each.leading_comments or each.trailing_comments for each in file.source_code_info.location
        }

    def doc(self, location: Location) -> tuple[str, ...]:
        """The lines of a declaration's comment."""
        lines = [
            line.removeprefix(" ").rstrip().replace("\\", "\\\\").replace('"""', "'''")
            for line in self._docs.get(location, "").splitlines()
        ]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        return tuple(lines)

    def file_doc(self) -> tuple[str, ...]:
        """The comment on the package, which speaks of the file."""
        return self.doc((2,))

    def messages(self) -> Iterator[tuple[tuple[str, ...], d.DescriptorProto, Location]]:
        """Every message, nested ones after what they are nested in."""
        for index, message in enumerate(self.file.message_type):
            yield from _walk((), message, (4, index))

    def enums(self) -> Iterator[tuple[tuple[str, ...], d.EnumDescriptorProto, Location]]:
        """Every enum, nested ones included."""
        for index, enum in enumerate(self.file.enum_type):
            yield (enum.name,), enum, (5, index)
        for path, message, location in self.messages():
            for index, enum in enumerate(message.enum_type):
                yield (*path, enum.name), enum, (*location, 4, index)


def _walk(
    outer: tuple[str, ...], message: d.DescriptorProto, location: Location
) -> Iterator[tuple[tuple[str, ...], d.DescriptorProto, Location]]:
    path = (*outer, message.name)
    yield path, message, location
    for index, nested in enumerate(message.nested_type):
        yield from _walk(path, nested, (*location, 3, index))
