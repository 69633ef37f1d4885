"""Peers that mean harm or are broken: nobody else notices, and nothing stays behind."""

import asyncio
import contextlib
import datetime as dt
import gc
import logging
import random
import resource
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from gateway.dimse.acceptor import Door
from gateway.dimse.ports import Incoming, StoreRequest
from gateway.dimse.settings import AcceptorSettings
from kernel.clock import FrozenClock
from tests.dimse.doors import MemorySink, frozen, open_door, until
from tests.dimse.peers import Answer, Scu, associated, connected
from tests.dimse.wire_bytes import (
    ABORT,
    CT,
    RELEASE_RQ,
    any_store_command,
    associate_rq,
    echo_command,
    echo_rq,
    p_data,
    pdu,
    pdv,
    store_command,
)

SUCCESS = Answer(0, "")
MIB = 1 << 20


@pytest.fixture(autouse=True)
def descriptors() -> None:
    """Let one process hold both ends of many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))


def broke(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def rss_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def pass_time(clock: FrozenClock, seconds: float) -> None:
    clock.advance(dt.timedelta(seconds=seconds))


async def echo_once(door: Door) -> None:
    async with associated(door.addresses[0]) as scu:
        assert await scu.echo() == SUCCESS
        await scu.release()


@contextlib.asynccontextmanager
async def silent(door: Door, count: int) -> AsyncIterator[list[socket.socket]]:
    """Hold *count* connections that say nothing."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as held:
        sockets = []
        for _ in range(count):
            peer = held.enter_context(contextlib.closing(socket.socket()))
            peer.settimeout(0)
            await loop.sock_connect(peer, door.addresses[0])
            sockets.append(peer)
        yield sockets


async def is_closed(peer: socket.socket) -> bytes:
    """Return what still comes until the door closes *peer*."""
    got = b""
    async with asyncio.timeout(10):
        try:
            while piece := await asyncio.get_running_loop().sock_recv(peer, 4096):
                got += piece
        except ConnectionError:
            pass
    return got


async def test_500_silent_peers_disturb_nobody_and_are_closed_after_10_seconds() -> None:
    clock = frozen()
    roomy = AcceptorSettings(pending_per_address=600)
    async with open_door(MemorySink(), roomy, clock=clock) as door:
        await echo_once(door)
        before = rss_bytes()
        async with silent(door, 500) as peers:
            await until(lambda: door.occupancy.pending == 500)
            took = []
            for _ in range(40):
                started = time.perf_counter()
                await echo_once(door)
                took.append(time.perf_counter() - started)
            assert sorted(took)[37] < 1.0
            # Both ends of 500 connections live in this process.
            assert rss_bytes() - before < 16 * MIB
            pass_time(clock, 9.9)
            await echo_once(door)
            pass_time(clock, 0.2)
            for peer in peers:
                assert await is_closed(peer) == b""
        await until(lambda: door.occupancy.pending == 0)
        await echo_once(door)


async def test_more_silent_peers_than_there_is_room_for_make_room_oldest_first() -> None:
    narrow = AcceptorSettings(pending_per_address=50)
    async with open_door(MemorySink(), narrow) as door, silent(door, 200) as peers:
        for peer in peers[:150]:
            assert await is_closed(peer) == b""
        await echo_once(door)
        await until(lambda: door.occupancy.pending in {49, 50})


async def test_a_request_byte_by_byte_has_10_seconds_in_all() -> None:
    clock = frozen()
    request = associate_rq()
    async with open_door(MemorySink(), clock=clock) as door, connected(door.addresses[0]) as scu:
        for second in range(10):
            await scu.send(request[second : second + 1])
            await until(lambda: door.occupancy.pending == 1)
            pass_time(clock, 1)
        assert await scu.closed() == b""
        await until(lambda: door.occupancy.pending == 0)


async def test_an_association_that_says_nothing_is_aborted_after_60_seconds() -> None:
    clock = frozen()
    async with open_door(MemorySink(), clock=clock) as door:
        async with associated(door.addresses[0]) as scu:
            pass_time(clock, 59)
            assert await scu.echo() == SUCCESS
            pass_time(clock, 59)
            assert await scu.echo() == SUCCESS
            pass_time(clock, 60)
            assert await scu.closed() == ABORT
        await until(lambda: door.occupancy.associations == 0)


async def test_dripping_fragments_are_no_progress() -> None:
    clock = frozen()
    sink = MemorySink()
    async with open_door(sink, clock=clock) as door:
        async with associated(door.addresses[0]) as scu:
            await scu.send(p_data(pdv(3, 3, store_command())))
            await until(lambda: sink.open == 1)
            for count in range(1, 7):
                await scu.send(p_data(pdv(3, 0, b"x")))
                await until(lambda count=count: sink.bytes_open == count)  # type: ignore[misc]
                pass_time(clock, 10)
            assert await scu.closed() == ABORT
        await until(lambda: sink.open == 0)


async def test_a_slow_object_that_goes_on_is_progress() -> None:
    clock = frozen()
    sink = MemorySink()
    async with open_door(sink, clock=clock) as door, associated(door.addresses[0]) as scu:
        await scu.send(p_data(pdv(3, 3, store_command())))
        for number in range(1, 5):
            await scu.send(p_data(pdv(3, 0, bytes(16 * 1024))))
            await until(lambda number=number: sink.bytes_open == number * 16 * 1024)  # type: ignore[misc]
            pass_time(clock, 50)
        await scu.send(p_data(pdv(3, 2, b"")))
        assert await scu.answer() == SUCCESS


async def test_an_object_that_stops_in_the_middle_is_forgotten() -> None:
    clock = frozen()
    sink = MemorySink()
    async with open_door(sink, clock=clock) as door:
        async with associated(door.addresses[0]) as scu:
            await scu.send(p_data(pdv(3, 3, store_command())))
            await scu.send(p_data(pdv(3, 2, bytes(5000)))[:3000])
            await until(lambda: sink.bytes_open > 2900)
            pass_time(clock, 60)
            assert await scu.closed() == ABORT
        await until(lambda: sink.open == 0)
        assert sink.kept == []


@pytest.mark.parametrize(
    "goodbye",
    [
        pytest.param(ABORT, id="abort"),
        pytest.param(RELEASE_RQ, id="release"),
        pytest.param(b"", id="gone"),
    ],
)
async def test_a_sender_that_leaves_in_the_middle_leaves_nothing_behind(goodbye: bytes) -> None:
    sink = MemorySink()
    async with open_door(sink) as door:
        for _ in range(10):
            async with associated(door.addresses[0]) as scu:
                begun = sink.begun
                await scu.send(p_data(pdv(3, 3, store_command())) + p_data(pdv(3, 0, b"part")))
                await until(lambda begun=begun: sink.begun > begun)  # type: ignore[misc]
                await scu.send(goodbye)
        await until(lambda: sink.open == 0)
        await until(lambda: door.occupancy.associations == 0)
    assert sink.kept == []


async def flood(scu: Scu, piece: bytes, total: int) -> None:
    """Send *piece* over and over until *total* bytes are gone or the door hangs up."""
    with contextlib.suppress(ConnectionError):
        for _ in range(total // len(piece)):
            await scu.send(piece)


async def test_a_first_pdu_of_4_gib_is_not_listened_to() -> None:
    async with open_door(MemorySink()) as door:
        await echo_once(door)
        before = rss_bytes()
        for kind in (1, 4):
            async with connected(door.addresses[0]) as scu:
                await scu.send(pdu(kind, b"", length=0xFFFFFFFF))
                assert (await scu.pdu())[0] == 7
                await flood(scu, bytes(MIB), 64 * MIB)
        assert rss_bytes() - before < 4 * MIB
        await echo_once(door)


async def test_a_request_over_64_kib_is_aborted_at_its_header() -> None:
    async with open_door(MemorySink()) as door, connected(door.addresses[0]) as scu:
        await scu.send(pdu(1, b"", length=64 * 1024 + 1))
        assert await scu.closed() == ABORT


def abort_of_provider(reason: int) -> bytes:
    return bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, reason))


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


LIES = {
    "p-data-over-the-maximum": (pdu(4, b"", length=128 * 1024 + 1), 6),
    "p-data-of-4-gib": (pdu(4, b"", length=0xFFFFFFFF), 6),
    "pdv-length-0": (p_data(pdv(1, 3, b"", length=0)), 6),
    "pdv-length-1": (p_data(pdv(1, 3, b"", length=1)), 6),
    "pdv-beyond-its-pdu": (p_data(pdv(1, 3, b"xy", length=5)), 6),
    "context-never-negotiated": (echo_rq(context_id=201), 6),
    "context-0": (echo_rq(context_id=0), 6),
    "no-command-field": (p_data(pdv(1, 3, element(0x0110, b"\1\0"))), 6),
    "command-field-ff01": (p_data(pdv(1, 3, element(0x0100, b"\1\xff"))), 6),
    "command-of-another-group": (p_data(pdv(1, 3, b"\x08\0\x05\0\0\0\0\0")), 6),
    "empty-command": (p_data(pdv(1, 3, b"")), 6),
    "no-message-id": (
        p_data(pdv(1, 3, element(0x0100, b"\x30\0") + element(0x0800, b"\1\1"))),
        5,
    ),
    "a-response-nobody-asked-for": (
        p_data(pdv(1, 3, element(0x0100, b"\x30\x80") + element(0x0110, b"\1\0"))),
        5,
    ),
    "data-set-first": (p_data(pdv(3, 2, b"data")), 5),
    "command-inside-a-data-set": (
        p_data(pdv(3, 3, store_command())) + p_data(pdv(3, 3, echo_command())),
        5,
    ),
    "command-without-end": (p_data(pdv(1, 1, bytes(8000))) * 3, 6),
    "a-second-request": (associate_rq(), 2),
    "an-acceptance": (pdu(2, bytes(68)), 2),
    "a-release-reply": (pdu(6, bytes(4)), 2),
    "a-pdu-nobody-knows": (pdu(0x77, b"what"), 1),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_answered_by_abort_and_logged_once(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, reason = LIES[name]
    sink = MemorySink()
    async with open_door(sink) as door:
        async with associated(door.addresses[0]) as scu:
            await scu.send(sent)
            assert await scu.closed() == abort_of_provider(reason)
        await until(lambda: door.occupancy.associations == 0)
        assert sink.open == 0
        await echo_once(door)
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warned == ["dimse.ended"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(echo_rq(), id="data"),
        pytest.param(RELEASE_RQ, id="release"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="http"),
        pytest.param(bytes.fromhex("16030100c8010000c4"), id="tls-on-the-plain-port"),
    ],
)
async def test_whoever_does_not_begin_with_a_request_is_aborted(sent: bytes) -> None:
    async with open_door(MemorySink()) as door:
        async with connected(door.addresses[0]) as scu:
            await scu.send(sent)
            assert await scu.closed() == ABORT
        await echo_once(door)


async def test_an_abort_before_association_just_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async with open_door(MemorySink()) as door, connected(door.addresses[0]) as scu:
        await scu.send(ABORT)
        assert await scu.closed() == b""
    assert broke(caplog) == []


async def test_a_data_set_without_end_is_refused_and_at_last_cut_off() -> None:
    sink = MemorySink()
    small = AcceptorSettings(max_object_bytes=2 * MIB)
    async with open_door(sink, small) as door:
        async with associated(door.addresses[0]) as scu:
            answer = await scu.store(bytes(3 * MIB), sop_class=CT, instance="2.25.1", context_id=3)
            assert answer == Answer(0xC000, "The object is larger than this node takes.")
            assert sink.open == 0
            before = rss_bytes()
            await scu.send(p_data(pdv(3, 3, store_command())))
            await flood(scu, p_data(pdv(3, 0, bytes(60_000))), 64 * MIB)
            assert abort_of_provider(0).endswith(await scu.closed())
            assert rss_bytes() - before < 8 * MIB
        await until(lambda: sink.open == 0)
    assert sink.kept == []


async def passing(clock: FrozenClock, door: Door) -> None:
    """Let time pass until no association is left."""
    async with asyncio.timeout(20):
        while door.occupancy.associations:
            pass_time(clock, 0.5)
            await asyncio.sleep(0.01)


async def test_a_peer_that_never_reads_its_answers_fills_no_memory() -> None:
    clock = frozen()
    loop = asyncio.get_running_loop()
    async with open_door(MemorySink(), clock=clock, send_buffer_bytes=4096) as door:
        with contextlib.closing(socket.socket()) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.settimeout(0)
            await loop.sock_connect(peer, door.addresses[0])
            await loop.sock_sendall(peer, associate_rq())
            await until(lambda: door.occupancy.associations == 1)
            before = rss_bytes()
            sent, quiet = 0, 0
            while quiet < 20:
                try:
                    sent += peer.send(echo_rq() * 200)
                    quiet = 0
                except BlockingIOError:
                    quiet += 1
                    await asyncio.sleep(0.01)
                assert sent < 256 * MIB
            assert rss_bytes() - before < 16 * MIB
            await echo_once(door)
            await passing(clock, door)
        await echo_once(door)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(echo_rq() * 1000, id="echoes"),
        pytest.param(p_data(pdv(3, 0, b"x")) * 5000, id="one-byte-fragments"),
        pytest.param(p_data(pdv(3, 0, b"")) * 5000, id="empty-fragments"),
    ],
)
async def test_a_flood_of_tiny_messages_leaves_others_their_turn(piece: bytes) -> None:
    async with open_door(MemorySink()) as door, associated(door.addresses[0]) as scu:
        if not piece.startswith(echo_rq()):
            await scu.send(p_data(pdv(3, 3, store_command())))
        stop = asyncio.Event()

        async def pour() -> None:
            with contextlib.suppress(ConnectionError):
                while not stop.is_set():
                    scu.writer.write(piece)
                    await scu.writer.drain()
                    await asyncio.sleep(0)

        async def drink() -> None:
            while await scu.reader.read(1 << 16):
                pass

        pouring = [asyncio.ensure_future(pour()), asyncio.ensure_future(drink())]
        try:
            took = []
            for _ in range(20):
                started = time.perf_counter()
                await echo_once(door)
                took.append(time.perf_counter() - started)
            assert sorted(took)[18] < 1.0
        finally:
            stop.set()
            for task in pouring:
                task.cancel()
            await asyncio.wait(pouring)


async def rudely(door: Door, manner: int) -> None:
    """Come and go as health checks, scanners and broken modalities do."""
    loop = asyncio.get_running_loop()
    with contextlib.closing(socket.socket()) as peer:
        peer.settimeout(0)
        await loop.sock_connect(peer, door.addresses[0])
        match manner:
            case 0:
                return
            case 1:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case 2:
                await loop.sock_sendall(peer, associate_rq()[:100])
            case 3:
                await loop.sock_sendall(peer, associate_rq(called="NOBODY"))
                assert (await loop.sock_recv(peer, 100))[0] == 3
            case 4:
                await loop.sock_sendall(peer, associate_rq())
                assert (await loop.sock_recv(peer, 4096))[0] == 2
                await loop.sock_sendall(peer, p_data(pdv(3, 3, store_command())))
            case _:
                await loop.sock_sendall(peer, associate_rq() + echo_rq() + ABORT)


async def churn(door: Door, rounds: int) -> None:
    for number in range(rounds):
        await rudely(door, number % 6)
    await until(lambda: not door.occupancy.pending and not door.occupancy.associations)


@pytest.mark.parametrize(
    "rounds",
    [
        1500,
        pytest.param(20_000, marks=[pytest.mark.torture, pytest.mark.timeout(300)]),
    ],
)
async def test_coming_and_going_leaves_nothing_behind(
    rounds: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    sink = MemorySink()
    async with open_door(sink) as door:
        await churn(door, 300)
        process = psutil.Process()
        before = rss_bytes(), process.num_fds(), threading.active_count()
        await churn(door, rounds)
        assert rss_bytes() - before[0] < 6 * MIB
        assert process.num_fds() == before[1]
        assert threading.active_count() == before[2]
        await echo_once(door)
        assert sink.open == 0
    assert broke(caplog) == []


async def test_mutated_streams_never_get_past_an_abort(caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(990000)  # noqa: S311
    whole = (
        associate_rq()
        + echo_rq()
        + p_data(pdv(3, 3, store_command()))
        + p_data(pdv(3, 0, b"some"), pdv(3, 2, b"thing"))
        + RELEASE_RQ
    )
    sink = MemorySink()
    async with open_door(sink) as door:
        for _ in range(300):
            sent = bytearray(whole)
            for _ in range(dice.randint(1, 6)):
                sent[dice.randrange(len(sent))] = dice.randrange(256)
            async with connected(door.addresses[0]) as scu:
                with contextlib.suppress(ConnectionError):
                    await scu.send(bytes(sent))
                    scu.writer.write_eof()
                await scu.closed()
        await until(lambda: not door.occupancy.pending and not door.occupancy.associations)
        assert sink.open == 0
        await echo_once(door)
    assert broke(caplog) == []


async def test_a_broken_sink_costs_one_association_and_nobody_elses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class BrokenSink(MemorySink):
        async def begin(self, request: StoreRequest) -> Incoming:
            raise ZeroDivisionError

    async with open_door(BrokenSink()) as door, associated(door.addresses[0]) as other:
        async with associated(door.addresses[0]) as scu:
            await scu.send(p_data(pdv(3, 3, any_store_command("2.25.1"))))
            assert await scu.closed() == ABORT
        assert await other.echo() == SUCCESS
        await other.release()
    assert broke(caplog) == ["dimse.connection-broke"]
