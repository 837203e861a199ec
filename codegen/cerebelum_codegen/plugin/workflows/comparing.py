"""`protoc-gen-cerebelum breaking AGAINST [INPUT]`: what two contracts, as buf builds them, say of their workflows."""

from __future__ import annotations

import subprocess
import sys

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cerebelum_codegen.plugin.declarations import Declarations
from cerebelum_codegen.plugin.errors import PluginError
from cerebelum_codegen.plugin.modules import ModuleMap
from cerebelum_codegen.plugin.source import Source
from cerebelum_codegen.plugin.workflows.breaking import Change, Effect, changes
from cerebelum_codegen.plugin.workflows.declared import DeclaredWorkflow
from cerebelum_codegen.plugin.workflows.reading import read_workflows


def compare(against: str, given: str) -> int:
    """Print what is otherwise in `given`; the exit code: 1 when something breaks.

    Both are what buf takes: a folder, an image, `.git#ref=v1.2`.
    """
    try:
        found = list(changes(workflows_in(_built(against)), workflows_in(_built(given))))
    except PluginError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for change in found:
        sys.stdout.write(f"{change}\n")
    return 1 if any(_is_breaking(each) for each in found) else 0


def workflows_in(files: FileDescriptorSet) -> list[DeclaredWorkflow]:
    """The workflows of an image.

    Raises:
        PluginError: with everything that is wrong with them.
    """
    declared, modules = Declarations(files.file), ModuleMap()
    return [each for file in files.file for each in read_workflows(Source(file, declared, modules))]


def _is_breaking(change: Change) -> bool:
    return change.effect is Effect.BREAKS


def _built(source: str) -> FileDescriptorSet:
    command = ["buf", "build", source, "-o", "-#format=binpb"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise PluginError("`breaking` needs buf, which is not installed here: pip install buf-bin") from None
    if done.returncode != 0:
        raise PluginError(done.stderr.decode().strip())
    return FileDescriptorSet.FromString(done.stdout)
