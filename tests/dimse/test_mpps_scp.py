"""Performed procedure steps as pynetdicom's SCU sends them, kept in a real database."""

import asyncio
import contextlib
import datetime as dt
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from gateway.dimse.acceptor import Door
from gateway.dimse.attributes import Attributes, Value, write_attributes
from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.mpps_scp import MppsScp
from gateway.dimse.ports import Peer, ProcedureSteps, StepAnswer
from gateway.dimse.sop_classes import PERFORMED_PROCEDURE_STEP
from gateway.procedure_steps import store
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import StepBook
from kernel.clock import FrozenClock
from kernel.errors import StorageFull
from kernel.identifiers import Uid
from kernel.sql.db import Database
from tests.dimse.doors import OUR_TITLE, MemorySink, open_door
from tests.dimse.peers import associated
from tests.dimse.wire_bytes import EXPLICIT_LE, IMPLICIT_LE, p_data, pdv
from tests.procedure_steps.steps import COMPLETION, CREATION, without

STEP = "2.25.990010"


def nobody(conn: sa.Connection, step: PerformedStep) -> None:
    del conn, step


@contextlib.asynccontextmanager
async def steps_door(steps: ProcedureSteps) -> AsyncIterator[Door]:
    services = {PERFORMED_PROCEDURE_STEP: MppsScp(steps)}
    async with open_door(MemorySink(), services=services) as door:
        yield door


def book(database: Database) -> StepBook:
    return StepBook(database, FrozenClock(dt.datetime(2026, 1, 5, tzinfo=dt.UTC)), nobody)


def as_dataset(attributes: Attributes, charset: str = "") -> Dataset:
    ds = Dataset()
    if charset:
        ds.SpecificCharacterSet = charset
    for keyword, value in attributes.items():
        setattr(ds, keyword, _as_pydicom(value))
    return ds


def _as_pydicom(value: Value) -> Any:
    return value if isinstance(value, str) else [as_dataset(item) for item in value]


@contextlib.contextmanager
def device(door: Door, *syntaxes: str) -> Any:
    host, port = door.addresses[0]
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
    ae.add_requested_context(PERFORMED_PROCEDURE_STEP, list(syntaxes) or None)
    assoc = ae.associate(host, port, ae_title=OUR_TITLE.value)
    assert assoc.is_established
    try:
        yield assoc
    finally:
        assoc.release()


def create(assoc: Association, attributes: Attributes, uid: str | None = STEP) -> Dataset:
    return assoc.send_n_create(as_dataset(attributes, "GB18030"), PERFORMED_PROCEDURE_STEP, uid)[0]


def change(assoc: Association, attributes: Attributes, uid: str = STEP) -> Dataset:
    return assoc.send_n_set(as_dataset(attributes), PERFORMED_PROCEDURE_STEP, uid)[0]


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
async def test_a_device_reports_what_it_does(database: Database, syntax: str) -> None:
    def work(door: Door) -> list[int]:
        with device(door, syntax) as assoc:
            return [create(assoc, CREATION).Status, change(assoc, COMPLETION).Status]

    async with steps_door(book(database)) as door:
        assert await asyncio.to_thread(work, door) == [0, 0]
    step = await database.read(lambda conn: store.find(conn, STEP))
    assert step is not None
    assert step.attributes["PatientName"] == "Zhang^San=张^三"
    assert step.institution == "test-township"
    assert len(list(step.instances())) == 3


async def test_a_change_after_completion_is_answered_as_the_standard_says(
    database: Database,
) -> None:
    def work(door: Door) -> Dataset:
        with device(door) as assoc:
            create(assoc, CREATION)
            change(assoc, COMPLETION)
            return change(assoc, COMPLETION)

    async with steps_door(book(database)) as door:
        answer = await asyncio.to_thread(work, door)
    assert answer.Status == 0x0110
    assert answer.ErrorComment == "Performed Procedure Step Object may no longer be updated"
    assert answer.ErrorID == 0xA710


async def test_refusals_say_what_they_are_about(database: Database) -> None:
    def work(door: Door) -> list[Dataset]:
        with device(door) as assoc:
            return [
                create(assoc, without(CREATION, "Modality")),
                change(assoc, COMPLETION),
                create(assoc, CREATION),
                create(assoc, CREATION),
                change(assoc, {**COMPLETION, "PerformedProcedureStepStatus": "SCHEDULED"}),
            ]

    async with steps_door(book(database)) as door:
        answers = await asyncio.to_thread(work, door)
    assert [answer.Status for answer in answers] == [0x0120, 0x0112, 0x0000, 0x0111, 0x0106]


async def test_a_step_without_a_uid_is_given_one(database: Database) -> None:
    def work(door: Door) -> Dataset:
        with device(door) as assoc:
            return create(assoc, CREATION, None)

    async with steps_door(book(database)) as door:
        answer = await asyncio.to_thread(work, door)
    assert answer.Status == 0


class _Full:
    async def create(self, uid: Uid, attributes: Attributes, peer: Peer) -> StepAnswer:
        raise StorageFull("no room")

    async def set(self, uid: Uid, modifications: Attributes, peer: Peer) -> StepAnswer:
        raise StorageFull("no room")


async def test_a_node_without_room_asks_for_it_again_later() -> None:
    def work(door: Door) -> Dataset:
        with device(door) as assoc:
            return create(assoc, CREATION)

    async with steps_door(_Full()) as door:
        answer = await asyncio.to_thread(work, door)
    assert answer.Status == 0x0213


def request(field: CommandField, uid: bytes) -> bytes:
    create = field is CommandField.N_CREATE_RQ
    return Command(
        field,
        {
            Element.AFFECTED_SOP_CLASS_UID
            if create
            else Element.REQUESTED_SOP_CLASS_UID: uid_bytes(PERFORMED_PROCEDURE_STEP),
            Element.AFFECTED_SOP_INSTANCE_UID
            if create
            else Element.REQUESTED_SOP_INSTANCE_UID: uid,
            Element.MESSAGE_ID: us_bytes(3),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
        },
    ).encode()


@pytest.mark.parametrize(
    ("field", "uid", "data", "status"),
    [
        pytest.param(CommandField.N_CREATE_RQ, b"nonsense", b"", 0x0117, id="uid-is-none"),
        pytest.param(CommandField.N_SET_RQ, b"", b"", 0x0117, id="set-without-uid"),
        pytest.param(CommandField.N_CREATE_RQ, b"1.2 ", b"\xff" * 9, 0x0110, id="garbage"),
        pytest.param(CommandField.N_SET_RQ, b"1.2 ", b"\xff" * 9, 0x0110, id="garbage-set"),
        pytest.param(CommandField.N_DELETE_RQ, b"1.2 ", b"", 0x0211, id="delete"),
        pytest.param(CommandField.C_FIND_RQ, b"1.2 ", b"", 0x0211, id="find"),
    ],
)
async def test_what_is_no_step_is_refused_and_the_association_goes_on(
    field: CommandField, uid: bytes, data: bytes, status: int
) -> None:
    async with (
        steps_door(_Full()) as door,
        associated(door.addresses[0], PERFORMED_PROCEDURE_STEP, IMPLICIT_LE) as scu,
    ):
        for _ in range(2):
            await scu.send(p_data(pdv(1, 3, request(field, uid))) + p_data(pdv(1, 2, data)))
            assert (await scu.answer()).status == status
        await scu.release()


async def test_what_is_missing_is_named_by_its_tags(database: Database) -> None:
    attributes = without(CREATION, "Modality", "PerformedProcedureStepID")
    async with (
        steps_door(book(database)) as door,
        associated(door.addresses[0], PERFORMED_PROCEDURE_STEP, IMPLICIT_LE) as scu,
    ):
        creation = request(CommandField.N_CREATE_RQ, uid_bytes(STEP))
        data = write_attributes(attributes, IMPLICIT_LE)
        await scu.send(p_data(pdv(1, 3, creation)) + p_data(pdv(1, 2, data)))
        _, body = await scu.pdu()
        answer = Command.decode(body[6:])
    assert answer.us(Element.STATUS) == 0x0120
    assert answer.values[Element.ATTRIBUTE_IDENTIFIER_LIST] == struct.pack(
        "<4H", 0x0008, 0x0060, 0x0040, 0x0253
    )
