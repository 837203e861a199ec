"""A service that does as its question says, in ours and in grpcio's words; and a client of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from cerebelum_codegen.runtime.rpc import RequestContext, ResponseMetadata, RpcError, StatusCode
from tests.codegen.conftest import Trial

WORDS = "kein Weg: 100 % ✗\nsecond line"
"""What a refusal says: nothing of it may get lost on the way."""
DETAILS = b"\x08\x09\x12\x03why"


@dataclass
class Notes:
    """What a server saw, for tests to wait on."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    failures: list[StatusCode] = field(default_factory=list)
    """With what the next calls are refused."""
    contexts: list[RequestContext] = field(default_factory=list)

    async def wait(self) -> None:
        self.started.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def our_service(trial: Trial, notes: Notes) -> Any:
    pb = trial.calls

    class Calls(trial.calls_grpc.CallsBase):  # type: ignore[name-defined,misc]  # generated while the tests run
        async def ask(self, request: Any, context: RequestContext) -> Any:
            notes.calls += 1
            notes.contexts.append(context)
            if notes.failures:
                raise RpcError(notes.failures.pop(0), "not yet")
            match request.text:
                case "refuse":
                    context.response_metadata.trailing["reason-bin"] = b"\x00\xff"
                    raise RpcError(StatusCode.FAILED_PRECONDITION, WORDS, details=DETAILS)
                case "break":
                    raise KeyError("a secret of the server")
                case "wait":
                    await notes.wait()
                case "remaining":
                    return pb.Answer(text="" if context.remaining_s is None else f"{context.remaining_s:.3f}")
                case "metadata":
                    context.response_metadata.initial["first"] = "1"
                    for name, value in context.metadata.items():
                        if name.startswith("x-"):
                            context.response_metadata.trailing.add(name, value)
                case _:
                    pass
            return pb.Answer(text=request.text, load=bytes(request.count))

        async def listen(self, request: Any, context: RequestContext) -> AsyncIterator[Any]:
            notes.calls += 1
            notes.contexts.append(context)
            if notes.failures:
                raise RpcError(notes.failures.pop(0), "not yet")
            for number in range(request.count):
                yield pb.Answer(text=f"{request.text} {number}", load=request.load)
            if request.text == "refuse":
                raise RpcError(StatusCode.FAILED_PRECONDITION, WORDS)
            if request.text == "wait":
                await notes.wait()

        async def tell(self, requests: AsyncIterator[Any], context: RequestContext) -> Any:
            texts = []
            async for request in requests:
                texts.append(request.text)
                if request.text == "wait":
                    await notes.wait()
                if request.text == "enough":
                    break
                if request.text == "refuse":
                    raise RpcError(StatusCode.FAILED_PRECONDITION, WORDS)
            return pb.Answer(text=",".join(texts))

        async def talk(self, requests: AsyncIterator[Any], context: RequestContext) -> AsyncIterator[Any]:
            async for request in requests:
                if request.text == "enough":
                    return
                if request.text == "refuse":
                    raise RpcError(StatusCode.FAILED_PRECONDITION, WORDS)
                yield pb.Answer(text=request.text)

        look = ask
        browse = listen

        async def nothing(self, request: Any, context: RequestContext) -> Any:
            notes.calls += 1
            if notes.failures:
                raise RpcError(notes.failures.pop(0), "not yet")
            return request

    return Calls()


def grpcio_service(trial: Trial, notes: Notes) -> grpc.GenericRpcHandler:
    """The same service, as grpcio serves it."""
    pb = trial.calls

    async def ask(request: Any, context: Any) -> Any:
        match request.text:
            case "refuse":
                context.set_trailing_metadata((("reason-bin", b"\x00\xff"), ("grpc-status-details-bin", DETAILS)))
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, WORDS, context.trailing_metadata())
            case "break":
                raise KeyError("a secret of the server")
            case "wait":
                await notes.wait()
            case "remaining":
                left = context.time_remaining()
                return pb.Answer(text="" if left is None else f"{left:.3f}")
            case "metadata":
                await context.send_initial_metadata((("first", "1"),))
                sent = [each for each in context.invocation_metadata() if each[0].startswith("x-")]
                context.set_trailing_metadata(tuple(sent))
            case _:
                pass
        return pb.Answer(text=request.text, load=bytes(request.count))

    async def listen(request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.count):
            yield pb.Answer(text=f"{request.text} {number}", load=request.load)
        if request.text == "refuse":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, WORDS)
        if request.text == "wait":
            await notes.wait()

    async def tell(requests: AsyncIterator[Any], context: Any) -> Any:
        texts = []
        async for request in requests:
            texts.append(request.text)
            if request.text == "wait":
                await notes.wait()
            if request.text == "enough":
                break
            if request.text == "refuse":
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, WORDS)
        return pb.Answer(text=",".join(texts))

    async def talk(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if request.text == "enough":
                return
            if request.text == "refuse":
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, WORDS)
            yield pb.Answer(text=request.text)

    codec = {"request_deserializer": pb.Question.from_bytes, "response_serializer": pb.Answer.to_bytes}
    return grpc.method_handlers_generic_handler(
        "trial.Calls",
        {
            "Ask": grpc.unary_unary_rpc_method_handler(ask, **codec),
            "Listen": grpc.unary_stream_rpc_method_handler(listen, **codec),
            "Tell": grpc.stream_unary_rpc_method_handler(tell, **codec),
            "Talk": grpc.stream_stream_rpc_method_handler(talk, **codec),
        },
    )


class GrpcioStub:
    """grpcio's client, called as our stubs are."""

    def __init__(self, trial: Trial, channel: grpc.aio.Channel, compression: grpc.Compression | None = None) -> None:
        pb = trial.calls
        codec = {"request_serializer": pb.Question.to_bytes, "response_deserializer": pb.Answer.from_bytes}
        self._compression = compression
        self._ask = channel.unary_unary("/trial.Calls/Ask", **codec)
        self._listen = channel.unary_stream("/trial.Calls/Listen", **codec)
        self._tell = channel.stream_unary("/trial.Calls/Tell", **codec)
        self._talk = channel.stream_stream("/trial.Calls/Talk", **codec)

    async def ask(self, request: Any, **options: Any) -> Any:
        return await self._one(self._ask, request, **options)

    async def tell(self, requests: Any, **options: Any) -> Any:
        return await self._one(self._tell, requests, **options)

    def listen(self, request: Any, **options: Any) -> AsyncIterator[Any]:
        return self._many(self._listen, request, **options)

    def talk(self, requests: Any, **options: Any) -> AsyncIterator[Any]:
        return self._many(self._talk, requests, **options)

    async def _one(self, call: Callable[..., Any], request: Any, **options: Any) -> Any:
        running = call(request, **self._options(**options))
        try:
            return await running
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from None
        finally:
            await _answered(running, options.get("response_metadata"))

    async def _many(self, call: Callable[..., Any], request: Any, **options: Any) -> AsyncIterator[Any]:
        running = call(request, **self._options(**options))
        try:
            async for response in running:
                yield response
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from None
        finally:
            running.cancel()

    def _options(
        self,
        timeout_s: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
        response_metadata: ResponseMetadata | None = None,
    ) -> dict[str, Any]:
        sent = tuple(metadata.items()) if metadata else None
        return {"timeout": timeout_s, "metadata": sent, "compression": self._compression}


def _translated(error: grpc.aio.AioRpcError) -> RpcError:
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    return RpcError(StatusCode(error.code().value[0]), error.details() or "", details=details)


async def _answered(running: Any, into: ResponseMetadata | None) -> None:
    if into is not None:
        into.initial.extend(tuple(await running.initial_metadata() or ()))
        into.trailing.extend(tuple(await running.trailing_metadata() or ()))
