"""Whatever the schema, what we write Google reads as the same, and the other way round, in bytes and in JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codegen.generating import generated, write
from tests.codegen.oracle import Oracle, Ours, canonical
from tests.codegen.schemas import schemas


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(schema=schemas(), data=st.data())
def test_messages_of_any_schema_travel_both_ways(
    folder: Path, schema: FileDescriptorProto, data: st.DataObject
) -> None:
    files = FileDescriptorSet(file=[schema])
    google = Oracle(files)
    write(generated(files), folder)
    importlib.invalidate_caches()
    ours = Ours([importlib.import_module(f"{schema.package}.all_pb")])
    for declared in schema.message_type:
        kind = f"{schema.package}.{declared.name}"
        theirs = data.draw(google.messages(kind))
        mine = ours.like(theirs)
        assert canonical(google.type_of(kind).FromString(mine.to_bytes())) == canonical(theirs)
        assert ours.classes[kind].from_bytes(theirs.SerializeToString()) == mine
        written = json_format.MessageToJson(theirs)
        assert ours.like(json_format.Parse(mine.to_json(), google.type_of(kind)())) == ours.classes[kind].from_json(
            written
        )
        assert json.loads(mine.to_json()).keys() == json.loads(written).keys()
