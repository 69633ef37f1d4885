"""Storage commitment with pynetdicom as the device: asked, answered, called back."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu import P_DATA_TF

from gateway.commitment.callback import PeerCallback
from gateway.commitment.model import Verdict
from gateway.commitment.reporter import Reporter, ReporterSettings
from gateway.commitment.service import CommitmentBook, OpenLines
from gateway.dimse.acceptor import Door
from gateway.dimse.attributes import write_attributes
from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.commitment_messages import REFERENCES_MAX
from gateway.dimse.commitment_scp import CommitmentScp
from gateway.dimse.ports import CommitmentRequest, ReplyLine
from gateway.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from gateway.township.backoff import Backoff
from kernel.clock import SystemClock
from kernel.errors import StorageFull
from kernel.identity import (
    ApplicationEntity,
    Institution,
    InstitutionKind,
    put_ae,
    put_institution,
)
from kernel.journal.frames import Position
from kernel.process.owner import Owner
from kernel.process.wake import Wake
from kernel.sql.db import Database
from tests.commitment.desk import CT, Shelf, references
from tests.dimse.doors import HERE, OUR_TITLE, MemorySink, open_door, until
from tests.dimse.peers import associated
from tests.dimse.wire_bytes import IMPLICIT_LE, p_data, pdv

SETTINGS = ReporterSettings(backoff=Backoff(first_s=0.1, cap_s=0.2), idle_s=0.05)


@contextlib.asynccontextmanager
async def commitment_door(
    database: Database, shelf: Shelf, settings: ReporterSettings = SETTINGS
) -> AsyncIterator[Door]:
    """A node's whole commitment service on an ephemeral port."""
    clock, wake, lines = SystemClock(), Wake.local(), OpenLines()
    book = CommitmentBook(database, clock, mark=lambda: Position(1, 100), lines=lines, wake=wake)
    reporter = Reporter(
        database,
        clock,
        committed=shelf,
        callback=PeerCallback(database),
        lines=lines,
        wake=wake,
        chance=lambda: 0.5,
        settings=settings,
    )
    services = {STORAGE_COMMITMENT: CommitmentScp(book)}
    async with open_door(MemorySink(), services=services) as door, Owner(clock=clock) as owner:
        reporter.keep_by(owner)
        yield door


@dataclass
class Told:
    """What the device was told: event type and data set."""

    events: list[tuple[int | None, Dataset]] = field(default_factory=list)
    status: int = 0
    came: threading.Event = field(default_factory=threading.Event)

    def handle(self, event: evt.Event) -> tuple[int, None]:
        self.events.append((event.event_type, event.event_information))
        return self.status, None

    def answered(self, event: evt.Event) -> None:
        # A release asked for before the answer has gone out is a fault of the device.
        if self.events and isinstance(event.pdu, P_DATA_TF):
            self.came.set()

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self.handle), (evt.EVT_PDU_SENT, self.answered)]

    @property
    def committed(self) -> list[str]:
        ds = self.events[-1][1]
        return [item.ReferencedSOPInstanceUID for item in ds.get("ReferencedSOPSequence", [])]

    @property
    def failed(self) -> dict[str, int]:
        ds = self.events[-1][1]
        return {
            item.ReferencedSOPInstanceUID: item.FailureReason
            for item in ds.get("FailedSOPSequence", [])
        }


def question(*numbers: int, transaction: str = "2.25.990100") -> Dataset:
    ds = Dataset()
    ds.TransactionUID = transaction
    ds.ReferencedSOPSequence = []
    for reference in references(*numbers):
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class_uid
        item.ReferencedSOPInstanceUID = reference.sop_instance_uid
        ds.ReferencedSOPSequence.append(item)
    return ds


def ask(door: Door, ds: Dataset, told: Told | None = None, *, action: int = 1) -> int:
    """Ask as a device does; waits for the report on the same association where *told* is given."""
    host, port = door.addresses[0]
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
    ae.add_requested_context(STORAGE_COMMITMENT)
    handlers = told.handlers if told else []
    assoc = ae.associate(host, port, ae_title=OUR_TITLE.value, evt_handlers=handlers)
    assert assoc.is_established
    try:
        status, _ = assoc.send_n_action(ds, action, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
        if told is not None:
            assert told.came.wait(15)
        return int(status.Status)
    finally:
        assoc.release()


@contextlib.contextmanager
def listening_device(told: Told, *, roles: bool = True) -> Iterator[int]:
    """A device that takes reports on associations of ours; yields its port."""
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
    if roles:
        ae.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
    else:
        ae.add_supported_context(STORAGE_COMMITMENT)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=told.handlers)
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


async def know_device(database: Database, port: int) -> None:
    def write(conn: sa.Connection) -> None:
        now = SystemClock().now()
        put_institution(conn, Institution(HERE.value, "Test", InstitutionKind.TOWNSHIP), at=now)
        put_ae(conn, ApplicationEntity("CT1", HERE.value, "127.0.0.1", port), at=now)

    await database.write(write)


async def test_a_device_that_stays_is_told_on_its_own_association(database: Database) -> None:
    shelf, told = Shelf(), Told()
    shelf.put(Verdict.COMMITTED, 1, 2)
    async with commitment_door(database, shelf) as door:
        assert await asyncio.to_thread(ask, door, question(1, 2), told) == 0
    assert [kind for kind, _ in told.events] == [1]
    assert told.events[0][1].TransactionUID == "2.25.990100"
    assert told.committed == [one.sop_instance_uid for one in references(1, 2)]
    assert told.failed == {}


async def test_what_was_never_sent_is_no_such_instance(database: Database) -> None:
    shelf, told = Shelf(), Told()
    shelf.put(Verdict.COMMITTED, 1)
    shelf.put(Verdict.OTHER_CLASS, 2)
    async with commitment_door(database, shelf) as door:
        assert await asyncio.to_thread(ask, door, question(1, 2, 3), told) == 0
    assert [kind for kind, _ in told.events] == [2]
    assert told.committed == ["2.25.990201"]
    assert told.failed == {"2.25.990202": 0x0119, "2.25.990203": 0x0112}


@pytest.mark.parametrize("roles", [True, False], ids=["role-selection", "no-role-selection"])
async def test_a_device_that_left_is_called_back(database: Database, roles: bool) -> None:
    shelf, told = Shelf(), Told()
    shelf.put(Verdict.COMMITTED, 1)
    with listening_device(told, roles=roles) as port:
        await know_device(database, port)
        async with commitment_door(database, shelf) as door:
            assert await asyncio.to_thread(ask, door, question(1)) == 0
            await until(lambda: bool(told.events), within_s=20)
    assert told.committed == ["2.25.990201"]


async def test_a_device_that_is_off_is_told_when_it_is_back_also_after_a_restart(
    database: Database,
) -> None:
    shelf, told = Shelf(), Told()
    with listening_device(Told()) as port:
        await know_device(database, port)
    async with commitment_door(database, shelf) as door:
        shelf.put(Verdict.WAITING, 1)
        assert await asyncio.to_thread(ask, door, question(1)) == 0
        await until(lambda: shelf.looks > 2)
    shelf.put(Verdict.COMMITTED, 1)
    with listening_device(told) as port:
        await know_device(database, port)
        async with commitment_door(database, shelf):
            await until(lambda: bool(told.events), within_s=20)
    assert told.committed == ["2.25.990201"]


async def test_a_device_that_refuses_is_told_again(database: Database) -> None:
    shelf, told = Shelf(), Told(status=0x0110)
    shelf.put(Verdict.COMMITTED, 1)
    with listening_device(told) as port:
        await know_device(database, port)
        async with commitment_door(database, shelf) as door:
            assert await asyncio.to_thread(ask, door, question(1)) == 0
            await until(lambda: len(told.events) >= 2, within_s=20)
            told.status = 0
            count = len(told.events)
            await until(lambda: len(told.events) > count, within_s=20)


async def test_a_node_that_offers_itself_as_provider_is_no_provider_here(
    database: Database,
) -> None:
    def associate(door: Door) -> list[Any]:
        host, port = door.addresses[0]
        ae = AE(ae_title="PACS")
        ae.add_requested_context(STORAGE_COMMITMENT)
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        assoc = ae.associate(host, port, ae_title=OUR_TITLE.value, ext_neg=[role])
        accepted = list(assoc.accepted_contexts)
        if assoc.is_established:
            assoc.release()
        return accepted

    async with commitment_door(database, Shelf()) as door:
        assert await asyncio.to_thread(associate, door) == []


class _Book:
    """Takes requests, or is full."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.asked: list[CommitmentRequest] = []

    async def request(self, asked: CommitmentRequest, line: ReplyLine) -> None:
        assert line.is_open
        if self.full:
            raise StorageFull("no room")
        self.asked.append(asked)


@contextlib.asynccontextmanager
async def book_door(book: _Book) -> AsyncIterator[Door]:
    services = {STORAGE_COMMITMENT: CommitmentScp(book)}
    async with open_door(MemorySink(), services=services) as door:
        yield door


def _without(keyword: str) -> Dataset:
    ds = question(1)
    del ds[keyword]
    return ds


@pytest.mark.parametrize(
    ("ds", "action", "status"),
    [
        pytest.param(question(1), 2, 0x0123, id="no-such-action"),
        pytest.param(_without("TransactionUID"), 1, 0x0115, id="no-transaction"),
        pytest.param(_without("ReferencedSOPSequence"), 1, 0x0115, id="no-instances"),
        pytest.param(question(), 1, 0x0115, id="no-instance"),
        pytest.param(question(1, 1, 2), 1, 0x0000, id="one-instance-twice"),
    ],
)
async def test_a_question_that_is_none_is_refused(ds: Dataset, action: int, status: int) -> None:
    def work(door: Door) -> int:
        return ask(door, ds, action=action)

    book = _Book()
    async with book_door(book) as door:
        assert await asyncio.to_thread(work, door) == status
    assert [one.references for one in book.asked] == ([references(1, 2)] if not status else [])


async def test_a_node_without_room_asks_to_be_asked_later() -> None:
    async with book_door(_Book(full=True)) as door:
        assert await asyncio.to_thread(ask, door, question(1)) == 0x0213


async def test_too_many_instances_are_refused_before_any_is_kept() -> None:
    book = _Book()
    many = question(*range(REFERENCES_MAX + 1))
    async with book_door(book) as door:
        assert await asyncio.to_thread(ask, door, many) == 0x0213
    assert book.asked == []


BAD_UID = write_attributes(
    {
        "TransactionUID": "2.25.990100",
        "ReferencedSOPSequence": (
            {"ReferencedSOPClassUID": CT, "ReferencedSOPInstanceUID": "1.2.x"},
        ),
    },
    IMPLICIT_LE,
)


def action_rq(
    *, sop_class: str = STORAGE_COMMITMENT, instance: str = STORAGE_COMMITMENT_INSTANCE
) -> Command:
    return Command(
        CommandField.N_ACTION_RQ,
        {
            Element.REQUESTED_SOP_CLASS_UID: uid_bytes(sop_class),
            Element.REQUESTED_SOP_INSTANCE_UID: uid_bytes(instance),
            Element.MESSAGE_ID: us_bytes(9),
            Element.ACTION_TYPE_ID: us_bytes(1),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
        },
    )


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        pytest.param(action_rq(), b"\xff" * 30, 0x0115, id="garbage"),
        pytest.param(action_rq(), b"", 0x0115, id="empty"),
        pytest.param(action_rq(), BAD_UID, 0x0115, id="bad-uid"),
        pytest.param(action_rq(), BAD_UID * 50_000, 0x0213, id="over-long"),
        pytest.param(action_rq(instance="1.2.3"), b"", 0x0112, id="another-instance"),
        pytest.param(action_rq(sop_class=CT), b"", 0x0118, id="another-class"),
    ],
)
async def test_broken_requests_are_refused_and_the_association_goes_on(
    command: Command, data: bytes, status: int
) -> None:
    async with (
        book_door(_Book()) as door,
        associated(door.addresses[0], STORAGE_COMMITMENT, IMPLICIT_LE) as scu,
    ):
        for _ in range(2):
            pieces = [data[at : at + 100_000] for at in range(0, len(data), 100_000)] or [b""]
            await scu.send(p_data(pdv(1, 3, command.encode())))
            for piece in pieces[:-1]:
                await scu.send(p_data(pdv(1, 0, piece)))
            await scu.send(p_data(pdv(1, 2, pieces[-1])))
            assert (await scu.answer()).status == status
        await scu.release()


@pytest.mark.parametrize("answered", [False, True], ids=["unasked", "twice"])
async def test_an_answer_to_a_report_never_made_ends_only_that_association(
    answered: bool,
) -> None:
    reply = Command(
        CommandField.N_EVENT_REPORT_RSP,
        {
            Element.MESSAGE_ID_BEING_RESPONDED_TO: us_bytes(1),
            Element.STATUS: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(0x0101),
        },
    ).encode()
    async with (
        book_door(_Book()) as door,
        associated(door.addresses[0], STORAGE_COMMITMENT, IMPLICIT_LE) as scu,
    ):
        await scu.send(p_data(pdv(1, 3, reply)) * (2 if answered else 1))
        assert (await scu.closed())[:1] == b"\x07"
