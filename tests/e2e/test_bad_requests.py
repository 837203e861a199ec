"""Requests that cannot be meant, over a real socket: each gets a status that names the fault; the Core serves on."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpclib.client import Channel as RawChannel
from grpclib.const import Cardinality, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError

from cerebelum.code import NO_CODE
from cerebelum.runner import run_task
from cerebelum.threads import Threads
from cerebelum_client import (
    AlreadyExists,
    CerebelumClient,
    InvalidRequest,
    NotFound,
    Refused,
    execute_request,
    to_payload,
)
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.e2e.stage import LONGEST_S, Stage, stage, submit, until

ROUTE = "/cerebelum.worker.WorkerService/"


class Raw(CodecBase):
    """Bytes as they are."""

    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: object) -> bytes:
        return message

    def decode(self, data: bytes, message_type: object) -> bytes:
        return data


async def status_of_raw(on: Stage, method: str, data: bytes) -> tuple[Status, str]:
    """What the Core answers to bytes that no stub would send."""
    host, _, port = on.core.address.rpartition(":")
    channel = RawChannel(host, int(port), codec=Raw())
    try:
        async with channel.request(ROUTE + method, Cardinality.UNARY_UNARY, bytes, bytes, timeout=LONGEST_S) as stream:
            await stream.send_message(data, end=True)
            await stream.recv_message()
            return Status.OK, ""
    except GRPCError as error:
        return error.status, error.message or ""
    finally:
        channel.close()


async def serves(on: Stage) -> None:
    """The Core still does what it is there for."""
    async with on.client() as client:
        assert (await client.server_info()).store == "sqlite"
    assert "Traceback" not in (on.folder / "core.log").read_text()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"\x0a\xff", "the request cannot be read", id="a length beyond the end"),
        pytest.param(b"\xff" * 40, "the request cannot be read", id="a tag that never ends"),
        pytest.param(b"\x0a\x02\xc3\x28", "is not UTF-8", id="a string that is no text"),
    ],
)
async def test_bytes_that_are_no_message_are_refused_with_the_message_s_name(
    tmp_path: Path, data: bytes, words: str
) -> None:
    async with stage(tmp_path) as on:
        code, message = await status_of_raw(on, "ExecuteWorkflow", data)
        assert code is Status.INVALID_ARGUMENT
        assert words in message
        assert "cerebelum.worker.ExecuteRequest" in message
        await serves(on)


async def test_a_message_of_64_megabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        code, message = await status_of_raw(on, "SubmitResult", b"\x00" * (64 * 1024 * 1024))
        assert code is Status.RESOURCE_EXHAUSTED
        assert message == "a message of 67108864 bytes is larger than the limit of 4194304"
        await serves(on)


FAULTY = pb.Blueprint(
    workflow_module="faulty",
    definition=pb.WorkflowDefinition(
        timeline=[
            pb.Step(name="a", depends_on=["b", "lost"]),
            pb.Step(name="b", depends_on=["a"]),
        ],
        stages=[pb.Stage(steps=["a"]), pb.Stage(steps=["b", "ghost"])],
    ),
)


async def test_a_faulty_blueprint_is_told_every_fault_at_once_and_is_not_kept(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        verdict = await client.submit_blueprint(FAULTY)
        said = "\n".join(verdict.errors)

        assert not verdict.valid
        assert not verdict.workflow_hash
        assert "'lost'" in said
        assert "'ghost'" in said
        assert "cycle" in said
        with pytest.raises(NotFound, match="no blueprint of workflow 'faulty'"):
            await client.executions.start(execute_request("faulty", to_payload(None)))


async def test_what_does_not_exist_is_not_found_by_its_name(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        for call in (
            client.executions.status("nobody"),
            client.approvals.approve("nobody"),
            client.approvals.reject("nobody"),
            client.lifecycle.cancel("nobody"),
            _first_event(client, "nobody"),
        ):
            with pytest.raises(NotFound, match="there is no execution 'nobody'"):
                await call
        with pytest.raises(NotFound, match="no blueprint of workflow 'nothing' was submitted"):
            await client.executions.start(execute_request("nothing", to_payload(1)))
        with pytest.raises(NotFound, match="no blueprint with hash 'abc'"):
            await client.executions.start(execute_request("", to_payload(1), workflow_hash="abc"))
        with pytest.raises(NotFound, match="worker 'stranger' is not registered"):
            await client.workers.poll("stranger", 0)
        await serves(on)


async def test_a_step_that_does_not_wait_cannot_be_answered(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "signer", order=7)
        await until(client, handle.execution_id, ev.ApprovalRequested)

        with pytest.raises(Refused, match="step 'deliver' is not waiting for approval"):
            await client.approvals.approve(handle.execution_id, step="deliver")
        with pytest.raises(AlreadyExists, match="choose another id"):
            await client.executions.start(
                execute_request("signer", to_payload({"order": 8}), execution_id=handle.execution_id)
            )


async def test_results_that_cannot_be_meant_change_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "signer", order=7)
        await until(client, handle.execution_id, ev.ApprovalRequested)
        forged = pb.TaskResult(
            task_id=f"{handle.execution_id}/sign/1.1.0",
            execution_id=handle.execution_id,
            worker_id="liar",
            status=pb.TaskStatus.SUCCESS,
            output=Payload(encoding="json", data=b"1"),
        )
        before = await client.executions.status(handle.execution_id)

        assert (await client.workers.submit_result(forged)).outcome is not pb.ResultOutcome.RESULT_OUTCOME_RECORDED
        forged.execution_id = "nobody"
        assert (await client.workers.submit_result(forged)).outcome is pb.ResultOutcome.RESULT_OUTCOME_STALE
        forged.status = pb.TaskStatus(77)
        with pytest.raises(InvalidRequest, match="has status 77"):
            await client.workers.submit_result(forged)
        forged.status = pb.TaskStatus.SLEEP
        with pytest.raises(InvalidRequest, match="status SLEEP without sleep_request"):
            await client.workers.submit_result(forged)
        assert (await client.executions.status(handle.execution_id)).history_length == before.history_length


async def test_a_worker_without_the_step_s_code_fails_the_step_and_says_so(tmp_path: Path) -> None:
    """A worker that claims a workflow and does not have all of its steps."""
    async with stage(tmp_path) as on, on.client() as client:
        definition = pb.WorkflowDefinition(timeline=[pb.Step(name="missing")], stages=[pb.Stage(steps=["missing"])])
        verdict = await client.submit_blueprint(pb.Blueprint(workflow_module="hollow", definition=definition))
        await client.workers.register(
            pb.RegisterRequest(
                worker_id="hollow",
                features=[pb.WorkerFeature.WORKER_FEATURE_PAYLOADS],
                workflows=[pb.WorkflowVersion(workflow_module="hollow", workflow_hash=verdict.workflow_hash)],
            )
        )
        await client.executions.start(execute_request("hollow", to_payload(None), execution_id="x"))
        task = await client.workers.poll("hollow", 30_000)
        result = await run_task(task, NO_CODE, worker_id="hollow", threads=Threads(), now=lambda: Timestamp(seconds=1))
        await client.workers.submit_result(result)
        status = await client.executions.status("x")

    assert status.status is pb.ExecutionState.EXECUTION_FAILED
    assert status.error is not None
    assert status.error.kind == "WorkerError"
    assert "this worker has no code for step 'missing' of workflow 'hollow'" in status.error.message


async def _first_event(client: CerebelumClient, execution_id: str) -> object:
    return await anext(client.executions.history(execution_id))
