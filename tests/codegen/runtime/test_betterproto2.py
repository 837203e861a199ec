"""betterproto2 as a second oracle: what we write it reads and writes again, and we read the same from that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codegen.generating import PROJECT, PROTOS, write
from tests.codegen.oracle import Oracle, Ours

PACKAGES = ("betterproto2==0.10.0", "betterproto2_compiler==0.10.1")
INSTALLED = PROJECT / ".cache" / "oracles" / "betterproto2"
TEMPLATE = """
version: v2
plugins:
  - local: protoc-gen-python_betterproto2
    out: generated
    opt: [client_generation=none]
    strategy: all
"""
# On maps, oneofs and known types it raises, or differs from Google's library, with whom we agree. It has no proto2.
KINDS = ["Scalars", "Optionals", "Lists", "Unpacked", "Tree", "Newer", "Older"]

Ask = Callable[[str, bytes], bytes]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """What betterproto2 makes of a message's bytes."""
    folder = tmp_path_factory.mktemp("betterproto2")
    environment = {**os.environ, "PYTHONPATH": str(INSTALLED)}
    environment["PATH"] = os.pathsep.join(
        (str(INSTALLED / "bin"), str(Path(sys.executable).parent), os.environ["PATH"])
    )
    if not INSTALLED.is_dir():
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--target", str(INSTALLED))
        if (done := subprocess.run([*pip, *PACKAGES], capture_output=True, text=True, check=False)).returncode:
            pytest.skip(f"betterproto2 cannot be installed here: {done.stderr[-300:]}")
    write({"buf.gen.yaml": TEMPLATE, "proto/kinds.proto": (PROTOS / "trial/kinds.proto").read_text()}, folder)
    generate = ["buf", "generate", "proto", "--include-imports", "--include-wkt"]
    subprocess.run(generate, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    peer = [sys.executable, str(PROJECT / "tests/codegen/betterproto2_peer.py"), str(folder)]
    with subprocess.Popen(peer, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answered = process.stdin, process.stdout

        def of(kind: str, data: bytes) -> bytes:
            asked.write(f"{kind} {data.hex()}\n")
            asked.flush()
            return bytes.fromhex(answered.readline())

        yield of
        asked.close()


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_betterproto2_reads_what_we_write_and_we_read_what_it_writes(
    google: Oracle, ours: Ours, ask: Ask, name: str, data: st.DataObject
) -> None:
    kind = f"trial.{name}"
    message = ours.like(data.draw(google.messages(kind)))
    assert ours.classes[kind].from_bytes(ask(kind, message.to_bytes())) == message
