"""Between exact payloads and Structs."""

from __future__ import annotations

import pytest

from cerebelum_codegen.runtime import JsonValue
from cerebelum_core.payloads import payload_of, struct_of, unwrapped, value_of
from cerebelum_proto.types.v1.types_pb import Failure, Payload


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": 1.0, "b": [2.0, 2.5]}, b'{"a":1,"b":[2,2.5]}'),
        (None, b"null"),
        ("grün", '"grün"'.encode()),
        (float(1 << 53), b"9007199254740992"),
        (True, b"true"),
    ],
)
def test_a_struct_is_written_as_json_and_whole_numbers_as_integers(value: JsonValue, written: bytes) -> None:
    assert payload_of(value) == Payload(encoding="json", data=written)


def test_a_number_that_a_double_cannot_tell_from_its_neighbours_stays_one() -> None:
    assert b"." in payload_of(1e300).data or b"e" in payload_of(1e300).data


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (None, None),
        (Payload(), None),
        (Payload(encoding="json", data=b'{"a":[1,null]}'), {"a": [1, None]}),
        (Payload(encoding="json", data=b"9007199254740993"), "9007199254740993"),
        (Payload(encoding="json", data=b'{"n":[-9007199254740993]}'), {"n": ["-9007199254740993"]}),
        (Payload(encoding="proto", data=b"\x08\x01"), "2 bytes of proto"),
        (Payload(encoding="json", data=b"{"), "1 bytes that are no json"),
        (Payload(encoding="json", data=b"\xff"), "1 bytes that are no json"),
        (Payload(encoding="json", data=b"[" * 100_000), "100000 bytes that are no json"),
    ],
)
def test_a_payload_is_shown_as_far_as_a_struct_can(payload: Payload | None, shown: JsonValue) -> None:
    assert value_of(payload) == shown


def test_what_is_no_mapping_is_shown_under_the_word_value() -> None:
    assert struct_of(payload_of([1.0])) == {"value": [1]}
    assert struct_of(payload_of({"a": 1.0})) == {"a": 1}
    assert struct_of(payload_of(None)) == {}


def test_the_ok_of_a_deployed_client_is_its_result() -> None:
    assert unwrapped({"ok": {"paid": 5.0}}) == Payload(encoding="json", data=b'{"paid":5}')
    assert unwrapped({"paid": 5.0}) == Payload(encoding="json", data=b'{"paid":5}')
    assert unwrapped({"ok": None, "error": "both"}) == Payload(encoding="json", data=b"null")


def test_the_error_of_a_deployed_client_is_a_decision() -> None:
    assert unwrapped({"error": "no money"}) == Failure(kind="error", message="no money", error=payload_of("no money"))
    failure = unwrapped({"error": {"code": 7.0}})
    assert isinstance(failure, Failure)
    assert failure.message == '{"code": 7}'
