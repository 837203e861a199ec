"""Calls that are made again when they failed, and those that are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc import (
    Channel,
    ResponseMetadata,
    Retry,
    RpcError,
    Server,
    StatusCode,
)
from cerebelum_codegen.runtime.rpc.exchange import Exchange
from cerebelum_codegen.runtime.rpc.listening import LinkListener
from tests.codegen.conftest import Trial
from tests.codegen.rpc.echo import Notes
from tests.codegen.rpc.raw import QUICK, SOME_TIME_S


@pytest.fixture
async def quick(trial: Trial, server: Server) -> AsyncIterator[Any]:
    async with Channel("127.0.0.1", server.port, retry=QUICK) as channel:
        yield trial.calls_grpc.CallsStub(channel)


async def test_an_idempotent_call_is_repeated_while_the_server_is_unavailable(
    quick: Any, trial: Trial, notes: Notes
) -> None:
    notes.failures = [StatusCode.UNAVAILABLE] * 3
    assert (await quick.look(trial.calls.Question(text="a"))).text == "a"
    assert notes.calls == 4


async def test_repeating_ends_after_its_attempts(quick: Any, trial: Trial, notes: Notes) -> None:
    notes.failures = [StatusCode.UNAVAILABLE] * 9
    with pytest.raises(RpcError, match="not yet"):
        await quick.look(trial.calls.Question(text="a"))
    assert notes.calls == 4


@pytest.mark.parametrize("kind", ["ask", "listen"])
async def test_a_call_that_is_not_idempotent_is_made_once(quick: Any, trial: Trial, notes: Notes, kind: str) -> None:
    notes.failures = [StatusCode.UNAVAILABLE]
    answer = getattr(quick, kind)(trial.calls.Question(text="a", count=1))
    with pytest.raises(RpcError, match="not yet"):
        await (answer if kind == "ask" else anext(answer))
    assert notes.calls == 1


async def test_what_a_server_has_decided_is_not_asked_again(quick: Any, trial: Trial, notes: Notes) -> None:
    notes.failures = [StatusCode.FAILED_PRECONDITION]
    with pytest.raises(RpcError, match="not yet"):
        await quick.look(trial.calls.Question(text="a"))
    assert notes.calls == 1


async def test_a_stream_of_answers_is_repeated_until_its_first_answer(quick: Any, trial: Trial, notes: Notes) -> None:
    notes.failures = [StatusCode.UNAVAILABLE]
    answers = [answer.text async for answer in quick.browse(trial.calls.Question(text="n", count=2))]
    assert answers == ["n 0", "n 1"]
    assert notes.calls == 2


async def test_no_pause_goes_beyond_the_deadline(trial: Trial, server: Server, notes: Notes) -> None:
    notes.failures = [StatusCode.UNAVAILABLE] * 9
    patient = Retry(first_pause_s=3600, longest_pause_s=3600, chance=lambda: 1.0)
    async with Channel("127.0.0.1", server.port, retry=patient) as channel, asyncio.timeout(SOME_TIME_S):
        with pytest.raises(RpcError) as refused:
            await trial.calls_grpc.CallsStub(channel).look(trial.calls.Question(text="a"), timeout_s=100)
    assert refused.value.code is StatusCode.UNAVAILABLE


async def test_a_call_that_the_server_did_not_begin_is_repeated_whatever_it_does(
    quick: Any, trial: Trial, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[int] = []

    def refuse_twice(listener: LinkListener, stream: Stream) -> Exchange | None:
        if len(refused) < 2:
            refused.append(stream.id)
            return None
        return accept(listener, stream)

    accept = LinkListener.called
    monkeypatch.setattr(LinkListener, "called", refuse_twice)
    assert (await quick.ask(trial.calls.Question(text="a"))).text == "a"
    assert (len(refused), notes.calls) == (2, 1)


async def test_response_metadata_is_that_of_the_last_attempt(quick: Any, trial: Trial, notes: Notes) -> None:
    notes.failures = [StatusCode.UNAVAILABLE]
    answered = ResponseMetadata()
    await quick.look(trial.calls.Question(text="metadata"), response_metadata=answered)
    assert answered.initial.getall("first") == ["1"]
