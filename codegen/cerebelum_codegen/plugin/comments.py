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
        self._places = {tuple(each.path): each for each in file.source_code_info.location}

    def doc(self, location: Location, deprecated: bool = False) -> tuple[str, ...]:
        """The lines of a declaration's comment, fit for a docstring."""
        place = self._places.get(location)
        text = (place.leading_comments or place.trailing_comments) if place else ""
        lines = [_fit(line) for line in text.splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        while lines and not lines[0]:
            lines.pop(0)
        if deprecated:
            lines += ["", "Deprecated."] if lines else ["Deprecated."]
        if len(lines) == 1 and lines[0].endswith('"'):
            lines[0] = lines[0][:-1] + '\\"'
        return tuple(lines)

    def place(self, location: Location) -> str:
        """Where a declaration stands: the file, and its line when the request tells."""
        found = self._places.get(location)
        return f"{self.file.name}:{found.span[0] + 1}" if found else self.file.name

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

    def extensions(self) -> Iterator[tuple[tuple[str, ...], d.FieldDescriptorProto, Location]]:
        """Every field that the file adds to a message, and the scope that it stands in."""
        for index, field in enumerate(self.file.extension):
            yield (), field, (7, index)
        for path, message, location in self.messages():
            for index, field in enumerate(message.extension):
                yield path, field, (*location, 6, index)


def _fit(line: str) -> str:
    """A line that ends no docstring, begins no escape and shows nothing that cannot be seen."""
    visible = "".join(character for character in line if character >= " ")
    return visible.removeprefix(" ").rstrip().replace("\\", "\\\\").replace('"""', "'''")


def _walk(
    outer: tuple[str, ...], message: d.DescriptorProto, location: Location
) -> Iterator[tuple[tuple[str, ...], d.DescriptorProto, Location]]:
    path = (*outer, message.name)
    yield path, message, location
    for index, nested in enumerate(message.nested_type):
        yield from _walk(path, nested, (*location, 3, index))
