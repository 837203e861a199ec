"""What people are shown of messages that they have no code for: what their code would show."""

from __future__ import annotations

import math

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message as Google
from hypothesis import HealthCheck, assume, given, settings

from cerebelum.messages import describe_messages, messages_in
from cerebelum_cli.messages import DescribedMessages
from cerebelum_codegen.plugin.declarations import Declarations
from cerebelum_codegen.plugin.workflows.messages import Messages
from cerebelum_codegen.runtime import DecodeError, EncodeError
from cerebelum_codegen.runtime.descriptor import fields_of
from cerebelum_proto.worker.worker_service_pb import Description
from tests.codegen.oracle import Oracle, Ours

KINDS = [
    f"trial.{name}"
    for name in ("Scalars", "Optionals", "Lists", "Unpacked", "Maps", "Tree", "Choice", "Known", "Wrapped", "Older")
]


@pytest.fixture(scope="module", params=["by the contract", "by generated classes"])
def described(request: pytest.FixtureRequest, trial_files: FileDescriptorSet, ours: Ours) -> DescribedMessages:
    if request.param == "by the contract":
        messages, enums = Messages(Declarations(trial_files.file)).described(KINDS)
        return DescribedMessages(Description(messages=messages, enums=enums))
    told = Description()
    describe_messages(told, messages_in(ours.classes[name] for name in KINDS))
    return DescribedMessages(told)


@pytest.mark.parametrize("name", KINDS)
def test_a_described_message_is_shown_as_its_code_shows_it(
    name: str, described: DescribedMessages, google: Oracle, ours: Ours
) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(google.messages(name))
    def agree(message: Google) -> None:
        data = message.SerializeToString()
        try:
            shown = ours.classes[name].from_bytes(data).to_dict()
        except EncodeError:  # an infinite number in a Struct has no JSON
            assume(False)
        else:
            assert described.read(name, data) == shown

    agree()


def test_a_message_that_comes_in_parts_is_shown_whole(described: DescribedMessages, ours: Ours) -> None:
    tree = ours.classes["trial.Tree"]
    parts = [tree.from_dict({"left": {"name": "a", "parent": {"name": "b"}}}), tree.from_dict({"left": {"name": "c"}})]
    data = b"".join(part.to_bytes() for part in parts)
    assert described.read("trial.Tree", data) == {"left": {"name": "c", "parent": {"name": "b"}}}


@pytest.mark.parametrize("data", [b"\x09\x00", b"\x0a\x05a", b"\xff", b"\x07"])
def test_bytes_that_are_no_message_are_refused(described: DescribedMessages, data: bytes) -> None:
    with pytest.raises(DecodeError, match=r"trial\.Scalars: "):
        described.read("trial.Scalars", data)


def test_a_number_that_json_does_not_have_is_refused(described: DescribedMessages, ours: Ours) -> None:
    known = ours.classes["trial.Known"]
    name = next(field.name for field in fields_of(known) if field.kind == "struct" and not field.repeated)
    message = known()
    setattr(message, name, {"a": math.inf})
    with pytest.raises(DecodeError, match="JSON has no inf"):
        described.read("trial.Known", message.to_bytes())


def test_what_nobody_has_described_is_refused(described: DescribedMessages) -> None:
    with pytest.raises(DecodeError, match=r"message trial\.Unheard is not described"):
        described.read("trial.Unheard", b"")
