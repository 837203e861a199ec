"""A user's own copy of a proto that comes with the runtime too, as grpc's health: both live side by side."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cerebelum_codegen.known.any_pb import Any
from cerebelum_codegen.runtime.rpc import Channel
from cerebelum_codegen.runtime.rpc.health import Health
from cerebelum_proto.grpc.health.v1 import health_pb as ours
from tests.codegen.generating import PROJECT, described, generated, write
from tests.codegen.rpc.conftest import served

PROTO = PROJECT / "proto" / "grpc" / "health" / "v1" / "health.proto"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The package of a copy."""
    write({"proto/grpc/health/v1/health.proto": PROTO.read_text()}, tmp_path)
    write(generated(described(tmp_path / "proto", tmp_path / "image.binpb"), "map=grpc:my_copy"), tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_copy.health.v1"
    for name in [each for each in sys.modules if each.startswith("my_copy")]:
        del sys.modules[name]


def test_each_copy_reads_and_writes_its_own_messages(copied: str) -> None:
    theirs = importlib.import_module(f"{copied}.health_pb")
    for kind in (theirs.HealthCheckRequest, ours.HealthCheckRequest):
        message = kind(service="shop")
        assert type(kind.from_bytes(message.to_bytes())) is kind
        assert type(kind.from_json(message.to_json())) is kind
        packed = Any.pack(message)
        assert type(packed.unpack(kind)) is kind
        assert '"service":"shop"' in packed.to_json()


async def test_the_stub_of_a_copy_talks_with_our_service(copied: str) -> None:
    theirs = importlib.import_module(f"{copied}.health_pb")
    stubs = importlib.import_module(f"{copied}.health_grpc")
    async with served(Health(())) as server, Channel("127.0.0.1", server.port) as channel:
        answer = await stubs.HealthStub(channel).check(theirs.HealthCheckRequest())
    assert answer.status is theirs.HealthCheckResponse_ServingStatus.SERVING
