"""Bytes that are no message are a DecodeError, whatever is wrong with them, and never anything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError as GoogleRefusal
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cerebelum_codegen.runtime import DecodeError
from cerebelum_codegen.runtime.wire import MAX_DEPTH, read_tag, shortly_tagged, skip
from cerebelum_proto.worker.worker_service_pb import Task
from tests.codegen.conftest import Trial
from tests.codegen.oracle import Oracle, Ours, canonical

ALL = [
    f"trial.{name}"
    for name in (
        "Scalars",
        "Optionals",
        "Lists",
        "Unpacked",
        "Maps",
        "Tree",
        "Choice",
        "Known",
        "Older",
        "Old",
        "Chosen2023",
        "Wrapped",
        "Boxed",
    )
]
# Google keeps a map entry whole when it holds something unknown, and so do these not have any.
EXACT = [f"trial.{name}" for name in ("Scalars", "Optionals", "Lists", "Unpacked", "Older")]

many = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))

SPOILERS = [0, 1, 2, 3, 4, 5, 8, 10, 11, 12, 0x7F, 0x80, 0xFF]


@st.composite
def spoiled(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes of a message with a few of them changed, lost or added."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        byte = draw(st.sampled_from(SPOILERS) | st.integers(0, 255))
        match draw(st.sampled_from(["change", "lose", "add", "cut"])):
            case "change":
                data[at : at + 1] = bytes([byte])
            case "lose":
                del data[at : at + 1]
            case "add":
                data.insert(at, byte)
            case _:  # cut
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", ALL)
@many
@given(data=st.binary(max_size=60))
def test_random_bytes_are_a_message_or_a_decode_error(ours: Ours, name: str, data: bytes) -> None:
    with suppress(DecodeError):
        ours.classes[name].from_bytes(data)


@pytest.mark.parametrize("name", ALL)
@many
@given(data=st.data())
def test_spoiled_messages_are_a_message_or_a_decode_error(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    with suppress(DecodeError):
        ours.classes[name].from_bytes(data.draw(spoiled(data.draw(google.messages(name)).SerializeToString())))


@pytest.mark.parametrize("name", EXACT)
@many
@given(data=st.data())
def test_what_google_makes_of_a_spoiled_message_we_make_of_it_too(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    spoilt = data.draw(spoiled(data.draw(google.messages(name)).SerializeToString()))
    try:
        expected = google.type_of(name).FromString(spoilt)
    except GoogleRefusal:
        assume(False)
    assume("nan" not in str(expected))  # a Python float does not keep the bits of a signalling NaN
    assume(b"\x03" not in spoilt and b"\x0b" not in spoilt)  # Google lets a field 0 pass inside of a group
    read = ours.classes[name].from_bytes(spoilt)
    assert short(canonical(google.type_of(name).FromString(read.to_bytes()))) == short(canonical(expected))


def short(data: bytes) -> bytes:
    """With tags as short as they go: where one is spelt longer, Google keeps the spelling, and we keep the field."""
    return shortly_tagged(data, 0, len(data), MAX_DEPTH)


def long_tags(data: bytes) -> bytes:
    """The same message, each of its tags spelt in five bytes, the most that a tag may have."""
    fields, at = [], 0
    while at < len(data):
        tag, begin = read_tag(data, at)
        stop = skip(data, begin, len(data), tag, MAX_DEPTH)
        if begin - at == 5:
            fields.append(data[at:stop])
        else:
            fields += [
                bytes(byte | 0x80 for byte in data[at:begin]),
                b"\x80" * (at + 4 - begin),
                b"\x00",
                data[begin:stop],
            ]
        at = stop
    return b"".join(fields)


@pytest.mark.parametrize("name", ALL)
@settings(many, max_examples=30)
@given(data=st.data())
def test_a_tag_that_is_spelt_longer_than_need_be_is_the_same_tag(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    spelt = long_tags(data.draw(google.messages(name)).SerializeToString())
    assume("nan" not in str(expected := google.type_of(name).FromString(spelt)))
    read = ours.classes[name].from_bytes(spelt)
    assert canonical(google.type_of(name).FromString(read.to_bytes())) == canonical(expected)


@pytest.mark.parametrize(
    ("kind", "short_data", "long_data"),
    [
        ("Known", b"\x22\x04\x08\x05\x10\x06", b"\x22\x06\x88\x00\x05\x90\x00\x06"),
        ("Known", b"\x0a\x07\x0a\x05\x0a\x03abc", b"\x0a\x08\x8a\x00\x05\x0a\x03abc"),
        ("Known", b"\x12\x04\x0a\x02\x20\x01", b"\x12\x05\x8a\x00\x02\x20\x01"),
        ("Known", b"\x1a\x02\x20\x01", b"\x1a\x03\xa0\x00\x01"),
    ],
    ids=["Timestamp", "Struct", "ListValue", "Value"],
)
def test_so_it_is_in_what_has_a_python_form(trial: Trial, kind: str, short_data: bytes, long_data: bytes) -> None:
    read = getattr(trial.kinds, kind).from_bytes
    assert read(short_data) == read(long_data) != read(b"")


@pytest.mark.parametrize("name", ALL)
@settings(many, max_examples=30)
@given(data=st.data())
def test_a_message_cut_short_is_refused_wherever_google_refuses_it(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    whole = data.draw(google.messages(name)).SerializeToString()
    for length in range(len(whole)):
        assert _reads(ours.classes[name].from_bytes, whole[:length]) == _reads(
            google.type_of(name).FromString, whole[:length]
        )


def _reads(read: Callable[[bytes], object], data: bytes) -> bool:
    try:
        read(data)
    except (DecodeError, GoogleRefusal):
        return False
    return True


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"\x18", "end in the middle", id="a tag without a value"),
        pytest.param(b"\x18\x80", "end in the middle", id="half a varint"),
        pytest.param(b"\x80", "end in the middle", id="half a tag"),
        pytest.param(b"\x72\x05abc", "end in the middle", id="a string shorter than it says"),
        pytest.param(b"\x7a\x05abc", "end in the middle", id="bytes shorter than they say"),
        pytest.param(b"\x7a\xff\xff\xff\xff\x7f", "end in the middle", id="a length beyond all"),
        pytest.param(b"\x7a\x80\x80\x80\x80\x80\x00", "longer than five bytes", id="a length of six bytes"),
        pytest.param(b"\xfa\x80\x80\x80\x80\x00\x00", "longer than five bytes", id="a tag of six bytes"),
        pytest.param(b"\x09\x00\x00", "end in the middle", id="half a double"),
        pytest.param(b"\x15\x00", "end in the middle", id="half a float"),
        pytest.param(b"\x4d\x00\x00\x00", "end in the middle", id="half a fixed32"),
        pytest.param(b"\xa2\x06\x05ab", "end in the middle", id="an unknown field shorter than it says"),
        pytest.param(b"\xa1\x06\x05ab", "end in the middle", id="half an unknown fixed64"),
        pytest.param(b"\x18" + b"\x80" * 10 + b"\x01", "longer than ten bytes", id="a varint of eleven bytes"),
        pytest.param(b"\xa0\x06" + b"\xff" * 10 + b"\x01", "longer than ten bytes", id="an unknown one of eleven"),
        pytest.param(b"\x00\x01", "field number 0", id="field number 0"),
        pytest.param(b"\x02\x00", "field number 0", id="field number 0 with a length"),
        pytest.param(b"\x80\x80\x80\x80\x10\x00", "not allowed", id="a field number beyond 2**29"),
        pytest.param(b"\x1e\x00", "field 3 has wire type 6", id="wire type 6"),
        pytest.param(b"\x1f\x00", "field 3 has wire type 7", id="wire type 7"),
        pytest.param(b"\x1c", "wire type 4", id="a group's end without its start"),
        pytest.param(b"\x1b\x08\x01", "end in the middle", id="a group without an end"),
        pytest.param(b"\x1b\x24", "group 3 is closed as group 4", id="a group closed as another"),
        pytest.param(b"\x72\x02\xc3\x28", "a string is not UTF-8", id="bad UTF-8"),
        pytest.param(b"\x72\x03\xed\xa0\x80", "a string is not UTF-8", id="a surrogate in UTF-8"),
    ],
)
def test_the_error_names_the_message_and_what_is_wrong(trial: Trial, data: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=f"^trial.Scalars: .*{said}"):
        trial.kinds.Scalars.from_bytes(data)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("Optionals", b"\x72\x01\xff"),
        ("Lists", b"\x72\x01\xff"),
        ("Maps", b"\x62\x03\x0a\x01\xff"),
        ("Maps", b"\x0a\x05\x08\x01\x12\x01\xff"),
        ("Maps", b"\x6a\x09\x12\x07\x0a\x05\x0a\x03\xff\xff\xff"),
        ("Tree", b"\x12\x03\x0a\x01\xff"),
        ("Tree", b"\x32\x03\x0a\x01\xff"),
        ("Choice", b"\x6a\x01\xff"),
        ("Known", b"\x0a\x05\x0a\x03\x0a\x01\xff"),
        ("Known", b"\x0a\x07\x0a\x05\x12\x03\x1a\x01\xff"),
        ("Known", b"\x1a\x03\x1a\x01\xff"),
    ],
)
def test_a_string_that_is_not_utf_8_is_refused_at_any_place(trial: Trial, kind: str, data: bytes) -> None:
    with pytest.raises(DecodeError, match=f"^trial.{kind}: a string is not UTF-8"):
        getattr(trial.kinds, kind).from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x12\x02\x0a\x05abcde", id="a field that leaves its message"),
        pytest.param(b"\x1a\x02\x0a\x05abcde", id="a field that leaves its message in a list"),
        pytest.param(b"\x22\x02\x0a\x05abcde", id="a key that leaves its entry"),
        pytest.param(b"\x22\x04\x12\x05\x0a\x00abcde", id="a value that leaves its entry"),
        pytest.param(b"\x32\x02\x0a\x05abcde", id="a field that leaves its oneof"),
        pytest.param(b"\x1b\x12\x05\x1c", id="a field that leaves its group"),
    ],
)
def test_nothing_reads_beyond_the_part_that_it_stands_in(trial: Trial, data: bytes) -> None:
    with pytest.raises(DecodeError, match="end in the middle"):
        trial.kinds.Tree.from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [b"\x0a\x09" + bytes(9), b"\x12\x05" + bytes(5), b"\x1a\x01\x80", b"\x4a\x03" + bytes(3), b"\x82\x01\x02\x01\x80"],
)
def test_a_packed_list_that_ends_in_the_middle_of_a_number_is_refused(trial: Trial, data: bytes) -> None:
    with pytest.raises(DecodeError, match="end in the middle"):
        trial.kinds.Lists.from_bytes(data + b"\x00" * 8)


def nested(levels: int, tag: bytes = b"\x12", inner: bytes = b"") -> bytes:
    """A message in a message in a message."""
    data = inner
    for _ in range(levels):
        length, size = len(data), bytearray()
        while length > 127:
            size.append(length & 127 | 128)
            length >>= 7
        data = tag + bytes([*size, length]) + data
    return data


@pytest.mark.parametrize(
    "tag", [b"\x12", b"\x1a", b"\x2a", b"\x3a\x00\x2a"], ids=["single", "repeated", "oneof", "beside another"]
)
def test_messages_nest_a_hundred_deep_and_no_deeper_as_google_s_do(google: Oracle, trial: Trial, tag: bytes) -> None:
    deepest, too_deep = nested(100, tag), nested(101, tag)
    google.type_of("trial.Tree").FromString(deepest)
    trial.kinds.Tree.from_bytes(deepest)
    with pytest.raises(GoogleRefusal):
        google.type_of("trial.Tree").FromString(too_deep)
    with pytest.raises(DecodeError, match="nest deeper than 100"):
        trial.kinds.Tree.from_bytes(too_deep)


@pytest.mark.parametrize("levels", [101, 5_000])
@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        pytest.param("Tree", [b"\x22", b"\x12"], id="maps"),
        pytest.param("Known", [b"\x0a", b"\x0a", b"\x12", b"\x2a"], id="Struct"),
        pytest.param("Known", [b"\x12", b"\x0a", b"\x32"], id="ListValue"),
        pytest.param("Known", [b"\x1a", b"\x32", b"\x0a"], id="Value"),
    ],
)
def test_what_nests_without_end_is_refused(trial: Trial, kind: str, tags: list[bytes], levels: int) -> None:
    data = b""
    for _ in range(levels):
        for tag in reversed(tags if kind == "Tree" else tags[1:]):
            data = nested(1, tag, data)
    data = data if kind == "Tree" else nested(1, tags[0], data)
    with pytest.raises(DecodeError, match="nest deeper than 100"):
        getattr(trial.kinds, kind).from_bytes(data)


def test_groups_nest_a_hundred_deep_and_no_deeper(trial: Trial) -> None:
    deepest = b"\xa3\x06" * 100 + b"\xa4\x06" * 100
    assert trial.kinds.Older.from_bytes(deepest).to_bytes() == deepest
    for levels in (101, 100_000):
        with pytest.raises(DecodeError, match="nest deeper than 100"):
            trial.kinds.Older.from_bytes(b"\xa3\x06" * levels + b"\xa4\x06" * levels)


def test_an_error_leaves_the_fields_read_before_it(trial: Trial) -> None:
    message = trial.kinds.Leaf(name="old")
    with pytest.raises(DecodeError):
        message.merge_from_bytes(b"\x0a\x03new\x10")
    assert message.name == "new"


def test_a_task_s_error_speaks_of_the_task() -> None:
    with pytest.raises(DecodeError, match=r"^cerebelum\.worker\.Task: "):
        Task.from_bytes(b"\x0a\x05ab")


PARTS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "unknown fields": ("Leaf", lambda _: b"\xa0\x06\x01"),
    "long tags": ("Leaf", lambda _: b"\x8a\x00\x01a"),
    "parts with unknown fields": ("Tree", lambda _: b"\x12\x12\xa2\x06\x0f123456789012345"),
    "parts of a Struct": ("Known", lambda number: b"\x0a\x0a\x0a\x08\x0a\x06%06d" % number),
    "parts of a ListValue": ("Known", lambda _: b"\x12\x02\x0a\x00"),
    "parts of a Value": ("Known", lambda number: b"\x1a\x0c\x2a\x0a\x0a\x08\x0a\x06%06d" % number),
    "parts of a Struct in a oneof": ("Choice", lambda number: b"\xaa\x01\x0a\x0a\x08\x0a\x06%06d" % number),
}


@pytest.mark.parametrize("parts", PARTS)
def test_twenty_times_the_parts_take_no_hundred_times_the_time(trial: Trial, parts: str) -> None:
    kind, part = PARTS[parts]

    def took(count: int) -> float:
        data = b"".join(part(number) for number in range(count))
        began = time.process_time()
        getattr(trial.kinds, kind).from_bytes(data)
        return time.process_time() - began

    assert min(took(100_000) for _ in range(2)) < 100 * max(took(5_000) for _ in range(2))
