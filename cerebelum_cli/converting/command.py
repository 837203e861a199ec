"""`convert`: a workflow in its other spelling."""

from __future__ import annotations

import re
from pathlib import Path

import click

from cerebelum import Workflow
from cerebelum.declared.base import DeclaredWorkflow
from cerebelum.declared.definition import Definition
from cerebelum_cli.converting.contract import definitions_in
from cerebelum_cli.converting.proto import proto_of
from cerebelum_cli.converting.python import python_of
from cerebelum_cli.exits import UsageError
from cerebelum_cli.loading import load_module
from cerebelum_cli.output import write_out

_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def _package(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _PACKAGE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no package: write names with dots between them, for example shop.v1")
    return value


@click.command()
@click.argument("workflow", metavar="MODULE:NAME|FILE.proto")
@click.option(
    "--package",
    callback=_package,
    help="The package of the proto file; by default that of the workflow's name, or its own.",
)
def convert(workflow: str, package: str | None) -> None:
    """Print a workflow in its other spelling.

    A decorated workflow (shop.orders:order) becomes a proto file, a declared one
    (shop.v1.orders_workflows:ORDER_FULFILMENT, an object that implements it, or shop/v1/orders.proto itself, where buf
    or protoc is at hand) becomes decorated steps. Both have the same blueprint; what the other spelling cannot say is
    refused.
    """
    write_out(_converted(workflow, package))


def _converted(name: str, package: str | None) -> str:
    module_name, _, attribute = name.partition(":")
    found = _convertibles(module_name)
    match found.get(attribute) if attribute else _only(found):
        case Workflow() as workflow:
            return proto_of(workflow, package)
        case Definition() as definition:
            return python_of(definition)
        case DeclaredWorkflow() as implemented:
            return python_of(implemented.__definition__)
        case _:
            raise UsageError(f"{module_name!r} has {_missed(attribute, sorted(found))}")


def _convertibles(name: str) -> dict[str, object]:
    if name.endswith(".proto"):
        return {**definitions_in(Path(name))}
    return {key: each for key, each in vars(load_module(name)).items() if _is_convertible(each)}


def _missed(attribute: str, there: list[str]) -> str:
    if not there:
        return "no workflow: name the module of a decorated one, or the generated *_workflows of a declared one"
    if attribute:
        return f"no workflow {attribute!r}: it has {', '.join(there)}"
    return f"several workflows: name one of {', '.join(there)} behind a colon"


def _only(found: dict[str, object]) -> object:
    return next(iter(found.values())) if len(found) == 1 else None


def _is_convertible(value: object) -> bool:
    return isinstance(value, Workflow | Definition | DeclaredWorkflow)
