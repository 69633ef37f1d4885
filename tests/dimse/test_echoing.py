"""Whether a device answers, and if not, what stands in the way."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from gateway.dimse.access import PeerTable
from gateway.dimse.echoing import DeviceEcho, EchoAnswer, Echoed, echo
from gateway.dimse.outgoing import Peer
from gateway.dimse.outgoing_association import CallTimes
from kernel.errors import Missing
from kernel.identifiers import AETitle
from kernel.identity import ApplicationEntity, Institution, InstitutionKind, put_ae, put_institution
from kernel.sql.db import Database
from tests.dimse.doors import OUR_TITLE, MemorySink, frozen, listening, open_door

QUICK = CallTimes(connect_s=5, associate_s=1, write_s=5, response_s=5, release_s=2)
ASKER = AETitle("ASKER")


def at(address: tuple[str, int], title: str = OUR_TITLE.value, *, tls: bool = False) -> Peer:
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
    return Peer(*address, AETitle(title), ASKER, tls=context)


@contextlib.asynccontextmanager
async def answering(said: bytes | None) -> AsyncIterator[tuple[str, int]]:
    """Something that is no DICOM: says *said* and hangs up, or with None says nothing for ever."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read(10)
            if said is None:
                while await reader.read(1000):
                    pass
            else:
                writer.write(said)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def test_a_device_that_answers_is_reached() -> None:
    async with open_door(MemorySink()) as door:
        assert await echo(at(door.addresses[0]), QUICK) == (EchoAnswer.REACHED, "")


async def test_a_refusal_says_whose_title_is_not_known() -> None:
    async with open_door(MemorySink()) as door:
        answer, _ = await echo(at(door.addresses[0], "ANOTHER"), QUICK)
        assert answer is EchoAnswer.CALLED_TITLE_REFUSED
    nobody = PeerTable(OUR_TITLE, [])
    async with open_door(MemorySink(), peers=nobody) as door:
        answer, detail = await echo(at(door.addresses[0]), QUICK)
        assert answer is EchoAnswer.CALLING_TITLE_REFUSED
        assert "rejected with result" in detail


async def test_what_is_wrong_below_dicom_is_told_apart() -> None:
    with contextlib.closing(listening()) as taken:
        closed = taken.getsockname()
    assert (await echo(at(closed), QUICK))[0] is EchoAnswer.NOBODY_LISTENS
    assert (await echo(at(("nowhere.invalid", 104)), QUICK))[0] is EchoAnswer.NAME_UNKNOWN
    async with answering(b"SSH-2.0-x\r\n") as address:
        assert (await echo(at(address), QUICK))[0] is EchoAnswer.NOT_DICOM
    async with answering(b"") as address:
        assert (await echo(at(address), QUICK))[0] is EchoAnswer.NOT_DICOM
    async with answering(None) as address:
        assert (await echo(at(address), QUICK))[0] is EchoAnswer.SILENT


async def test_tls_at_a_door_without_it_is_a_tls_fault() -> None:
    async with open_door(MemorySink()) as door:
        answer, _ = await echo(at(door.addresses[0], tls=True), QUICK)
        assert answer is EchoAnswer.TLS_FAULT


async def asked(database: Database, peer: ApplicationEntity) -> Echoed:
    def add(conn: sa.Connection) -> None:
        house = Institution("county", "县人民医院", InstitutionKind.COUNTY)
        put_institution(conn, house, at=frozen().now())
        put_ae(conn, peer, at=frozen().now())

    await database.write(add)
    return await DeviceEcho(database, ASKER, times=QUICK).ask(peer.ae_title)


async def test_only_devices_of_the_table_are_asked(database: Database) -> None:
    async with open_door(MemorySink()) as door:
        host, port = door.addresses[0][:2]
        echoed = await asked(database, ApplicationEntity(OUR_TITLE.value, "county", host, port))
        assert echoed.answer is EchoAnswer.REACHED
    with pytest.raises(Missing):
        await DeviceEcho(database, ASKER).ask("NOBODY")


@pytest.mark.parametrize(
    ("peer", "answer"),
    [
        (ApplicationEntity("CT01", "county", "10.0.0.0/24", 104), EchoAnswer.NO_ADDRESS),
        (ApplicationEntity("CT01", "county", "127.0.0.1"), EchoAnswer.NO_ADDRESS),
        (
            ApplicationEntity("CT01", "county", "127.0.0.1", 9, tls_required=True),
            EchoAnswer.NO_TLS_HERE,
        ),
    ],
)
async def test_what_the_table_lacks_is_said_without_a_call(
    database: Database, peer: ApplicationEntity, answer: EchoAnswer
) -> None:
    assert (await asked(database, peer)).answer is answer
