"""Which Python module a proto file becomes."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field

from cerebelum_codegen.plugin import names
from cerebelum_codegen.plugin.errors import PluginError

_BUILT_IN = {"cerebelum/": "cerebelum_proto/", "google/protobuf/": "cerebelum_codegen/known/"}
_SHIPPED = ("google/protobuf/", "cerebelum/")


PAGES = "pages"
"""The option that asks for pages about workflows instead of modules."""


def options_in(parameter: str) -> list[str]:
    """The plugin's options."""
    return list(filter(None, parameter.split(",")))


@dataclass(frozen=True)
class ModuleMap:
    """Prefixes of proto paths and the package paths that take their place; the longest prefix counts."""

    prefixes: dict[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    """The prefixes that the user gave."""

    @classmethod
    def parse(cls, parameter: str) -> ModuleMap:
        """Read the plugin's options: `map=PROTO_PREFIX:PACKAGE`, several joined by commas.

        An empty prefix stands for every file, an empty package for the root.

        Raises:
            PluginError: an option that is not known, not of this form, or at odds with another.
        """
        given = dict[str, str]()
        for option in options_in(parameter):
            if option == PAGES:
                continue
            key, _, value = option.partition("=")
            prefix, colon, package = value.partition(":")
            if key != "map" or not colon:
                raise PluginError(f"option '{option}' is not known: use map=PROTO_PREFIX:PYTHON_PACKAGE or pages")
            folder, found = _folder(prefix), _package(package)
            if given.setdefault(folder, found) != found:
                raise PluginError(f"option '{option}' is at odds with an earlier one for the same prefix: keep one")
        return cls(_BUILT_IN | given, frozenset(given))

    def comes_with_runtime(self, proto: str) -> bool:
        """Whether the runtime already has the module, so that nobody has to generate it."""
        return any(proto.startswith(each) and each not in self.own for each in _SHIPPED)

    def path(self, proto: str) -> str:
        """The file of a proto's messages, without ending: `shop/v1/order.proto` is `shop/v1/order_pb`."""
        best = max((p for p in self.prefixes if proto.startswith(p)), key=len, default="")
        mapped = self.prefixes.get(best, "") + proto[len(best) :]
        *folders, last = mapped.removesuffix(".proto").split("/")
        return "/".join(names.module_part(part) for part in (*folders, f"{last}_pb"))

    def module(self, proto: str) -> str:
        """The dotted path of a proto's messages."""
        return self.path(proto).replace("/", ".")


def _folder(path: str) -> str:
    return f"{path.rstrip('/')}/" if path else ""


def _package(dotted: str) -> str:
    """A package as a folder.

    Raises:
        PluginError: Python could not import it.
    """
    parts = dotted.split(".") if dotted else []
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise PluginError(f"'{dotted}' cannot be a Python package: use names joined by dots, as in map=shop:acme.shop")
    return _folder("/".join(parts))
