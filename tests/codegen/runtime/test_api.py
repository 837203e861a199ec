"""What `docs/coming-from.md` promises those who know other libraries."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from datetime import UTC, datetime, timedelta
from types import MemberDescriptorType

import pytest

from cerebelum_codegen.known.any_pb import Any
from cerebelum_codegen.known.field_mask_pb import FieldMask
from cerebelum_codegen.known.struct_pb import Struct
from cerebelum_codegen.known.wrappers_pb import Int32Value
from cerebelum_codegen.runtime import DecodeError, Duration, EncodeError, Timestamp
from cerebelum_proto.worker.worker_service_pb import Task, TaskStatus
from tests.codegen.conftest import Trial
from tests.codegen.oracle import Oracle


def test_a_message_is_replaced_copied_and_pickled_as_any_dataclass(trial: Trial) -> None:
    kinds = trial.kinds
    tree = kinds.Tree(name="a", children=[kinds.Tree(name="b")], kin=kinds.Leaf(name="g"))
    assert dataclasses.replace(tree, name="c") == kinds.Tree(name="c", children=tree.children, kin=tree.kin)
    deep = copy.deepcopy(tree)
    deep.children[0].name = "changed"
    assert tree.children[0].name == "b"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(tree, protocol)) == tree
    if sys.version_info >= (3, 13):
        assert copy.replace(tree, name="c") == dataclasses.replace(tree, name="c")


def test_a_field_may_be_deleted_and_is_missed_then(trial: Trial) -> None:
    leaf = trial.kinds.Leaf(name="a")
    del leaf.name
    for use in (lambda: leaf.name, leaf.to_bytes):
        with pytest.raises(AttributeError):
            use()
    leaf.name = "b"
    assert leaf.to_bytes() == trial.kinds.Leaf(name="b").to_bytes()


def test_a_field_is_read_where_it_stands_without_a_call(trial: Trial) -> None:
    for message in (trial.kinds.Leaf, Task):
        places = {type(message.__dict__[each.name]) for each in dataclasses.fields(message)}
        assert places == {MemberDescriptorType}


def test_a_message_reads_another_of_its_kind(trial: Trial) -> None:
    leaf = trial.kinds.Leaf(name="a")
    assert trial.kinds.Leaf().from_bytes(leaf.to_bytes()) == leaf
    assert trial.kinds.Leaf.from_bytes(data=leaf.to_bytes()) == leaf


def test_a_message_shows_what_it_holds(trial: Trial) -> None:
    assert repr(trial.kinds.Leaf(name="a", size=2)) == "Leaf(name='a', size=2)"
    assert repr(trial.kinds.Choice_Text("t")) == "Choice_Text(value='t')"


def test_a_message_merges_into_another(trial: Trial) -> None:
    kinds = trial.kinds
    tree = kinds.Tree(name="a", children=[kinds.Tree(name="b")], left=kinds.Tree(name="l"))
    tree.merge_from(
        kinds.Tree(children=[kinds.Tree(name="c")], left=kinds.Tree(root=kinds.Tree_Root()), kin=kinds.Leaf())
    )
    assert [child.name for child in tree.children] == ["b", "c"]
    assert tree.left == kinds.Tree(name="l", root=kinds.Tree_Root())
    assert (tree.name, tree.kin) == ("a", kinds.Leaf())


def test_a_oneof_is_taken_apart_by_a_match(trial: Trial) -> None:
    kinds = trial.kinds
    seen = []
    for choice in (kinds.Choice_Text("t"), kinds.Leaf(name="l"), kinds.Choice_SecondLeaf(kinds.Leaf()), None):
        match kinds.Choice(choice=choice).choice:
            case kinds.Choice_Text(text):
                seen.append(text)
            case kinds.Leaf(name=name):
                seen.append(name)
            case kinds.Choice_SecondLeaf():
                seen.append("second")
            case None:
                seen.append("nothing")
            case other:
                raise AssertionError(other)
    assert seen == ["t", "l", "second", "nothing"]


def test_an_any_holds_a_message_and_says_of_which_type(trial: Trial, google: Oracle) -> None:
    leaf = trial.kinds.Leaf(name="a")
    packed = Any.pack(leaf)
    assert (packed.type_url, packed.holds(trial.kinds.Leaf)) == ("type.googleapis.com/trial.Leaf", True)
    assert packed.unpack(trial.kinds.Leaf) == leaf
    with pytest.raises(DecodeError, match=r"this Any holds trial\.Leaf, not trial\.Tree"):
        packed.unpack(trial.kinds.Tree)
    with pytest.raises(DecodeError, match="this Any holds nothing"):
        Any().unpack(trial.kinds.Leaf)
    theirs = google.type_of("trial.Boxed").FromString(trial.kinds.Boxed(any=packed).to_bytes())
    assert theirs.any.Is(google.type_of("trial.Leaf").DESCRIPTOR)
    for value in (Timestamp(5, 6), Duration(-1)):
        assert Any.pack(value).unpack(type(value)) == value
    with pytest.raises(EncodeError, match="outside of"):
        Any.pack(Timestamp(0, -1))
    with pytest.raises(DecodeError):
        Any(type_url="type.googleapis.com/google.protobuf.Timestamp", value=b"\x08").unpack(Timestamp)


@pytest.mark.parametrize(
    ("held", "written"),
    [
        (Task(task_id="7"), {"taskId": "7"}),
        (Timestamp(1), {"value": "1970-01-01T00:00:01Z"}),
        (Duration(1, 500_000_000), {"value": "1.500s"}),
        (Int32Value(value=5), {"value": 5}),
        (FieldMask(paths=["a.b_c"]), {"value": "a.bC"}),
        (Struct(fields={"a": [1.0]}), {"value": {"a": [1.0]}}),
        (Any.pack(Task(task_id="7")), {"value": {"@type": "type.googleapis.com/cerebelum.worker.Task", "taskId": "7"}}),
    ],
)  # fmt: skip
def test_an_any_is_written_in_json_as_what_it_holds(trial: Trial, held: Task, written: dict[str, object]) -> None:
    boxed = trial.kinds.Boxed(any=Any.pack(held))
    assert boxed.to_dict() == {"any": {"@type": f"type.googleapis.com/{held.FULL_NAME}", **written}}
    assert trial.kinds.Boxed.from_json(boxed.to_json()) == boxed


def test_an_any_of_a_type_that_nobody_imported_has_no_json(trial: Trial) -> None:
    with pytest.raises(EncodeError, match=r"trial\.Boxed\.any: the type 'x/a\.B' is not known here: import the module"):
        trial.kinds.Boxed(any=Any(type_url="x/a.B")).to_json()
    with pytest.raises(DecodeError, match=r"the type 'x/a\.B' is not known here: import the module"):
        trial.kinds.Boxed.from_dict({"any": {"@type": "x/a.B"}})


def test_a_field_mask_is_a_text_of_paths_in_json(trial: Trial) -> None:
    boxed = trial.kinds.Boxed(mask=FieldMask(paths=["task_id", "created_at.nanos"]))
    assert boxed.to_dict() == {"mask": "taskId,createdAt.nanos"}
    assert trial.kinds.Boxed.from_dict(boxed.to_dict()) == boxed
    for path in ("taskId", "a__b", "a_1"):
        with pytest.raises(EncodeError, match=f"the path '{path}' of a field mask has no form in JSON"):
            trial.kinds.Boxed(mask=FieldMask(paths=[path])).to_json()


def test_a_wrapped_scalar_is_the_scalar_or_none(trial: Trial, google: Oracle) -> None:
    wrapped = trial.kinds.Wrapped(an_int32=0, a_string="a", int32s=[1, 0], flags={"x": False})
    assert trial.kinds.Wrapped().an_int32 is None
    theirs = google.type_of("trial.Wrapped").FromString(wrapped.to_bytes())
    assert (theirs.HasField("an_int32"), theirs.an_int32.value, theirs.a_string.value) == (True, 0, "a")
    assert wrapped.to_dict() == {"anInt32": 0, "aString": "a", "int32s": [1, 0], "flags": {"x": False}}
    assert trial.kinds.Wrapped.from_dict(wrapped.to_dict()) == wrapped
    with pytest.raises(EncodeError, match=r"trial\.Wrapped\.an_int32.*4294967296 is out of range for int32"):
        trial.kinds.Wrapped(an_int32=1 << 32).to_bytes()


def test_instants_and_spans_become_those_of_the_standard_library() -> None:
    assert Task(created_at=Timestamp.from_datetime(datetime(2024, 1, 1, tzinfo=UTC))).created_at == Timestamp(
        1704067200
    )
    assert Timestamp(1704067200).to_datetime() == datetime(2024, 1, 1, tzinfo=UTC)
    assert Duration(1, 500_000_000).to_timedelta() == timedelta(seconds=1.5)


def test_an_enum_is_an_int_with_a_name() -> None:
    assert (TaskStatus.SLEEP.name, TaskStatus(99).name) == ("SLEEP", "UNRECOGNIZED_99")
    assert int(TaskStatus.SLEEP) == TaskStatus.SLEEP
