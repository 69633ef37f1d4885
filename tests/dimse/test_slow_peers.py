"""Peers that take their time, by mistake or on purpose: deadlines count progress, not bytes."""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator

import pytest

from gateway.dimse.acceptor import Door
from gateway.dimse.settings import AcceptorSettings
from tests.dimse.doors import MemorySink, frozen, open_door, pass_time, rss_bytes, until
from tests.dimse.peers import SUCCESS, associated, connected, echo_once
from tests.dimse.wire_bytes import (
    ABORT,
    RELEASE_RQ,
    associate_rq,
    p_data,
    pdv,
    store_command,
)

MIB = 1 << 20


@pytest.fixture(autouse=True)
def descriptors() -> None:
    """Let one process hold both ends of many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))


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


# Five seconds of work for one core; a busy machine gives it a sixth of one.
@pytest.mark.timeout(120)
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
