"""What proto2 and editions have beside proto3: closed enums, groups, extensions, required fields, defaults."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from google.protobuf.message import EncodeError as GoogleRefusal

from cerebelum_codegen.runtime import DecodeError, EncodeError
from tests.codegen.conftest import Trial
from tests.codegen.oracle import Oracle


def test_a_closed_enum_holds_what_it_names_and_the_rest_is_an_unknown_field(trial: Trial, google: Oracle) -> None:
    old = trial.legacy.Old
    for data in (
        b"\x18\x63",
        b"\x20\x01\x20\x63\x20\x02",
        b"\x2a\x03\x01\x63\x02",
        b"\x38\x63",
        b"\x32\x05\x0a\x01a\x10\x63",
    ):
        read, theirs = old.from_bytes(data), google.type_of("trial.Old").FromString(data)
        assert read.to_bytes() == theirs.SerializeToString()
    assert old.from_bytes(b"\x18\x63").shade is None
    assert old.from_bytes(b"\x20\x01\x20\x63\x20\x02").shades == [1, 2]
    assert old.from_bytes(b"\x32\x05\x0a\x01a\x10\x63").by_name == {}
    with pytest.raises(ValueError, match="99 is not a valid Old_Shade"):
        trial.legacy.Old_Shade(99)
    with pytest.raises(DecodeError, match=r"Old\.shade: 99 is not a valid Old_Shade"):
        old.from_json('{"shade": 99}')


def test_a_field_that_is_absent_is_none_and_its_declared_default_has_a_property(trial: Trial) -> None:
    old = trial.legacy.Old()
    assert (old.number, old.text, old.shade, old.raw, old.ratio, old.yes) == (None,) * 6
    assert (old.number_or_default, old.text_or_default, old.raw_or_default) == (42, 'no"ne', b"\x01a")
    assert (old.shade_or_default, old.yes_or_default) == (trial.legacy.Old_Shade.SHADE_DARK, True)
    assert old.ratio_or_default == math.inf
    old.number = 0
    assert (old.number_or_default, old.to_bytes()) == (0, b"\x08\x00")


def test_a_group_stands_between_two_tags(trial: Trial) -> None:
    legacy = trial.legacy
    part = legacy.Old(part=legacy.Old_Part(name="a", whole=legacy.Old(number=1)))
    assert part.to_bytes() == b"\x4b\x0a\x01a\x12\x02\x08\x01\x4c"
    assert legacy.Old.from_bytes(part.to_bytes()) == part
    twice = legacy.Old.from_bytes(b"\x4b\x0a\x01a\x4c\x4b\x12\x00\x4c")
    assert twice.part == legacy.Old_Part(name="a", whole=legacy.Old())
    assert legacy.Old.from_bytes(b"\x53\x08\x01\x54\x53\x54").item == [legacy.Old_Item(size=1), legacy.Old_Item()]
    assert legacy.Old.from_bytes(b"\x6b\x0a\x01c\x6c").pick == legacy.Old_Chosen(name="c")
    assert part.to_dict() == {"part": {"name": "a", "whole": {"number": 1}}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x4b\x0a\x01a", "end in the middle"),
        (b"\x4b\x0a\x05a\x4c", "end in the middle"),
        (b"\x4b\x54", "group 9 is closed as group 10"),
        (b"\x4b" * 500 + b"\x4c" * 500, "nest deeper than 100"),
    ],
)
def test_a_malformed_group_is_refused(trial: Trial, data: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        trial.legacy.Old.from_bytes(data)


def test_editions_choose_feature_by_feature(trial: Trial) -> None:
    kind = trial.edition.Chosen2023
    assert kind().explicit is None
    assert kind().implicit == 0
    assert kind(explicit=0, implicit=0).to_bytes() == b"\x08\x00"
    assert kind(packed=[1, 2], expanded=[1, 2]).to_bytes() == b"\x1a\x02\x01\x02\x20\x01\x20\x02"
    assert kind(between_tags=kind()).to_bytes() == b"\x2b\x2c"
    assert kind(behind_length=kind()).to_bytes() == b"\x32\x00"
    assert kind(by_name={"": kind()}).to_bytes() == b"\x3a\x04\x0a\x00\x12\x00"
    assert kind.from_bytes(b"\x50\x05").mood is None
    assert kind.from_bytes(b"\x58\x05").sky == 5


def test_a_string_that_nobody_checks_keeps_its_bytes(trial: Trial) -> None:
    kind = trial.edition.Chosen2023
    read = kind.from_bytes(b"\x42\x02\xc3\x28")
    assert read.to_bytes() == b"\x42\x02\xc3\x28"
    with pytest.raises(DecodeError, match="not UTF-8"):
        kind.from_bytes(b"\x4a\x02\xc3\x28")
    with pytest.raises(EncodeError, match=r"Chosen2023\.unchecked: .*surrogates not allowed"):
        read.to_json()


def test_a_message_without_a_required_field_is_neither_written_nor_read(trial: Trial, google: Oracle) -> None:
    legacy = trial.legacy
    with pytest.raises(EncodeError, match=r"^trial\.Strict\.size: a required field has no value"):
        legacy.Strict(name="a").to_bytes()
    with pytest.raises(GoogleRefusal):
        google.type_of("trial.Strict")(name="a").SerializeToString()
    whole = legacy.Strict(name="", size=0)
    assert legacy.Strict.from_bytes(whole.to_bytes()) == whole
    for kind, data in (
        (legacy.Strict, b"\x0a\x00"),
        (legacy.Holder, b"\x0a\x02\x0a\x00"),
        (legacy.Holder, b"\x12\x02\x0a\x00"),
        (legacy.Holder, b"\x1a\x04\x12\x02\x0a\x00"),
    ):
        with pytest.raises(DecodeError, match=r"^trial\.Strict\.size: a required field is missing"):
            kind.from_bytes(data)
    with pytest.raises(DecodeError, match="required field is missing"):
        legacy.Holder.from_json('{"strict": {"name": ""}}')
    assert legacy.Holder.from_bytes(b"\x0a\x02\x0a\x00\x0a\x02\x18\x00").strict == whole, "parts make a whole"


def test_a_wrong_value_beside_a_required_field_is_named(trial: Trial) -> None:
    with pytest.raises(EncodeError, match=r"^trial\.Strict\.size: .*int32"):
        trial.legacy.Strict(name="a", size=1 << 40).to_bytes()


def test_an_extension_is_read_and_set_by_its_object(trial: Trial, google: Oracle) -> None:
    legacy = trial.legacy
    old = legacy.Old(number=7)
    assert legacy.rank.get(old) is None
    assert legacy.labels.get(old) == []
    legacy.rank.set(old, 5)
    legacy.labels.set(old, ["a", "b"])
    legacy.extra.set(old, legacy.Extra(note="n"))
    legacy.tint.set(old, legacy.Old_Shade.SHADE_DARK)
    legacy.Scope_scope.set(old, legacy.Scope(depth=2))
    theirs = google.type_of("trial.Old").FromString(old.to_bytes())
    assert (
        google.type_of("trial.Old").FromString(legacy.Old.from_bytes(theirs.SerializeToString()).to_bytes()) == theirs
    )
    by_name = google.pool.FindExtensionByName
    assert theirs.Extensions[by_name("trial.rank")] == 5
    assert theirs.Extensions[by_name("trial.Scope.scope")].depth == 2
    read = legacy.Old.from_bytes(old.to_bytes())
    assert (legacy.rank.get(read), legacy.labels.get(read)) == (5, ["a", "b"])
    assert read == old
    legacy.rank.set(read, None)
    legacy.labels.set(read, [])
    assert (legacy.rank.get(read), legacy.labels.get(read), read.number) == (None, [], 7)


def test_an_extension_refuses_what_it_cannot_carry_and_whom_it_does_not_extend(trial: Trial) -> None:
    legacy = trial.legacy
    with pytest.raises(EncodeError, match=r"trial\.Old\.rank: 4294967296 is out of range"):
        legacy.rank.set(legacy.Old(), 1 << 32)
    with pytest.raises(TypeError, match="rank extends Old, not Strict"):
        legacy.rank.get(legacy.Strict())
    for data in (b"\xb2\x06\x02\x0a\x05", b"\xbb\x06\x0a\x05\xbc\x06"):
        with pytest.raises(DecodeError):
            legacy.Old.from_bytes(data)
    with pytest.raises(DecodeError, match="required field is missing"):
        legacy.proof.get(legacy.Old.from_bytes(b"\xb2\x06\x00"))


def test_extensions_go_by_their_full_names_in_json(trial: Trial) -> None:
    legacy = trial.legacy
    old = legacy.Old(number=1)
    legacy.rank.set(old, 5)
    legacy.Scope_scope.set(old, legacy.Scope(depth=2))
    assert old.to_dict() == {"number": 1, "[trial.rank]": 5, "[trial.Scope.scope]": {"depth": 2}}
    assert legacy.Old.from_dict(old.to_dict()) == old
    with pytest.raises(DecodeError, match=r"has no field '\[trial.nothing\]'"):
        legacy.Old.from_dict({"[trial.nothing]": 1})


def test_a_message_set_holds_its_messages_in_groups(trial: Trial, google: Oracle) -> None:
    legacy = trial.legacy
    held = legacy.Set()
    legacy.Scope_in_set.set(held, legacy.Scope(depth=3))
    assert held.to_bytes() == b"\x0b\x10\xe8\x07\x1a\x02\x08\x03\x0c"
    assert google.type_of("trial.Set").FromString(held.to_bytes()).SerializeToString() == held.to_bytes()
    read = legacy.Set.from_bytes(b"\x0b\x1a\x02\x08\x03\x10\xe8\x07\x0c")
    assert legacy.Scope_in_set.get(read) == legacy.Scope(depth=3)
    assert held.to_dict() == {"[trial.Scope.in_set]": {"depth": 3}}
    strange = b"\x0b\x10\x05\x1a\x01x\x0c"
    assert legacy.Set.from_bytes(strange).to_bytes() == strange


@pytest.mark.parametrize(
    "data", [b"\x0b", b"\x0b\x10\xe8\x07\x1a\x05\x0c", b"\x0b\x1a\x00\x0c", b"\x0b\x10\xe8\x07\x1a\x01\x80\x0c"]
)
def test_a_malformed_message_set_is_refused(trial: Trial, data: bytes) -> None:
    with pytest.raises(DecodeError):
        trial.legacy.Set.from_bytes(data)


def test_extensions_nest_a_hundred_deep_and_no_deeper(trial: Trial) -> None:
    data = [b""]
    for _ in range(2_000):
        data.append(b"\xca\x06" + _size(data[-1]) + data[-1])
    assert trial.legacy.Old.from_bytes(data[100]).to_bytes() == data[100]
    for levels in (101, 2_000):
        with pytest.raises(DecodeError, match="nest deeper than 100"):
            trial.legacy.Old.from_bytes(data[levels])


def _size(data: bytes) -> bytes:
    out, length = bytearray(), len(data)
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes([*out, length])


def test_messages_with_extensions_pickle(trial: Trial) -> None:
    old: Any = trial.legacy.Old(number=1, shade=trial.legacy.Old_Shade.SHADE_DARK)
    trial.legacy.rank.set(old, 5)
    assert pickle.loads(pickle.dumps(old)) == old
