"""The MLLP door on real sockets: order, limits, hostile peers, TLS, and foreign programs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import hl7
import hl7.client
import hl7apy.parser
import pytest

from gateway.dimse.tls import server_context
from gateway.hl7.client import exchange
from gateway.hl7.codec import Message
from gateway.hl7.mllp import FrameReader, framed
from gateway.hl7.server import DoorSettings, serve
from kernel.errors import Unavailable
from kernel.process.child import bind_door
from kernel.sql.db import Database
from tests.certificates import self_signed
from tests.hl7.door import LIU, Door, open_door, written
from tests.orders.desk import QINGSHAN
from tests.shared_data import need_shared_data

A08 = "ADT^A08"


@asynccontextmanager
async def opened(door: Door, settings: DoorSettings | None = None) -> AsyncIterator[int]:
    """Open a plain door on a free port and give the port."""
    listening = bind_door("127.0.0.1", 0)
    port: int = listening.getsockname()[1]
    async with serve([listening], door.receiver, settings=settings or DoorSettings()):
        yield port


async def answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    frames = FrameReader()
    found: list[bytes] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            while (message := frames.next()) is not None:
                found.append(message)
            if len(found) < count:
                piece = await reader.read(4096)
                assert piece, "closed"
                frames.feed(piece)
    return found


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def test_answers_several_messages_of_a_connection_in_their_order(
    sqlite_database: Database,
) -> None:
    door = await open_door(sqlite_database)
    stream = b"".join(framed(written(A08, LIU, number=f"N{n}")) for n in range(20))
    async with opened(door) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n" + stream)
        told = await answers(reader, 20)
        writer.close()
    assert [f"MSA|AA|N{n}\r".encode() in one for n, one in enumerate(told)] == [True] * 20


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        pytest.param(framed(written(A08, LIU)[:80]) + b"OBX|1\r", b"MSA|AR|1", id="cut frame"),
        pytest.param(b"\x0b" + written(A08, LIU) + b"\x0bMSH", b"MSA|AR|1", id="never closed"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" * 60, None, id="another protocol"),
        pytest.param(b"\x16\x03\x01" + b"x" * 2000, None, id="TLS at the plain door"),
    ],
)
async def test_closes_a_broken_connection_and_goes_on_with_others(
    sqlite_database: Database, sent: bytes, told: bytes | None
) -> None:
    door = await open_door(sqlite_database)
    async with opened(door) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        if told is not None:
            assert told in (await answers(reader, 1))[0]
        assert await is_closed(reader)
        writer.close()
        assert (await exchange("127.0.0.1", port, written(A08, LIU), within_s=10)).code == "AA"
    assert len(await door.patients()) == 1


async def test_refuses_a_message_of_a_gigabyte_after_its_first(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    async with opened(door) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x0b" + written(A08, LIU))
        sent, piece = 0, b"NTE|1||" + b"x" * (1 << 16) + b"\r"
        try:
            async with asyncio.timeout(20):
                while sent < 1 << 30:
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
        except ConnectionError:
            pass
        assert sent < 64 << 20  # what the sockets of both sides hold
        writer.close()
        assert (await exchange("127.0.0.1", port, written(A08, LIU), within_s=10)).code == "AA"
    del reader


async def test_closes_who_begins_a_message_and_does_not_end_it(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    async with opened(door, DoorSettings(frame_s=0.05)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x0bMSH|")
        assert await is_closed(reader)
        writer.close()


async def test_closes_who_says_nothing(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    async with opened(door, DoorSettings(idle_s=0.05)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_closed(reader)
        writer.close()


async def test_lets_in_so_many_of_an_address_and_no_more(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    async with opened(door, DoorSettings(connections_per_address=2)) as port:
        inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for number, (reader, writer) in enumerate(inside):
            writer.write(framed(written(A08, LIU, number=str(number))))
            await answers(reader, 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_closed(reader)
        for _, one in [*inside, (reader, writer)]:
            one.close()


async def test_speaks_tls_at_its_tls_door(sqlite_database: Database, tmp_path: Path) -> None:
    door = await open_door(sqlite_database)
    listening = bind_door("127.0.0.1", 0)
    file = self_signed(tmp_path)
    tls = server_context(certificate=file, key=file)
    port = listening.getsockname()[1]
    async with serve([], door.receiver, settings=DoorSettings(tls=tls), secure=[listening]):
        client = ssl.create_default_context(cafile=str(file))
        told = await exchange("127.0.0.1", port, written(A08, LIU), within_s=10, tls=client)
        assert told.code == "AA"
        with pytest.raises(Unavailable):
            await exchange("127.0.0.1", port, written(A08, LIU), within_s=10)


def sent_by_python_hl7(port: int, message: str) -> str:
    with hl7.client.MLLPClient("127.0.0.1", port) as client:
        told: bytes = client.send_message(message)
    return told.decode().strip("\x0b\x1c\r") + "\r"


async def test_is_understood_by_foreign_programs(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    good = written(A08, LIU).decode()
    bad = good.replace("|F|", "|X|").replace("|1|P|", "|2|P|")
    order = written(
        "ORM^O01^ORM_O01", LIU, "ORC|NW|P1", "OBR|1|P1||EX-CT-HEAD", number="3"
    ).decode()
    async with opened(door) as port:
        told = [
            await asyncio.to_thread(sent_by_python_hl7, port, one) for one in (good, bad, order)
        ]
    codes = [str(hl7.parse(one).segment("MSA")[1]) for one in told]
    assert codes == ["AA", "AE", "AA"]
    read = [hl7apy.parser.parse_message(one, find_groups=False) for one in told]
    assert [one.msa.msa_2.value for one in read] == ["1", "2", "3"]
    assert read[1].err.err_3.err_3_1.value == "103"
    assert read[1].err.err_2.value == "PID^1^8"
    assert read[2].orc.orc_1.value == "OK"


SAMPLES = {
    "ADT-A01-01": "AA",
    "ADT-A04-01": "AA",
    "ADT-A08-01": "AA",
    "ADT01-23": "AA",
    "ADT04-251": "AA",
    "ORM-O01-01": "AE 103",
    "ORM-O01-02": "AE 103",
    "LAB-ORM-1": "AE 103",
    "sample_unix": "AR 102",
    "sample_win": "AR 102",
    "ADT-A40-01": "",
}
"""What each sample is answered, the others being of types this door does not take yet."""


async def test_answers_every_foreign_sample(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database, loopback=QINGSHAN)
    got = {}
    for path in sorted((need_shared_data() / "hl7v2").rglob("*.hl7")):
        told = [await _told(one) for one in await door.send(path.read_bytes())]
        got[path.stem] = " ".join(told)
    others = {name: told for name, told in got.items() if name not in SAMPLES}
    assert {name: got[name] for name in SAMPLES} == SAMPLES
    assert set(others.values()) <= {"AR 200", "AR 201", "CR 200", ""}


async def _told(answer: Message) -> str:
    """Return code and error of an answer, once a foreign program has read it, too."""
    await asyncio.to_thread(
        hl7apy.parser.parse_message,
        "\r".join(one.line for one in answer.segments) + "\r",
        find_groups=False,
    )
    err = answer.first("ERR")
    number = "" if err is None else (err.text(3) or err.text(1, 4))
    return f"{answer.segments[1].text(1)} {number}".strip()
