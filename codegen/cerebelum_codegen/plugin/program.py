"""`protoc-gen-cerebelum`: request -> intermediate form -> templates -> response."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import EDITION_PROTO2
from google.protobuf.message import DecodeError

from cerebelum_codegen.plugin import features
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.form import FileForm
from cerebelum_codegen.plugin.markers import declares_workflow
from cerebelum_codegen.plugin.modules import PAGES, options_in
from cerebelum_codegen.plugin.render import render
from cerebelum_codegen.plugin.request import Reader
from cerebelum_codegen.plugin.source import Source

_SUPPORTED = (
    plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    | plugin_pb2.CodeGeneratorResponse.FEATURE_SUPPORTS_EDITIONS
)

_SHARED = """\
# Google's own packages stand below `google` too: this one lets them be found.
from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
"""

_HELP = """\
protoc-gen-cerebelum: typed Python dataclasses, codecs and gRPC stubs from .proto files.

It is called by buf or protoc, which write a request to its input. With buf, in buf.gen.yaml:

    version: v2
    clean: true        # the modules of a dropped proto disappear
    plugins:
      - local: protoc-gen-cerebelum
        out: generated
        strategy: all

With protoc:

    protoc --cerebelum_out=generated --proto_path=proto shop/v1/order.proto

Writes for shop/v1/order.proto:
    shop/v1/order_pb.py       messages and enums
    shop/v1/order_grpc.py     client stubs and server bases, if it has services
    shop/v1/order_descriptors.py  what its server answers to reflection, if it has services
    shop/v1/order_workflows.py  clients and worker bases of its workflows, if it declares any
    shop/v1/order_markers.py  the table of its markers, if it declares any
and __init__.py for each package, py.typed at each root.

Options (opt: in buf.gen.yaml, --cerebelum_opt= for protoc), joined by commas:
    map=PROTO_PREFIX:PYTHON_PACKAGE   write and import what lies below the prefix as that package, for example
                      map=shop:acme.shop; without a prefix everything that has no other, map=:acme.generated
    pages             write a page about each workflow (shop/v1/OrderFulfilment.md), and no modules

    --include-path    print the folder that holds cerebelum/options/v1/options.proto and the rest of the contract, and
                      stop
    breaking AGAINST [INPUT]
                      what the workflows of INPUT (by default this folder) break of those of AGAINST, and stop: both
                      as buf takes them, for example: breaking '.git#branch=main'
    --version         print the version, and stop
    --help            print this, and stop
"""


def run() -> None:
    """Answer the request on standard input, or the arguments of a person."""
    if len(sys.argv) > 1:
        with suppress(AttributeError):  # a system without it
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who has read enough, as `head` does, ends it without a word
        _answer(sys.argv[1:])
        return
    if sys.stdin.isatty():
        sys.stdout.write(_HELP)
        return
    try:
        request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    except DecodeError:
        sys.stderr.write("error: the input is not a request: let buf or protoc call this program; --help tells how\n")
        sys.exit(1)
    sys.stdout.buffer.write(generate(request).SerializeToString())


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """The files of a request, or the error that explains why there are none."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=_SUPPORTED,
        minimum_edition=EDITION_PROTO2,
        maximum_edition=features.NEWEST,
    )
    try:
        files = dict(_files(request))
    except PluginError as error:
        response.error = str(error)
        return response
    for name, content in sorted(files.items()):
        response.file.add(name=name, content=content)
    return response


def _files(request: plugin_pb2.CodeGeneratorRequest) -> Iterator[tuple[str, str]]:
    reader = Reader(request)
    sources: dict[str, str] = {}
    wanted = [name for name in request.file_to_generate if not reader.modules.comes_with_runtime(name)]
    if PAGES in options_in(request.parameter):
        yield from _pages(reader, wanted)
        return
    for name, form in _forms(reader, wanted):
        for path, text in render(form, reader.files):
            _refuse_hiding(path, name)
            if sources.setdefault(path, name) != name:
                raise PluginError(f"{name} and {sources[path]} both become {path}: rename one of them")
            yield path, text
            yield from _packages(path)


def _refuse_hiding(path: str, name: str) -> None:
    """Refuse a package that would stand in the way of one of Python's own, or behind it."""
    package, inside, _ = path.partition("/")
    if inside and package in sys.stdlib_module_names:
        folder, below, _ = name.partition("/")
        raise PluginError(
            f"{name} would become the Python package '{package}', which Python has of its own: "
            f"give it another with the option map={folder if below else ''}:ANOTHER_PACKAGE"
        )


def _pages(reader: Reader, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A page for each workflow, beside where its proto stands."""
    for name in names:
        if any(declares_workflow(service) for service in reader.files[name].service):
            # Workflows need the engine, which imports what this plugin writes.
            from cerebelum_codegen.plugin.workflows.blueprint import blueprint_of
            from cerebelum_codegen.plugin.workflows.reading import read_workflows
            from cerebelum_engine.page import page

            for workflow in read_workflows(Source(reader.files[name], reader.declared, reader.modules)):
                folder = name.rpartition("/")[0]
                path = "/".join(filter(None, (folder, f"{workflow.service.rpartition('.')[2]}.md")))
                yield path, page(blueprint_of(workflow))


def _forms(reader: Reader, names: Iterable[str]) -> list[tuple[str, FileForm]]:
    """The forms of the files; what is wrong with any of them is told at once."""
    forms, errors = list[tuple[str, FileForm]](), list[str]()
    for name in names:
        try:
            forms.append((name, reader.read(name)))
        except PluginError as error:
            errors.append(str(error))
    if errors:
        raise PluginError("\n".join(errors))
    return forms


def _packages(path: str) -> Iterator[tuple[str, str]]:
    folders = path.split("/")[:-1]
    text = _SHARED if folders[:1] == ["google"] else ""
    for depth in range(1, len(folders) + 1):
        yield "/".join([*folders[:depth], "__init__.py"]), text
    if folders:
        yield f"{folders[0]}/py.typed", ""


def _answer(arguments: list[str]) -> None:
    match arguments:
        case ["--help" | "-h"]:
            sys.stdout.write(_HELP)
        case ["--version"]:
            from importlib.metadata import version

            sys.stdout.write(f"protoc-gen-cerebelum {version('cerebelum')}\n")
        case ["--include-path"]:
            sys.stdout.write(f"{include_path()}\n")
        case ["breaking", against, *given] if len(given) <= 1:
            # Workflows need the engine, which imports what this plugin writes.
            from cerebelum_codegen.plugin.workflows.comparing import compare

            sys.exit(compare(against, given[0] if given else "."))
        case ["breaking"]:
            sys.stderr.write("error: say what to compare with: protoc-gen-cerebelum breaking '.git#branch=main'\n")
            sys.exit(2)
        case _:
            sys.stderr.write(f"unknown arguments: {' '.join(arguments)}\n\n{_HELP}")
            sys.exit(2)


def include_path() -> Path:
    """The folder to add to the proto path so that `cerebelum/options/v1/options.proto` and its kin are found."""
    installed = Path(__file__).parent.parent / "include"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "proto"
