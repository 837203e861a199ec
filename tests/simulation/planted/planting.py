"""Plants a bug into our own source as it is imported, in a process of its own."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Bug:
    """A small change of one module, as a person could make it: `old` becomes `new`."""

    name: str
    module: str
    old: str
    new: str

    def applied_to(self, source: str) -> str:
        """The source with the bug in it. A snippet that is not there exactly once is an error."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: its snippet stands {source.count(self.old)} times in {self.module}")
        return source.replace(self.old, self.new)


class _BuggyLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, bug: Bug, path: str) -> None:
        super().__init__(bug.module, path)
        self.bug = bug

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # typeshed: code of any kind
        source = self.get_data(self.path).decode()
        return compile(self.bug.applied_to(source), self.path, "exec", dont_inherit=True)


class _BuggyFinder(importlib.abc.MetaPathFinder):
    def __init__(self, bug: Bug) -> None:
        self.bug = bug

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.bug.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            raise ImportError(f"{self.bug.name}: there is no module {fullname}")
        return importlib.util.spec_from_loader(fullname, _BuggyLoader(self.bug, spec.origin))


def plant(bug: Bug) -> None:
    """From now on this process imports the buggy module. It must not be imported yet."""
    if bug.module in sys.modules:
        raise RuntimeError(f"{bug.module} is imported already: plant the bug first")
    sys.meta_path.insert(0, _BuggyFinder(bug))
