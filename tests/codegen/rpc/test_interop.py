"""What a call means, ours with ours and each way with grpcio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from cerebelum_codegen.runtime.rpc import RequestContext, ResponseMetadata, RpcError, StatusCode
from tests.codegen.conftest import Trial
from tests.codegen.rpc.conftest import grpcio_stub, served
from tests.codegen.rpc.echo import DETAILS, WORDS, Notes, our_service

SOME_TIME_S = 30.0
"""A bound on every wait, not an expectation."""


async def texts(answers: AsyncIterator[Any]) -> list[str]:
    return [answer.text async for answer in answers]


async def heard(answers: Any) -> list[str]:
    """The texts of a call's answer or answers. No call of this suite may hang."""
    async with asyncio.timeout(SOME_TIME_S):
        return await texts(answers) if hasattr(answers, "__aiter__") else [(await answers).text]


async def test_one_for_one(pair: Any, trial: Trial) -> None:
    assert (await pair.ask(trial.calls.Question(text="hello", count=3))).load == bytes(3)


async def test_many_for_one(pair: Any, trial: Trial) -> None:
    assert await texts(pair.listen(trial.calls.Question(text="n", count=3))) == ["n 0", "n 1", "n 2"]
    assert await texts(pair.listen(trial.calls.Question(text="n"))) == []


async def test_one_for_many(pair: Any, trial: Trial) -> None:
    questions = [trial.calls.Question(text=text) for text in "abc"]
    assert (await pair.tell(questions)).text == "a,b,c"
    assert (await pair.tell([])).text == ""


async def test_many_for_many_in_turns(pair: Any, trial: Trial) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def questions() -> AsyncIterator[Any]:
        yield trial.calls.Question(text="first")
        while (text := await heard.get()) != "third":
            yield trial.calls.Question(text="second" if text == "first" else "third")

    seen = []
    async for answer in pair.talk(questions()):
        seen.append(answer.text)
        heard.put_nowait(answer.text)
    assert seen == ["first", "second", "third"]


async def test_messages_of_megabytes_pass_through_every_window(pair: Any, trial: Trial) -> None:
    load = bytes(range(256)) * 4096 * 3
    answers = [answer async for answer in pair.listen(trial.calls.Question(text="n", count=4, load=load))]
    assert [answer.load == load for answer in answers] == [True] * 4


async def test_an_answer_that_nobody_reads_holds_up_no_other(pair: Any, trial: Trial) -> None:
    question = trial.calls.Question(text="n", count=10, load=bytes(1 << 20))
    unread = [pair.listen(question) for _ in range(3)]
    async with asyncio.timeout(SOME_TIME_S):
        for answers in unread:
            await anext(answers)
        for _ in range(20):
            assert len((await pair.ask(trial.calls.Question(text="a", count=1 << 20))).load) == 1 << 20
    for answers in unread:
        await answers.aclose()


async def test_requests_that_nobody_reads_hold_up_no_other(pair: Any, trial: Trial, notes: Notes) -> None:
    def questions() -> Iterator[Any]:
        yield trial.calls.Question(text="wait")
        for _ in range(10):
            yield trial.calls.Question(load=bytes(1 << 20))

    async with asyncio.timeout(SOME_TIME_S):
        telling = [asyncio.create_task(pair.tell(questions())) for _ in range(3)]
        await notes.started.wait()
        for _ in range(20):
            assert (await pair.ask(trial.calls.Question(text="a", load=bytes(1 << 20)))).text == "a"
        notes.release.set()
        assert [len((await each).text.split(",")) for each in telling] == [11] * 3


async def test_many_calls_share_a_connection(pair: Any, trial: Trial) -> None:
    answers = await asyncio.gather(*(pair.ask(trial.calls.Question(text=str(n))) for n in range(300)))
    assert [answer.text for answer in answers] == [str(n) for n in range(300)]


async def test_a_refusal_arrives_with_its_words_details_and_metadata(pair: Any, trial: Trial) -> None:
    answered = ResponseMetadata()
    with pytest.raises(RpcError) as refused:
        await pair.ask(trial.calls.Question(text="refuse"), response_metadata=answered)
    assert refused.value.code is StatusCode.FAILED_PRECONDITION
    assert refused.value.message == WORDS
    assert refused.value.details == DETAILS
    assert answered.trailing["reason-bin"] == b"\x00\xff"


async def test_a_stream_that_fails_gives_its_messages_first(pair: Any, trial: Trial) -> None:
    answers = pair.listen(trial.calls.Question(text="refuse", count=2))
    assert [(await anext(answers)).text, (await anext(answers)).text] == ["refuse 0", "refuse 1"]
    with pytest.raises(RpcError) as refused:
        await anext(answers)
    assert (refused.value.code, refused.value.message) == (StatusCode.FAILED_PRECONDITION, WORDS)


@pytest.mark.parametrize("kind", ["tell", "talk"])
async def test_a_refusal_ends_a_stream_of_requests_that_has_no_end(pair: Any, trial: Trial, kind: str) -> None:
    closed = asyncio.Event()

    async def questions() -> AsyncIterator[Any]:
        try:
            yield trial.calls.Question(text="refuse")
            await asyncio.Event().wait()
        finally:
            closed.set()

    with pytest.raises(RpcError) as refused:
        await heard(getattr(pair, kind)(questions()))
    assert (refused.value.code, refused.value.message) == (StatusCode.FAILED_PRECONDITION, WORDS)


@pytest.mark.parametrize("kind", ["tell", "talk"])
async def test_a_server_may_answer_before_it_has_heard_everything(pair: Any, trial: Trial, kind: str) -> None:
    async def questions() -> AsyncIterator[Any]:
        yield trial.calls.Question(text="a")
        yield trial.calls.Question(text="enough")
        await asyncio.Event().wait()

    assert await heard(getattr(pair, kind)(questions())) == (["a,enough"] if kind == "tell" else ["a"])


async def test_metadata_goes_both_ways_also_bytes_and_repeated_names(pair: Any, trial: Trial) -> None:
    sent = {"x-text": "a b", "x-some-bin": bytes(range(256)), "x-one-bin": b"\x01", "x-none-bin": b""}
    answered = ResponseMetadata()
    await pair.ask(trial.calls.Question(text="metadata"), metadata=sent, response_metadata=answered)
    assert answered.initial["first"] == "1"
    assert {name: answered.trailing[name] for name in sent} == sent


async def test_a_deadline_is_told_to_the_server(pair: Any, trial: Trial) -> None:
    remaining = float((await pair.ask(trial.calls.Question(text="remaining"), timeout_s=50)).text)
    assert 0 < remaining <= 50.1
    assert (await pair.ask(trial.calls.Question(text="remaining"))).text in ("", f"{float('inf')}")


@pytest.mark.parametrize("kind", ["ask", "listen"])
async def test_a_deadline_ends_the_call_on_both_sides(pair: Any, trial: Trial, notes: Notes, kind: str) -> None:
    with pytest.raises(RpcError) as late:
        await heard(getattr(pair, kind)(trial.calls.Question(text="wait"), timeout_s=0.05))
    assert late.value.code is StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(SOME_TIME_S):
        await notes.cancelled.wait()


@pytest.mark.parametrize("kind", ["ask", "listen"])
async def test_a_caller_who_gives_up_is_not_worked_for(pair: Any, trial: Trial, notes: Notes, kind: str) -> None:
    calling = asyncio.create_task(heard(getattr(pair, kind)(trial.calls.Question(text="wait"))))
    async with asyncio.timeout(SOME_TIME_S):
        await notes.started.wait()
        calling.cancel()
        await asyncio.wait([calling])
        await notes.cancelled.wait()
    assert calling.cancelled()


async def test_a_fault_of_the_server_is_an_error_without_an_answer(pair: Any, trial: Trial) -> None:
    with pytest.raises(RpcError) as failed:
        await pair.ask(trial.calls.Question(text="break"))
    assert failed.value.code in (StatusCode.INTERNAL, StatusCode.UNKNOWN)


async def test_a_method_that_is_not_served_is_unimplemented(trial: Trial, notes: Notes) -> None:
    async with served(our_service(trial, notes)) as server:
        with pytest.raises(RpcError) as refused:
            await grpcio_ask(trial, server.port, "/trial.Unserved/Ask")
    assert refused.value.code is StatusCode.UNIMPLEMENTED
    assert "/trial.Unserved/Ask" in refused.value.message


async def test_a_long_refusal_is_shortened_to_what_others_read(trial: Trial, notes: Notes) -> None:
    service = our_service(trial, notes)

    async def ask(request: Any, context: RequestContext) -> Any:
        raise RpcError(StatusCode.NOT_FOUND, "✗" * 5000)

    service.ask = ask
    async with served(service) as server, grpcio_stub(trial, server.port) as stub:
        with pytest.raises(RpcError) as refused:
            await stub.ask(trial.calls.Question())
    assert (refused.value.code, set(refused.value.message)) == (StatusCode.NOT_FOUND, {"✗", "."})


async def grpcio_ask(trial: Trial, port: int, route: str) -> Any:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            route, request_serializer=trial.calls.Question.to_bytes, response_deserializer=trial.calls.Answer.from_bytes
        )
        try:
            return await call(trial.calls.Question())
        except grpc.aio.AioRpcError as error:
            raise RpcError(StatusCode(error.code().value[0]), error.details() or "") from None


async def test_messages_in_gzip_are_read(trial: Trial, notes: Notes) -> None:
    async with (
        served(our_service(trial, notes)) as server,
        grpcio_stub(trial, server.port, compression=grpc.Compression.Gzip) as stub,
    ):
        questions = [trial.calls.Question(text="a" * 5000), trial.calls.Question(text="b" * 5000)]
        assert (await stub.tell(questions)).text == "a" * 5000 + "," + "b" * 5000


async def test_another_compression_is_unimplemented_and_says_which_are_not(trial: Trial, notes: Notes) -> None:
    async with (
        served(our_service(trial, notes)) as server,
        grpcio_stub(trial, server.port, compression=grpc.Compression.Deflate) as stub,
    ):
        with pytest.raises(RpcError) as refused:
            await stub.ask(trial.calls.Question(text="a" * 5000))
    assert refused.value.code is StatusCode.UNIMPLEMENTED
    assert "gzip" in refused.value.message
