"""Peers that send without end, or come and go without end: memory stays flat."""

import asyncio
import contextlib
import logging
import socket
import struct
import threading
import time

import psutil
import pytest

from gateway.dimse.acceptor import Door
from gateway.dimse.settings import AcceptorSettings
from kernel.clock import FrozenClock
from tests.dimse.doors import MemorySink, frozen, open_door, pass_time, rss_bytes, until
from tests.dimse.peers import Answer, Scu, associated, connected, echo_once
from tests.dimse.wire_bytes import (
    ABORT,
    CT,
    abort_of_provider,
    associate_rq,
    echo_rq,
    p_data,
    pdu,
    pdv,
    store_command,
)

MIB = 1 << 20


def broke(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


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
