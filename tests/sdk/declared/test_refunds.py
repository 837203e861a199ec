"""The corners of a declared workflow: groups at the end, nothing taken and given, ids used once, wrong code."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from shop.v1 import refunds_pb as pb
from shop.v1 import refunds_workflows as wf

from cerebelum import Context, DefinitionError, DistributedExecutor, ErrorResult, Worker, as_workflow, testing
from cerebelum.generated import v1
from cerebelum.testing import TestingCore
from cerebelum_client import AlreadyExists, InvalidRequest, PayloadError

Told = Context[pb.RefundRequest]


class Refunds(wf.RefundBase):
    async def look(self, request: pb.RefundRequest, context: Told) -> pb.Verdict:
        if request.kind is pb.RefundKind.REFUND_KIND_FULL:
            await self.sign_off()
        return pb.Verdict(cents=900)

    async def repay(self, request: pb.Verdict, context: Told) -> pb.Repaid:
        if context.execution_id.startswith("refund/poor"):
            raise ErrorResult("no money")
        return pb.Repaid(payment_id=f"-{request.cents}")

    async def import_(self, context: Told) -> None:
        pass


class Tidy(wf.TidyBase):
    async def sweep(self, context: Context[v1.Empty]) -> None:
        assert context.workflow_name == "tidy"


def refund(order: str, kind: pb.RefundKind = pb.RefundKind.REFUND_KIND_UNSPECIFIED) -> pb.RefundRequest:
    return pb.RefundRequest(order=pb.RefundRequest_Order(id=order), kind=kind)


@pytest.fixture
async def core() -> AsyncIterator[TestingCore]:
    async with testing.core([Refunds(), Tidy()]) as core:
        yield core


@pytest.fixture
def refunds(core: TestingCore) -> wf.RefundClient:
    return wf.RefundClient(core.core)


async def test_a_group_at_the_end_gives_the_answers_of_all_its_steps(refunds: wf.RefundClient) -> None:
    handle = await refunds.start(refund("7"))
    last = wf.RefundOutputs(repay=pb.Repaid(payment_id="-900"), import_=v1.Empty())
    assert await handle.result() == last
    assert [event.result async for event in handle.watch() if isinstance(event, v1.Completed)] == [last]


async def test_of_a_group_with_one_answer_that_answer_is_the_result(refunds: wf.RefundClient) -> None:
    assert await (await refunds.start(refund("poor"))).result() == v1.Empty()


async def test_an_id_may_name_nested_fields_and_enums(refunds: wf.RefundClient) -> None:
    handle = await refunds.start(refund("7", pb.RefundKind.REFUND_KIND_FULL))
    assert handle.execution_id == "refund/7/REFUND_KIND_FULL"


async def test_a_question_without_words_is_asked_and_answered(refunds: wf.RefundClient) -> None:
    handle = await refunds.start(refund("7", pb.RefundKind.REFUND_KIND_FULL))
    assert await handle.sign_off.asked() == v1.Empty()
    await handle.sign_off.approve(v1.Empty(), decided_by="Ada")
    assert isinstance(await handle.result(), wf.RefundOutputs)


async def test_a_yes_without_an_answer_counts_as_an_empty_one(refunds: wf.RefundClient) -> None:
    handle = await refunds.start(refund("7", pb.RefundKind.REFUND_KIND_FULL))
    await handle.sign_off.asked()
    await handle.execution.approve()
    assert isinstance(await handle.result(), wf.RefundOutputs)


async def test_an_id_is_used_once_where_the_contract_says_so(refunds: wf.RefundClient) -> None:
    await refunds.start(refund("7"))
    with pytest.raises(AlreadyExists, match=r"an id of shop\.v1\.Refund is used once"):
        await refunds.start(refund("7"))
    again = await refunds.start(refund("7"), id_reuse=v1.IdReuse.ID_REUSE_SAME)
    assert again.execution_id == "refund/7/REFUND_KIND_UNSPECIFIED"


async def test_the_contract_s_queues_hold_where_the_call_says_nothing() -> None:
    async with testing.core([Refunds()], queues=["back-office"]) as core:
        handle = await wf.RefundClient(core.core).start(refund("7"))
        await core.settle()
        (told,) = await handle.execution.why()
        assert (told.step, told.queue) == ("repay", "bank")


async def test_a_workflow_of_nothing_runs_under_the_name_that_it_was_given(core: TestingCore) -> None:
    handle = await wf.TidyClient(core.core).start(v1.Empty())
    assert await handle.result() == v1.Empty()


# -- wrong code ------------------------------------------------------------------------------


def test_every_missing_step_is_named_with_what_to_write() -> None:
    class Half(wf.RefundBase):
        def look(self, request: pb.RefundRequest, context: Told) -> pb.Verdict:  # type: ignore[override]  # the fault
            return pb.Verdict()

    with pytest.raises(DefinitionError) as raised:
        Half()  # type: ignore[abstract]  # the fault
    assert raised.value.faults == (
        "step 'look' is no coroutine function: write async def look",
        (
            "step 'repay' has no method: write async def repay(self, request: Verdict, "
            "context: Context[RefundRequest]) -> Repaid"
        ),
        "step 'import' has no method: write async def import_(self, context: Context[RefundRequest]) -> None",
    )


def test_a_worker_wants_an_object_of_the_class_and_says_so() -> None:
    with pytest.raises(DefinitionError, match=r"is no workflow: pass an object: Refunds\(\)"):
        Worker("localhost:1", workflows=[Refunds])  # type: ignore[list-item]  # the fault


async def test_an_answer_of_another_type_fails_the_step_for_good() -> None:
    class Wrong(Refunds):
        async def repay(self, request: pb.Verdict, context: Told) -> pb.Repaid:
            return request  # type: ignore[return-value]  # the fault

    async with testing.core([Wrong()]) as core:
        handle = await wf.RefundClient(core.core).start(refund("7"))
        assert await handle.result() == v1.Empty()
        failed = [event async for event in handle.watch() if isinstance(event, v1.StepFailed)]
    assert failed[0].error.message == "step 'repay' gave Verdict(cents=900), and its contract says shop.v1.Repaid"


@pytest.mark.parametrize("inputs", [7, None, {"paymentId": [1]}])
async def test_inputs_that_are_no_message_of_the_contract_start_nothing_or_fail_the_step_in_words(
    inputs: object,
) -> None:
    async with testing.core([Refunds()]) as core:
        with pytest.raises(PayloadError, match=r"cannot be started with these inputs: .*RefundRequest"):
            await core.start(as_workflow(Refunds()), inputs)
        handle = await DistributedExecutor(core.core).submit("shop.v1.Refund", inputs)
        error = (await core.result(handle)).error
    assert error is not None
    assert error.kind == "PayloadError"
    assert "shop.v1.RefundRequest" in error.message


async def test_an_answer_to_a_question_is_of_its_type_or_refused(refunds: wf.RefundClient) -> None:
    handle = await refunds.start(refund("7", pb.RefundKind.REFUND_KIND_FULL))
    await handle.sign_off.asked()
    with pytest.raises(TypeError, match=r"sign_off is answered by google\.protobuf\.Empty, not by Verdict"):
        await handle.sign_off.approve(pb.Verdict())  # type: ignore[arg-type]  # the fault
    with pytest.raises(InvalidRequest, match=r"answered by google\.protobuf\.Empty, and .*'yes' is no object"):
        await handle.execution.approve("yes")
    await handle.sign_off.approve(v1.Empty())
    outputs = await handle.result()
    assert isinstance(outputs, wf.RefundOutputs)
    assert outputs.repay == pb.Repaid(payment_id="-900")
