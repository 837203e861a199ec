"""What is said of an answer or a signal before it is recorded agrees with what its step could read."""

from __future__ import annotations

import pytest

from cerebelum_client import to_payload
from cerebelum_codegen.known import struct_pb
from cerebelum_codegen.runtime import DecodeError, Message
from cerebelum_core.descriptions import answer_fault, signal_fault
from cerebelum_core.edges.control_edge import asked_of
from cerebelum_core.errors import UnknownExecution
from cerebelum_engine import Approve, Phase, State
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1 import types_pb as types
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.hands import Bench, question
from tests.simulation.virtual_time import in_virtual_time

TOLD = pb.Description(
    approvals=[
        pb.ApprovalDescription(name="start", answer="cerebelum.events.v1.ExecutionStarted"),
        pb.ApprovalDescription(name="policy", answer="cerebelum.types.v1.RetryPolicy"),
        pb.ApprovalDescription(name="done", answer="cerebelum.worker.TaskResult"),
        pb.ApprovalDescription(name="plain", answer="google.protobuf.Struct"),
        pb.ApprovalDescription(name="other", answer="elsewhere.Thing"),
    ],
    signals=[
        pb.SignalDescription(name="limit", brings="cerebelum.types.v1.RetryPolicy"),
        pb.SignalDescription(name="any"),
    ],
    messages=[
        pb.MessageDescription(
            name="cerebelum.events.v1.ExecutionStarted",
            fields=[
                pb.FieldDescription(name="workflow", type="string"),
                pb.FieldDescription(name="blueprint_hash", type="string"),
                pb.FieldDescription(name="inputs", type="cerebelum.types.v1.Payload"),
                pb.FieldDescription(name="tags", type="string", repeated=True),
                pb.FieldDescription(name="deadline", type="google.protobuf.Timestamp"),
                pb.FieldDescription(name="retries", key="string", type="cerebelum.types.v1.RetryPolicy"),
            ],
        ),
        pb.MessageDescription(
            name="cerebelum.types.v1.Payload",
            fields=[
                pb.FieldDescription(name="encoding", type="string"),
                pb.FieldDescription(name="data", type="bytes"),
            ],
        ),
        pb.MessageDescription(
            name="cerebelum.types.v1.RetryPolicy",
            fields=[
                pb.FieldDescription(name="max_attempts", type="int32"),
                pb.FieldDescription(name="backoff", type="double"),
                pb.FieldDescription(name="non_retryable_kinds", type="string", repeated=True),
            ],
        ),
        pb.MessageDescription(
            name="cerebelum.worker.TaskResult",
            fields=[
                pb.FieldDescription(name="status", type="cerebelum.worker.TaskStatus"),
                pb.FieldDescription(name="result", type="google.protobuf.Struct"),
            ],
        ),
    ],
    enums=[
        pb.EnumDescription(name="cerebelum.worker.TaskStatus", values={each.value: each.name for each in pb.TaskStatus})
    ],
)
KINDS: dict[str, type[Message]] = {
    "start": ev.ExecutionStarted,
    "policy": types.RetryPolicy,
    "done": pb.TaskResult,
    "plain": struct_pb.Struct,
}


@pytest.mark.parametrize(
    ("approval", "answer"),
    [
        ("start", {}),
        ("start", {"blueprintHash": "h", "tags": ["a", "b"], "deadline": "2030-01-31T12:00:00Z"}),
        ("start", {"blueprint_hash": "h", "inputs": {"encoding": "json", "data": "MQ=="}, "workflow": None}),
        ("start", {"retries": {"a": {"maxAttempts": 3}, "b": {}}}),
        ("start", {"retries": {"a": {"maxAttempts": "three"}}}),
        ("start", {"retries": {"a": None}}),
        ("start", {"retries": []}),
        ("start", {"inputs": {"data": "no base64!"}}),
        ("start", {"inputs": "x"}),
        ("start", {"deadline": "tomorrow"}),
        ("start", {"deadline": 7}),
        ("start", {"tags": "a"}),
        ("start", {"tags": ["a", 7]}),
        ("start", {"tags": ["a", None]}),
        ("start", {"hash": "h"}),
        ("start", []),
        ("start", 7),
        ("policy", {"maxAttempts": 5, "backoff": 2}),
        ("policy", {"maxAttempts": "5", "backoff": "NaN"}),
        ("policy", {"maxAttempts": 5.0}),
        ("policy", {"maxAttempts": 5.5}),
        ("policy", {"maxAttempts": 1 << 31}),
        ("policy", {"maxAttempts": True}),
        ("policy", {"backoff": "much"}),
        ("done", {"status": "SUCCESS", "result": {"any": ["thing"]}}),
        ("done", {"status": 2}),
        ("done", {"status": "SUCCEEDED"}),
        ("done", {"status": {}}),
        ("done", {"result": 7}),
        ("plain", {"any": ["thing", None]}),
        ("plain", ["thing"]),
    ],
)
def test_what_its_step_could_not_read_is_a_fault_and_nothing_else(approval: str, answer: object) -> None:
    kind = KINDS[approval]
    try:
        kind.from_dict(answer)  # type: ignore[arg-type]  # also what is no mapping
        readable = True
    except DecodeError:
        readable = False
    fault = answer_fault(TOLD, approval, to_payload(answer))
    assert (fault == "") is readable, fault
    assert readable or kind.FULL_NAME in fault


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"maxAttempts": "five"}, "cerebelum.types.v1.RetryPolicy.max_attempts (int32): 'five' is no integer"),
        ({"non_retryable_kinds": 1}, "RetryPolicy.non_retryable_kinds (repeated string): 1 is no list"),
        ({"attempts": 5}, "RetryPolicy has no field 'attempts': it has max_attempts, backoff, non"),
    ],
)
def test_a_fault_names_the_field_and_its_type(answer: object, told: str) -> None:
    assert told in answer_fault(TOLD, "policy", to_payload(answer))


@pytest.mark.parametrize(
    ("approval", "answer"),
    [("policy", None), ("other", {"any": "thing"}), ("unheard_of", 7), ("policy", types.RetryPolicy(max_attempts=3))],
)
def test_what_nothing_is_told_of_is_taken(approval: str, answer: object) -> None:
    assert answer_fault(TOLD, approval, to_payload(answer)) == ""


def test_a_message_of_another_type_is_a_fault() -> None:
    fault = answer_fault(TOLD, "policy", to_payload(types.Failure(kind="x")))
    assert fault.endswith("is answered by cerebelum.types.v1.RetryPolicy, and this is cerebelum.types.v1.Failure")


def test_what_a_signal_brings_is_looked_at_in_the_same_way() -> None:
    assert signal_fault(TOLD, "limit", to_payload({"maxAttempts": 5})) == ""
    fault = signal_fault(TOLD, "limit", to_payload({"maxAttempts": "five"}))
    assert fault.startswith(
        "signal 'limit' brings cerebelum.types.v1.RetryPolicy, and this is none: cerebelum.types.v1"
    )
    assert signal_fault(TOLD, "any", to_payload(7)) == signal_fault(TOLD, "unheard_of", to_payload(7)) == ""


def test_what_is_no_json_is_a_fault() -> None:
    assert "this is none" in answer_fault(TOLD, "policy", types.Payload(encoding="json", data=b"{"))


@in_virtual_time
async def test_an_execution_whose_answer_is_refused_does_not_stay_in_memory() -> None:
    bench = Bench()
    await bench.started()
    await bench.registry.tell("x", question(await bench.registry.state("x")))
    assert bench.registry.live_count == 0

    def refuse(state: State) -> Approve:
        raise ValueError(f"v{state.version} asks for something else")

    with pytest.raises(ValueError, match="v2 asks for something else"):
        await bench.registry.tell_seeing("x", refuse)
    assert bench.registry.live_count == 0
    await bench.registry.tell_seeing("x", lambda state: Approve(task_id=asked_of(state, "", "")[0].task_id))
    assert [each.phase for each in (await bench.registry.state("x")).steps.values()] == [Phase.READY]
    with pytest.raises(UnknownExecution):
        await bench.registry.tell_seeing("y", refuse)
