"""A service that only reads messages loads what that takes, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.codegen.generating import PROJECT

HEAVY = {"google.protobuf", "jinja2", "grpclib", "h2", "hpack", "apsw", "click", "asyncio", "cerebelum_codegen.plugin"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("cerebelum_proto.worker.worker_service_pb", set()),
        ("cerebelum_proto.worker.worker_service_markers", set()),
        ("cerebelum_proto.events.v1.events_pb", set()),
        ("cerebelum_codegen.runtime", set()),
        ("cerebelum_proto.worker.worker_service_grpc", {"hpack", "asyncio"}),
    ],
)
def test_importing_messages_is_light(module: str, allowed: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert loaded & HEAVY == allowed
