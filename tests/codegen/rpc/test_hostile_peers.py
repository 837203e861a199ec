"""Whatever a peer does, the server answers it or closes on it, serves the others, and keeps its log clean."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import PingReceived
from h2.settings import SettingCodes
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame

from cerebelum_codegen.runtime.rpc import Channel, Keepalive, Limits, Server, StatusCode
from cerebelum_codegen.runtime.rpc.patience import Patience
from tests.codegen.conftest import Trial
from tests.codegen.rpc.conftest import served
from tests.codegen.rpc.echo import Notes, our_service
from tests.codegen.rpc.raw import PREFACE, Raw, framed, raw


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No fault of a peer is a fault of ours."""
    with caplog.at_level(logging.INFO):
        yield
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.fixture
async def server(trial: Trial, notes: Notes) -> AsyncIterator[Server]:
    """One that still serves others after the test."""
    limits = Limits(max_message_bytes=1000, max_header_bytes=4000, max_streams=4, max_connections=8)
    async with served(our_service(trial, notes), limits=limits) as server:
        yield server
        async with Channel("127.0.0.1", server.port) as channel:
            answer = await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question(text="still here"))
            assert answer.text == "still here"


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(100),
        PREFACE + bytes(9),
        PREFACE + b"\xff" * 100,
        PREFACE + DataFrame(1, b"x").serialize(),
        PREFACE + SettingsFrame(0).serialize() + HeadersFrame(1, b"\xff\xff\xff", flags=["END_HEADERS"]).serialize(),
        PREFACE + SettingsFrame(0).serialize() + HeadersFrame(2, b"", flags=["END_HEADERS"]).serialize(),
        PREFACE + SettingsFrame(0).serialize() + ContinuationFrame(1, b"").serialize(),
        PREFACE + SettingsFrame(0, settings={4: 1 << 31}).serialize(),
    ],
)
async def test_what_is_no_http2_is_closed(server: Server, noise: bytes) -> None:
    async with raw(server.port, speaks=False) as peer:
        peer.send(noise)
        await peer.closed()


@pytest.mark.parametrize("seed", range(20))
async def test_random_bytes_after_a_good_beginning_are_closed_or_passed_over(server: Server, seed: int) -> None:
    async with raw(server.port) as peer:
        peer.send(random.Random(seed).randbytes(2000), b"\xff" * 20_000)
        await peer.closed()


async def test_frames_of_unknown_kinds_are_passed_over(server: Server, trial: Trial) -> None:
    async with raw(server.port) as peer:
        unknown = (6).to_bytes(3, "big") + b"\x21" + bytes(5) + b"grease"
        peer.send(unknown)
        stream = peer.request()
        peer.send(unknown)
        peer.data(stream, framed(trial.calls.Question(text="a").to_bytes()), end=True)
        assert (await peer.answer(stream))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"method": "GET"}, "405"),
        ({"method": None}, "405"),
        ({"content_type": "application/json"}, "415"),
        ({"content_type": None}, "415"),
        ({"content_type": "application/grpc-web"}, "415"),
        ({"content_type": "application/grpc+json"}, "415"),
    ],
)
async def test_what_is_no_call_is_told_so_by_http(server: Server, changes: dict[str, Any], status: str) -> None:
    async with raw(server.port) as peer:
        assert (await peer.answer(peer.request(**changes)))[":status"] == status


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"path": "/trial.Calls/Missing"}, StatusCode.UNIMPLEMENTED),
        ({"path": "nothing \xff"}, StatusCode.UNIMPLEMENTED),
        ({"path": None}, StatusCode.UNIMPLEMENTED),
        ({"grpc_timeout": "soon"}, StatusCode.INTERNAL),
        ({"grpc_timeout": "9" * 500 + "H"}, StatusCode.INTERNAL),
        ({"grpc_timeout": "0n"}, StatusCode.DEADLINE_EXCEEDED),
        ({"grpc_encoding": "br"}, StatusCode.UNIMPLEMENTED),
    ],
)
async def test_a_call_that_cannot_be_served_is_told_why(server: Server, changes: Any, code: StatusCode) -> None:
    async with raw(server.port) as peer:
        answer = await peer.answer(peer.request(**changes))
        assert (answer[":status"], answer["grpc-status"]) == ("200", str(code.value))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", StatusCode.INVALID_ARGUMENT),
        (b"\0\0", StatusCode.INTERNAL),
        (framed(b"12345")[:-1], StatusCode.INTERNAL),
        (framed(b"\xff\xff\xff"), StatusCode.INVALID_ARGUMENT),
        (b"\0\xff\xff\xff\xff", StatusCode.RESOURCE_EXHAUSTED),
        (framed(bytes(1001)), StatusCode.RESOURCE_EXHAUSTED),
        (b"\1" + framed(b"12345")[1:], StatusCode.INTERNAL),
    ],
)
async def test_a_request_that_cannot_be_read_is_told_why(server: Server, sent: bytes, code: StatusCode) -> None:
    async with raw(server.port) as peer:
        stream = peer.request()
        peer.data(stream, sent, end=True)
        assert (await peer.answer(stream))["grpc-status"] == str(code.value)


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"no gzip at all", StatusCode.INTERNAL),
        # Half a megabyte of nothing in half a thousand bytes.
        (gzip.compress(bytes(1 << 19), mtime=0), StatusCode.RESOURCE_EXHAUSTED),
        (gzip.compress(b"cut off", mtime=0)[:-9], StatusCode.INTERNAL),
        (gzip.compress(b"", mtime=0) * 2, StatusCode.INTERNAL),
    ],
)
async def test_a_compressed_request_is_held_to_the_same_limit(server: Server, packed: bytes, code: StatusCode) -> None:
    async with raw(server.port) as peer:
        stream = peer.request(grpc_encoding="gzip")
        peer.data(stream, b"\1" + framed(packed)[1:], end=True)
        assert (await peer.answer(stream))["grpc-status"] == str(code.value)


async def test_a_flag_that_means_nothing_is_refused(server: Server) -> None:
    async with raw(server.port) as peer:
        stream = peer.request(grpc_encoding="gzip")
        peer.data(stream, b"\2" + framed(gzip.compress(b"", mtime=0))[1:], end=True)
        assert (await peer.answer(stream))["grpc-status"] == str(StatusCode.INTERNAL.value)


async def test_whose_compression_is_not_read_is_told_which_are(server: Server) -> None:
    async with raw(server.port) as peer:
        answer = await peer.answer(peer.request(grpc_encoding="br"))
        assert answer["grpc-accept-encoding"] == "identity,gzip"


async def test_a_large_message_is_refused_by_its_announcement_alone(server: Server) -> None:
    async with raw(server.port) as peer:
        stream = peer.request()
        peer.data(stream, b"\0" + (1001).to_bytes(4, "big"))
        answer = await peer.answer(stream)
        assert answer["grpc-status"] == str(StatusCode.RESOURCE_EXHAUSTED.value)
        assert "1001 bytes is larger than the limit of 1000" in answer["grpc-message"]


async def test_headers_that_are_too_large_close_the_connection(server: Server) -> None:
    async with raw(server.port) as peer:
        peer.request(x_large="a" * 5000)
        await peer.closed()


async def test_headers_without_an_end_close_the_connection(server: Server) -> None:
    async with raw(server.port) as peer:
        peer.send(HeadersFrame(1, b"\x00\x01a\x01b"))
        for _ in range(200):
            peer.send(ContinuationFrame(1, b"\x00\x01a\x01b" * 100))
        await peer.closed()


async def test_a_connection_that_breaks_off_in_the_middle_of_a_message_ends_its_call(
    server: Server, trial: Trial, notes: Notes
) -> None:
    async with raw(server.port) as peer:
        stream = peer.request()
        peer.data(stream, framed(trial.calls.Question(text="wait").to_bytes()), end=True)
        peer.data(peer.request(), b"\0\0\0\1\0half")
        await notes.started.wait()
    async with asyncio.timeout(30):
        await notes.cancelled.wait()


async def test_a_call_that_is_reset_in_the_middle_of_a_message_leaves_the_connection_usable(
    server: Server, trial: Trial
) -> None:
    async with raw(server.port) as peer:
        for _ in range(5):
            stream = peer.request()
            peer.data(stream, b"\0\0\0\1\0half")
            peer.http2.reset_stream(stream, ErrorCodes.CANCEL)
        stream = peer.request()
        peer.data(stream, framed(trial.calls.Question(text="a").to_bytes()), end=True)
        assert (await peer.answer(stream))["grpc-status"] == "0"


async def test_a_call_too_many_is_refused_alone(server: Server, trial: Trial, notes: Notes) -> None:
    question = framed(trial.calls.Question(text="wait").to_bytes())
    async with raw(server.port) as peer:
        streams = [peer.request() for _ in range(5)]
        assert (await peer.answer(streams[4])) == {"reset": str(int(ErrorCodes.REFUSED_STREAM))}
        peer.data(streams[0], question, end=True)
        await notes.started.wait()
        notes.release.set()
        assert (await peer.answer(streams[0]))["grpc-status"] == "0"
        stream = peer.request()
        peer.data(stream, question, end=True)
        assert (await peer.answer(stream))["grpc-status"] == "0"


async def test_a_connection_too_many_is_closed(server: Server) -> None:
    peers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
    async with raw(server.port) as peer:
        await peer.closed()
    for reader, writer in peers:
        assert await reader.read(1)
        writer.transport.abort()
    async with asyncio.timeout(30):
        while len(server._links) > 0:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "noise",
    [
        lambda peer: peer.send(PingFrame(0, bytes(8))),
        lambda peer: peer.send(PingFrame(0, bytes(8), flags=["ACK"])),
        lambda peer: peer.send(SettingsFrame(0, settings={3: len(peer.http2.streams)})),
        lambda peer: peer.send(SettingsFrame(0, flags=["ACK"])),
        lambda peer: peer.http2.reset_stream(peer.request(), ErrorCodes.CANCEL),
    ],
    ids=["pings", "answers to no ping", "settings", "answers to no settings", "resets"],
)
async def test_a_peer_that_only_makes_noise_is_told_to_calm_down(server: Server, noise: Callable[[Raw], None]) -> None:
    async with raw(server.port) as peer:
        await peer.hear()
        for _ in range(400):
            noise(peer)
        peer.send()
        heard = b""
        async with asyncio.timeout(30):
            try:
                while data := await peer.reader.read(65536):
                    heard += data
            except ConnectionError:
                pass
    assert int(ErrorCodes.ENHANCE_YOUR_CALM).to_bytes(4, "big") in heard


class TestPatience:
    """Slow peers: what must end ends, by limits of hundredths of a second."""

    async def test_a_connection_that_says_nothing_is_dropped(self, trial: Trial, notes: Notes) -> None:
        limits = Limits(handshake_s=0.05)
        async with served(our_service(trial, notes), limits=limits) as server:
            peers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
            for reader, writer in peers:
                writer.write(PREFACE[:10])
                async with asyncio.timeout(30):
                    await _until_closed(reader)
                writer.transport.abort()

    async def test_a_connection_without_calls_is_closed(self, trial: Trial, notes: Notes) -> None:
        async with served(our_service(trial, notes), limits=Limits(idle_s=0.05)) as server, raw(server.port) as peer:
            peer.send(HeadersFrame(1, b"\x00"))  # and never the rest
            await peer.closed()

    async def test_a_connection_with_a_call_is_not_idle(
        self, trial: Trial, notes: Notes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked: list[Patience] = []
        watch = Patience.watch

        def look(patience: Patience) -> None:
            looked.append(patience)
            watch(patience)

        monkeypatch.setattr(Patience, "watch", look)
        async with served(our_service(trial, notes), limits=Limits(idle_s=0.02)) as server, raw(server.port) as peer:
            stream = peer.request()
            peer.data(stream, framed(trial.calls.Question(text="wait").to_bytes()), end=True)
            await notes.started.wait()
            async with asyncio.timeout(30):
                while len(looked) < 4:  # its time was over, again and again
                    await asyncio.sleep(0.001)
            notes.release.set()
            assert (await peer.answer(stream))["grpc-status"] == "0"

    async def test_a_request_that_never_arrives_is_given_up(self, trial: Trial, notes: Notes) -> None:
        limits = Limits(request_s=0.05)
        async with served(our_service(trial, notes), limits=limits) as server, raw(server.port) as peer:
            stream = peer.request()
            peer.data(stream, b"\0\0\0")
            assert (await peer.answer(stream))["grpc-status"] == str(StatusCode.DEADLINE_EXCEEDED.value)

    @pytest.mark.parametrize("changes", [{"grpc_timeout": "50m"}, {}], ids=["deadline", "limit"])
    async def test_an_answer_that_its_caller_does_not_take_is_given_up(
        self, trial: Trial, notes: Notes, changes: dict[str, Any]
    ) -> None:
        limits = Limits() if changes else Limits(request_s=0.05)
        async with served(our_service(trial, notes), limits=limits) as server, raw(server.port) as peer:
            peer.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
            stream = peer.request(**changes)
            peer.data(stream, framed(trial.calls.Question(text="a").to_bytes()), end=True)
            assert (await peer.answer(stream))["reset"] == str(int(ErrorCodes.CANCEL))

    async def test_a_peer_that_answers_no_ping_is_dropped_and_its_calls_with_it(
        self, trial: Trial, notes: Notes
    ) -> None:
        keepalive = Keepalive(after_s=0.05, timeout_s=0.05)
        async with served(our_service(trial, notes), keepalive=keepalive) as server, raw(server.port) as peer:
            stream = peer.request()
            peer.data(stream, framed(trial.calls.Question(text="wait").to_bytes()), end=True)
            async with asyncio.timeout(30):
                await notes.cancelled.wait()

    async def test_a_peer_that_answers_pings_is_kept(self, trial: Trial, notes: Notes) -> None:
        keepalive = Keepalive(after_s=0.02, timeout_s=5)
        async with served(our_service(trial, notes), keepalive=keepalive) as server, raw(server.port) as peer:
            stream = peer.request()
            peer.data(stream, framed(trial.calls.Question(text="wait").to_bytes()), end=True)
            await notes.started.wait()
            pings = 0
            while pings < 3:
                pings += sum(isinstance(event, PingReceived) for event in await peer.hear())
            notes.release.set()
            assert (await peer.answer(stream))["grpc-status"] == "0"


async def test_a_peer_that_reads_none_of_its_answers_is_dropped(
    trial: Trial, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerebelum_codegen.runtime.rpc.connection._MOST_UNSENT_BYTES", 100_000)
    monkeypatch.setattr("cerebelum_codegen.runtime.rpc.noise.Noise.heard", lambda *_, **__: False)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = Server([our_service(trial, notes)])
    await server.start(sock=listening)
    async with raw(server.port) as peer:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]  # as if it were asleep
        while not server._links:
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            while server._links:
                peer.send(*[PingFrame(0, bytes(8))] * 500)
                await asyncio.sleep(0)
    server.close()


async def test_a_peer_with_room_for_everything_is_sent_no_more_than_the_network_takes(
    trial: Trial, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerebelum_codegen.runtime.rpc.connection._MOST_UNSENT_BYTES", 3_000_000)
    question = framed(trial.calls.Question(text="a", count=1_500_000).to_bytes())
    async with served(our_service(trial, notes)) as server, raw(server.port) as peer:
        most = (1 << 31) - 1
        peer.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: most})
        peer.http2.increment_flow_control_window(most - 65_535)
        streams = [peer.request() for _ in range(5)]
        for stream in streams:
            peer.data(stream, question, end=True)
        await peer.answer(streams[-1])


async def test_many_connections_at_once_are_served(trial: Trial, notes: Notes) -> None:
    async with served(our_service(trial, notes)) as server:

        async def one(number: int) -> str:
            async with Channel("127.0.0.1", server.port) as channel:
                answer = await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question(text=str(number)))
                return str(answer.text)

        assert await asyncio.gather(*map(one, range(150))) == [str(number) for number in range(150)]


async def _until_closed(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        return
