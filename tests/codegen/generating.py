"""Runs buf and the plugin as their users do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cerebelum_codegen.plugin.program import generate

PROJECT = Path(__file__).parents[2]
PROTOS = Path(__file__).parent / "protos"

TEMPLATE = """
version: v2
plugins:
  - local: protoc-gen-cerebelum
    out: generated
    strategy: all
"""


def run(*command: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A program of this environment, with its words."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300, check=False
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def described(protos: Path, to: Path) -> FileDescriptorSet:
    """The descriptors of a folder's proto files and of what they import."""
    run("buf", "build", str(protos), "-o", str(to), cwd=to.parent)
    return FileDescriptorSet.FromString(to.read_bytes())


def requested(files: FileDescriptorSet, parameter: str = "") -> plugin_pb2.CodeGeneratorRequest:
    """The request for every file that is not Google's."""
    names = [file.name for file in files.file if not file.name.startswith("google/")]
    return plugin_pb2.CodeGeneratorRequest(file_to_generate=names, proto_file=files.file, parameter=parameter)


def generated(files: FileDescriptorSet, parameter: str = "") -> dict[str, str]:
    """What the plugin writes, by path."""
    response = generate(requested(files, parameter))
    assert not response.error, response.error
    return {file.name: file.content for file in response.file}


def write(files: Mapping[str, str], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
