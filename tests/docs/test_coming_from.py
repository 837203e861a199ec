"""What docs/coming-from.md says in our words is run, and gives what Google's library gives where both give a value."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import json
import re
import shutil
import sys
from collections.abc import Iterator
from enum import IntEnum
from types import ModuleType

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message as Google

from cerebelum_codegen import runtime
from cerebelum_codegen.known import struct_pb
from cerebelum_codegen.known.any_pb import Any
from cerebelum_codegen.runtime.rpc import Channel
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceStub
from cerebelum_proto.worker.worker_service_pb import PollRequest
from tests.codegen.generating import described, generated, write
from tests.codegen.oracle import Oracle
from tests.docs.pages import AROUND, PROJECT, code, rows

PAGE = PROJECT / "docs/coming-from.md"
ROWS = {row[0]: row for row in rows(PAGE, "words")}
OPTION = re.compile(r"\w+=True")
VALUES = {"x": 5, "text": "a", "firstColor": "RED"}
Names = dict[str, object]


@dataclasses.dataclass(frozen=True)
class Sides:
    """The same contract in both libraries."""

    ours: ModuleType
    google: Oracle

    def our_names(self) -> Names:
        m, other = self.ours.M.from_dict(VALUES), self.ours.M(note="b")
        return {
            **vars(runtime), **vars(struct_pb), **vars(self.ours), "copy": copy, "dataclasses": dataclasses, "Any": Any,
            "IntEnum": IntEnum, "m": m, "other": other, "data": other.to_bytes(), "values": VALUES,
            "text": json.dumps(VALUES), "color": m.first_color, "t": runtime.Timestamp(1, 5),
            "d": runtime.Duration(1, 5), "any": Any.pack(m), "value": 3,
            "stub": WorkerServiceStub(Channel("127.0.0.1", 1)), "request": PollRequest(),
        }  # fmt: skip

    def google_names(self) -> Names:
        kind = self.google.type_of("coming.M")
        m, other = json_format.ParseDict(VALUES, kind()), kind(note="b")
        return {
            "json_format": json_format, "M": kind, "m": m, "other": other, "data": other.SerializeToString(),
            "values": VALUES, "text": json.dumps(VALUES), "n": 1,
        }  # fmt: skip


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("coming")
    (folder / "proto").mkdir()
    shutil.copy(AROUND / "coming_from.proto", folder / "proto")
    files = described(folder / "proto", folder / "image.binpb")
    write(generated(files), folder)
    sys.path.insert(0, str(folder))
    yield Sides(importlib.import_module("coming_from_pb"), Oracle(files))
    sys.path.remove(str(folder))


def ran(piece: str, names: Names) -> object:
    """What a piece of code gives; nothing when it is a statement, or the beginning of one."""
    if piece.startswith("await "):
        call = re.fullmatch(r"await ([\w.]+)\((\w+)\)", piece)
        assert call is not None
        return inspect.signature(eval(call[1], names)).bind(names[call[2]])
    if piece.endswith(":"):
        exec(f"{piece}\n    case _:\n        pass", names)
        return None
    try:
        compiled = compile(piece, piece, "eval")
    except SyntaxError:
        exec(piece, names)
        return None
    return eval(compiled, names)


def plain(value: object) -> object:
    """A value as both libraries can give it."""
    if isinstance(value, runtime.Message):
        return value.to_bytes()
    if isinstance(value, Google):
        return value.SerializeToString()
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


@pytest.mark.parametrize("what", ROWS)
def test_it_is_said_here_as_the_page_says(sides: Sides, what: str) -> None:
    for piece in code(ROWS[what][3]):
        call = "M.from_dict({'nobody': 1}, " if piece.startswith("ignore") else "m.to_dict("
        ran(f"{call}{piece})" if OPTION.fullmatch(piece) else piece, sides.our_names())


GIVE = ["write bytes", "read bytes", "JSON text", "from JSON text", "plain values", "from plain values", "is it there"]
GIVE += ["the contract's names", "zeros too", "its name"]
CHANGE = ["read more into it", "merge a message", "take it away", "set a oneof"]


@pytest.mark.parametrize("what", GIVE)
def test_it_gives_what_google_s_library_gives(sides: Sides, what: str) -> None:
    here, there = code(ROWS[what][3])[0], code(ROWS[what][1])[0]
    if OPTION.fullmatch(here):
        here, there = f"m.to_dict({here})", f"json_format.MessageToDict(m, {there})"
    given = ran(here, sides.our_names())
    assert given is not None
    assert plain(given) == plain(ran(there, sides.google_names()))


@pytest.mark.parametrize("what", CHANGE)
def test_it_makes_of_a_message_what_google_s_library_makes(sides: Sides, what: str) -> None:
    ours, theirs = sides.our_names(), sides.google_names()
    before = plain(ours["m"])
    if what == "set a oneof":  # here it is said where a message is made
        ours["m"], theirs["m"] = ran(code(ROWS[what][3])[0], ours), sides.google.type_of("coming.M")()
    else:
        ran(code(ROWS[what][3])[0], ours)
    ran(code(ROWS[what][1])[0], theirs)
    assert plain(ours["m"]) == plain(theirs["m"])
    assert plain(ours["m"]) != before


def test_what_surprises_is_said_in_code_that_runs(sides: Sides) -> None:
    names = sides.our_names()
    pieces = code(PAGE.read_text().partition("What surprises:")[2].replace("\n", " "))
    assert len(pieces) > 5
    for piece in pieces:
        ran(piece, names)
    assert eval("m.leaf.name", names) == "a"
