"""All that is wrong with a workflow, each with its line: none is told before all are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cerebelum_codegen.plugin.comments import Comments, Location
from cerebelum_codegen.plugin.workflows.grammar import GrammarError

_T = TypeVar("_T")


class Faults:
    """Collects what is wrong with one workflow."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._found: dict[str, None] = {}
        self.sound = True
        """Whether its parts are such that something can be told of the whole."""

    @property
    def told(self) -> list[str]:
        """Each fault behind its file and line."""
        return list(self._found)

    def add(self, location: Location, text: str, *, apart: bool = False) -> None:
        """Note a fault of the declaration that stands there. One that stands apart hides nothing of the rest."""
        self._found[f"{self.place(location)}: {text}"] = None
        self.sound = self.sound and apart

    def note(self, place: str, text: str) -> None:
        """Note a fault where the place is known already."""
        self._found[f"{place}: {text}"] = None
        self.sound = False

    def place(self, location: Location) -> str:
        """File and line of a declaration, or of what is around it."""
        for length in range(len(location), 0, -1):
            place = self._comments.place(location[:length])
            if place != self._comments.file.name:
                return place
        return self._comments.file.name

    def read(
        self,
        location: Location,
        subject: str,
        read: Callable[[str], _T],
        text: str,
        otherwise: _T,
        *,
        apart: bool = False,
    ) -> _T:
        """What a text of the contract means; where it means nothing, the fault is noted."""
        try:
            return read(text)
        except GrammarError as error:
            self.add(location, f"{subject}: {error}", apart=apart)
            return otherwise
