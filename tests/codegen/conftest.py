from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.events.v1 import events_pb
from cerebelum_proto.types.v1 import types_pb
from cerebelum_proto.worker import worker_service_pb
from tests.codegen.generating import PROJECT, PROTOS, described, generated, write
from tests.codegen.oracle import Oracle, Ours


@dataclass(frozen=True)
class Trial:
    """The modules generated from the protos of this suite."""

    kinds: ModuleType
    legacy: ModuleType
    edition: ModuleType
    calls: ModuleType
    calls_grpc: ModuleType


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    """The descriptors of the project's own contract."""
    return described(PROJECT / "proto", tmp_path_factory.mktemp("contract") / "image.binpb")


@pytest.fixture(scope="session")
def trial_files(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    return described(PROTOS, tmp_path_factory.mktemp("trial") / "image.binpb")


@pytest.fixture(scope="session")
def trial(trial_files: FileDescriptorSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    compiled = os.environ.get("COMPILED_TRIAL")
    root = Path(compiled) if compiled else tmp_path_factory.mktemp("generated")
    if not compiled:
        write(generated(trial_files), root)
    sys.path.insert(0, str(root))
    yield Trial(
        *(
            importlib.import_module(f"trial.{name}")
            for name in ("kinds_pb", "legacy_pb", "edition_pb", "calls_pb", "calls_grpc")
        )
    )
    sys.path.remove(str(root))


@pytest.fixture(scope="session")
def google(contract: FileDescriptorSet, trial_files: FileDescriptorSet) -> Oracle:
    files = {file.name: file for each in (contract, trial_files) for file in each.file}
    return Oracle(FileDescriptorSet(file=files.values()))


@pytest.fixture(scope="session")
def ours(trial: Trial) -> Ours:
    return Ours(
        [worker_service_pb, events_pb, types_pb, control_pb, trial.kinds, trial.legacy, trial.edition, trial.calls]
    )
