"""Peers that lie or break the rules: an abort for them, and nobody else notices."""

import contextlib
import logging
import random
import struct

import pytest

from gateway.dimse.ports import Incoming, StoreRequest
from tests.dimse.doors import MemorySink, open_door, until
from tests.dimse.peers import SUCCESS, associated, connected, echo_once
from tests.dimse.wire_bytes import (
    ABORT,
    RELEASE_RQ,
    abort_of_provider,
    any_store_command,
    associate_rq,
    echo_command,
    echo_rq,
    p_data,
    pdu,
    pdv,
    store_command,
)


def broke(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


async def test_a_request_over_64_kib_is_aborted_at_its_header() -> None:
    async with open_door(MemorySink()) as door, connected(door.addresses[0]) as scu:
        await scu.send(pdu(1, b"", length=64 * 1024 + 1))
        assert await scu.closed() == ABORT


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


async def test_mutated_streams_never_get_past_an_abort(caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(990000)
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
