"""All that is wrong with a file's workflows, each with its line: none is told before all are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cerebelum_codegen.plugin.comments import Comments, Location
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.workflows.grammar import GrammarError

_T = TypeVar("_T")


class Faults:
    """Collects what is wrong."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._found: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, location: Location, text: str) -> None:
        """Note a fault of the declaration that stands there."""
        self.note(self.place(location), text)

    def note(self, place: str, text: str) -> None:
        """Note a fault where the place is known already."""
        self._found[f"{place}: {text}"] = None

    def place(self, location: Location) -> str:
        """File and line of a declaration, or of what is around it."""
        for length in range(len(location), 0, -1):
            place = self._comments.place(location[:length])
            if place != self._comments.file.name:
                return place
        return self._comments.file.name

    def read(self, location: Location, subject: str, read: Callable[[str], _T], text: str, otherwise: _T) -> _T:
        """What a text of the contract means; where it means nothing, the fault is noted."""
        try:
            return read(text)
        except GrammarError as error:
            self.add(location, f"{subject}: {error}")
            return otherwise

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Raise all at the end of a block.

        Raises:
            PluginError: something is wrong.
        """
        yield
        if self._found:
            raise PluginError("\n".join(self._found))
