"""What a generated message is beside its bytes."""

from __future__ import annotations

import math
import pickle
import struct

import pytest

from cerebelum_codegen.runtime import Empty
from cerebelum_proto.worker.worker_service_pb import ListExecutionsRequest, TaskStatus
from tests.codegen.conftest import Trial
from tests.codegen.oracle import Oracle


def test_a_message_that_says_nothing_has_no_bytes(trial: Trial) -> None:
    for kind in ("Scalars", "Optionals", "Lists", "Unpacked", "Maps", "Tree", "Choice", "Known"):
        message = getattr(trial.kinds, kind)
        assert message().to_bytes() == b""
        assert message.from_bytes(b"") == message()


def test_presence_is_none_or_a_value_and_a_zero_that_is_said_is_written(trial: Trial, google: Oracle) -> None:
    kinds = trial.kinds
    silent = kinds.Optionals()
    assert (silent.an_int32, silent.a_string, silent.a_bool, silent.a_color, silent.a_double) == (None,) * 5
    zeros = kinds.Optionals(an_int32=0, a_string="", a_bool=False, a_color=kinds.Color.COLOR_UNSPECIFIED, a_double=0.0)
    read = google.type_of("trial.Optionals").FromString(zeros.to_bytes())
    assert all(read.HasField(name) for name in ("an_int32", "a_string", "a_bool", "a_color", "a_double"))
    assert not read.HasField("a_bytes")
    assert kinds.Optionals.from_bytes(zeros.to_bytes()) == zeros
    assert ListExecutionsRequest(workflow_name="").to_bytes() == b"\x0a\x00"


def test_of_numbers_without_presence_only_zero_is_left_out_and_minus_zero_is_not_zero(trial: Trial) -> None:
    kind = trial.kinds.Scalars
    assert kind(a_double=0.0, a_float=0.0).to_bytes() == b""
    read = kind.from_bytes(kind(a_double=-0.0, a_float=-0.0).to_bytes())
    assert (math.copysign(1, read.a_double), math.copysign(1, read.a_float)) == (-1, -1)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308])
def test_every_double_comes_back(trial: Trial, number: float) -> None:
    read = trial.kinds.Scalars.from_bytes(trial.kinds.Scalars(a_double=number).to_bytes()).a_double
    assert struct.pack("<d", read) == struct.pack("<d", number)
    inside = trial.kinds.Known.from_bytes(trial.kinds.Known(object={"n": number}).to_bytes()).object["n"]
    assert struct.pack("<d", inside) == struct.pack("<d", number)


def test_fields_are_written_in_the_order_of_their_numbers_and_maps_in_the_order_of_their_entries(trial: Trial) -> None:
    kinds = trial.kinds
    assert kinds.Leaf(size=1, name="a").to_bytes() == b"\x0a\x01a\x10\x01"
    assert kinds.Choice(after="z", choice=kinds.Leaf(), before="a").to_bytes() == b"\x0a\x01a\x52\x00\xc2\x02\x01z"
    assert kinds.Maps(by_int32={2: "b", 1: "a"}).to_bytes() == b"\x0a\x05\x08\x02\x12\x01b\x0a\x05\x08\x01\x12\x01a"


def test_numbers_are_written_packed_unless_the_proto_says_otherwise_and_read_either_way(trial: Trial) -> None:
    packed, unpacked = trial.kinds.Lists(int32s=[1, -1]), trial.kinds.Unpacked(int32s=[1, -1])
    assert packed.to_bytes() == b"\x1a\x0b\x01" + b"\xff" * 9 + b"\x01"
    assert unpacked.to_bytes() == b"\x18\x01\x18" + b"\xff" * 9 + b"\x01"
    assert trial.kinds.Lists.from_bytes(unpacked.to_bytes()) == packed
    assert trial.kinds.Unpacked.from_bytes(packed.to_bytes()) == unpacked
    mixed = trial.kinds.Lists.from_bytes(packed.to_bytes() + unpacked.to_bytes())
    assert mixed.int32s == [1, -1, 1, -1]


def test_a_map_entry_may_lack_its_key_its_value_or_both_and_the_last_of_a_key_counts(trial: Trial) -> None:
    kinds = trial.kinds
    assert kinds.Maps.from_bytes(b"\x0a\x00").by_int32 == {0: ""}
    assert kinds.Maps.from_bytes(b"\x0a\x02\x08\x05").by_int32 == {5: ""}
    assert kinds.Maps.from_bytes(b"\x0a\x03\x12\x01a").by_int32 == {0: "a"}
    assert kinds.Maps.from_bytes(b"\x5a\x00\x62\x00").by_string == {"": kinds.Tree()}
    assert kinds.Maps.from_bytes(b"\x0a\x05\x08\x01\x12\x01a\x0a\x05\x08\x01\x12\x01b").by_int32 == {1: "b"}
    assert kinds.Maps.from_bytes(b"\x0a\x07\x12\x01a\x08\x01\x08\x02").by_int32 == {2: "a"}


def test_the_last_member_of_a_oneof_counts_and_the_same_message_goes_on(trial: Trial) -> None:
    kinds = trial.kinds
    read = kinds.Choice.from_bytes
    text, leaf, second = b"\x6a\x01t", b"\x52\x03\x0a\x01n", b"\x5a\x02\x10\x05"
    assert read(leaf + text).choice == kinds.Choice_Text("t")
    assert read(text + leaf).choice == kinds.Leaf(name="n")
    assert read(leaf + b"\x52\x02\x10\x05").choice == kinds.Leaf(name="n", size=5)
    assert read(leaf + second).choice == kinds.Choice_SecondLeaf(kinds.Leaf(size=5))
    assert read(leaf + text + b"\x52\x02\x10\x05").choice == kinds.Leaf(size=5)


def test_the_member_with_the_lowest_number_of_its_type_stands_for_itself(trial: Trial) -> None:
    kinds = trial.kinds
    assert kinds.Choice(choice=kinds.Leaf()).to_bytes() == b"\x52\x00"
    assert kinds.Choice(choice=kinds.Choice_SecondLeaf(kinds.Leaf())).to_bytes() == b"\x5a\x00"
    assert not hasattr(kinds, "Choice_Leaf")
    match kinds.Choice(choice=kinds.Choice_Text("hello")).choice:
        case kinds.Choice_Text(text):
            assert text == "hello"
        case other:
            pytest.fail(f"{other!r} is no text")


def test_an_enum_keeps_a_number_that_it_does_not_name(trial: Trial) -> None:
    color = trial.kinds.Color
    strange = color(99)
    assert (strange, strange.name, hash(strange), {strange: 1}[99]) == (99, "UNRECOGNIZED_99", hash(99), 1)
    assert isinstance(strange, color)
    assert "99" in repr(strange)
    assert 99 not in [int(member) for member in color]
    assert color(99) is not strange, "what strangers send must not be kept"
    assert trial.kinds.Scalars.from_bytes(b"\x80\x01\x63").to_bytes() == b"\x80\x01\x63"
    for beyond in (1 << 31, -(1 << 31) - 1, "COLOR_RED", 1.5):
        with pytest.raises(ValueError, match="is not a valid Color"):
            color(beyond)


def test_an_enum_reads_thirty_two_bits_of_its_number(trial: Trial) -> None:
    kinds = trial.kinds
    below = b"\x80\x01" + b"\xff" * 9 + b"\x01"
    assert kinds.Scalars.from_bytes(below).a_color is kinds.Color.COLOR_BELOW
    assert kinds.Scalars(a_color=kinds.Color.COLOR_BELOW).to_bytes() == below
    assert kinds.Scalars.from_bytes(b"\x80\x01\x81\x80\x80\x80\x10").a_color is kinds.Color.COLOR_RED


def test_two_names_of_one_number_are_one_member(trial: Trial) -> None:
    assert trial.kinds.Tone.TONE_DEEP is trial.kinds.Tone.TONE_LOW


def test_named_and_strange_enum_members_pickle(trial: Trial) -> None:
    for member in (TaskStatus.SLEEP, TaskStatus(99)):
        copy = pickle.loads(pickle.dumps(member))
        assert (copy, copy.name, type(copy)) == (member, member.name, TaskStatus)
    assert pickle.loads(pickle.dumps(TaskStatus.SLEEP)) is TaskStatus.SLEEP


def test_a_message_knows_its_name_in_the_contract(trial: Trial) -> None:
    assert trial.kinds.Tree_Root.FULL_NAME == "trial.Tree.Root"
    assert Empty.FULL_NAME == "google.protobuf.Empty"


def test_a_message_has_no_place_for_a_field_that_it_does_not_have(trial: Trial) -> None:
    leaf = trial.kinds.Leaf()
    with pytest.raises(AttributeError):
        leaf.nmae = "typo"
    with pytest.raises(TypeError):
        trial.kinds.Leaf("by position")


def test_two_messages_share_no_list(trial: Trial) -> None:
    first = trial.kinds.Lists()
    first.strings.append("a")
    assert trial.kinds.Lists().strings == []
