"""What waits to go out: delivered in order, tried for ever, set aside where it is refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from gateway.hl7 import store
from gateway.hl7.client import exchange
from gateway.hl7.mllp import FrameReader, framed
from gateway.hl7.model import Peer
from gateway.hl7.sending import Sending, pause_s
from kernel.clock import FrozenClock
from kernel.errors import Unavailable
from kernel.identity import institutions
from kernel.process.child import bind_door
from kernel.sql.db import Database
from tests.orders.desk import AT, QINGSHAN

Answer = Callable[[bytes], bytes]


def message(number: int) -> bytes:
    return f"MSH|^~\\&|YILIAN|c|HIS|q|2026||ACK|{number}|P|2.5\rMSA|AA|{number}\r".encode()


def saying(code: str) -> Answer:
    def answer(raw: bytes) -> bytes:
        number = raw.split(b"|")[9]
        return b"MSH|^~\\&|HIS|q|YILIAN|c|2026||ACK|9|P|2.5\rMSA|%s|%s\r" % (code.encode(), number)

    return answer


@asynccontextmanager
async def peer_that(answer: Answer, heard: list[bytes], port: int = 0) -> AsyncIterator[int]:
    """Give the port of a system that answers so."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        while piece := await reader.read(4096):
            frames.feed(piece)
            while (raw := frames.next()) is not None:
                heard.append(raw)
                writer.write(framed(answer(raw)))
        writer.close()

    listening = bind_door("127.0.0.1", port)
    server = await asyncio.start_server(converse, sock=listening)
    try:
        yield listening.getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def waiting_for(database: Database, port: int, count: int) -> Sending:
    """Let *count* messages wait for a peer at *port*."""
    peer = Peer(
        application="HIS",
        institution=QINGSHAN,
        networks=("127.0.0.1",),
        host="127.0.0.1",
        port=port,
    )

    def fill(conn: sa.Connection) -> None:
        row = {"code": QINGSHAN, "name": "青山", "kind": "township", "created_at": AT}
        conn.execute(sa.insert(institutions).values(row))
        store.put_peer(conn, peer, at=AT)
        for number in range(count):
            store.put_out(conn, peer, message(number), at=AT)

    await database.write(fill)
    return Sending(database, FrozenClock(AT), chance=lambda: 0.0, tls=ssl.create_default_context)


async def test_delivers_in_order_and_forgets_what_is_taken(database: Database) -> None:
    heard: list[bytes] = []
    async with peer_that(saying("CA"), heard) as port:
        sending = await waiting_for(database, port, 3)
        while await sending.send_due():
            pass
    assert heard == [message(number) for number in range(3)]
    assert await database.read(store.all_out) == []


async def test_keeps_what_a_peer_that_is_away_did_not_take(
    sqlite_database: Database, closed_port: int
) -> None:
    sending = await waiting_for(sqlite_database, closed_port, 2)
    assert await sending.send_due() == 0
    first, second = await sqlite_database.read(store.all_out)
    assert (first.failures, first.reason, second.failures) == (1, "peer-unreachable", 0)
    # Not due again yet, and the second does not overtake it.
    assert await sending.send_due() == 0
    heard: list[bytes] = []
    async with peer_that(saying("AA"), heard, closed_port):
        await sqlite_database.write(
            lambda conn: store.put_off(conn, first.id, reason="tried now", due_at=AT)
        )
        assert [await sending.send_due() for _ in range(3)] == [1, 1, 0]
    assert len(heard) == 2


async def test_sets_aside_what_is_refused_and_goes_on(sqlite_database: Database) -> None:
    heard: list[bytes] = []
    async with peer_that(saying("CE"), heard) as port:
        sending = await waiting_for(sqlite_database, port, 2)
        assert [await sending.send_due() for _ in range(3)] == [1, 1, 0]
    rows = await sqlite_database.read(store.all_out)
    assert [(row.set_aside, row.reason) for row in rows] == [(True, "answered CE")] * 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: b"nonsense", "wrong-answer"),
        (lambda _: b"MSH|^~\\&|a\rMSA|AA|other\r", "wrong-answer"),
        (lambda _: b"MSH|^~\\&|a\rZZZ|1\r", "wrong-answer"),
    ],
)
async def test_believes_no_answer_to_another_message(answer: Answer, code: str) -> None:
    async with peer_that(answer, []) as port:
        with pytest.raises(Unavailable) as refused:
            await exchange("127.0.0.1", port, message(1), within_s=10)
    assert refused.value.code == code


async def test_waits_no_longer_than_it_is_told() -> None:
    listening = bind_door("127.0.0.1", 0)  # accepts, and nobody answers
    with pytest.raises(Unavailable) as refused:
        await exchange("127.0.0.1", listening.getsockname()[1], message(1), within_s=0.05)
    assert refused.value.code == "no-answer"
    listening.close()


def test_waits_twice_as_long_each_time_up_to_five_minutes() -> None:
    assert [pause_s(n, 1.0) for n in (0, 1, 2, 3, 20, 10_000)] == [2, 4, 8, 16, 300, 300]
    assert pause_s(0, 0.0) == 1
