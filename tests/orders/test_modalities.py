"""A modality asks for its worklist, performs, and the order follows: over DICOM, as devices do."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from gateway.dimse.acceptor import Door
from gateway.dimse.access import PeerTable
from gateway.dimse.mpps_scp import MppsScp
from gateway.dimse.service import Services
from gateway.dimse.sop_classes import MODALITY_WORKLIST, PERFORMED_PROCEDURE_STEP
from gateway.dimse.worklist_scp import WorklistScp
from gateway.procedure_steps.service import StepBook
from kernel.arrival import Priority
from kernel.events import events_after, publish
from kernel.identifiers import AETitle, InstitutionCode
from kernel.sql.db import Database
from referrals.orders.arrivals import ArrivalWatch
from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.machine import Act
from referrals.orders.model import Order, Sex, State, Temporary
from referrals.orders.records import RecordKind
from referrals.orders.worklist import KEEP_FOR, person_name
from tests.dimse.doors import MemorySink, open_door
from tests.dimse.test_mpps_scp import as_dataset
from tests.orders.desk import AT, CHEST, COUNTY, HEAD, LIU, QINGSHAN, Desk, ask, by, open_desk, seen
from tests.procedure_steps.steps import COMPLETION, CREATION, DISCONTINUATION, without
from yilian.wiring.orders import archived_study
from yilian.wiring.orders_dimse import OrderWorklist, steps_to_orders

OURS = AETitle("YILIAN")


@pytest_asyncio.fixture
async def desk(database: Database) -> Desk:
    return await open_desk(database)


@contextlib.asynccontextmanager
async def dicom_door(desk: Desk, institution: str = QINGSHAN) -> AsyncIterator[Door]:
    noted = steps_to_orders(desk.ledger, desk.clock)
    services: Services = {
        MODALITY_WORKLIST: WorklistScp(OrderWorklist(desk.database, desk.clock)),
        PERFORMED_PROCEDURE_STEP: MppsScp(StepBook(desk.database, desk.clock, noted)),
    }
    peers = PeerTable(OURS, [], loopback=InstitutionCode(institution))
    async with open_door(MemorySink(), peers=peers, services=services) as door:
        yield door


@contextlib.contextmanager
def device(door: Door, sop_class: str, title: str = "CT1") -> Iterator[Association]:
    host, port = door.addresses[0]
    ae = AE(ae_title=title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
    ae.add_requested_context(sop_class)
    assoc = ae.associate(host, port, ae_title=OURS.value)
    assert assoc.is_established
    try:
        yield assoc
    finally:
        assoc.release()


def question(**keys: str) -> Dataset:
    ds, step = Dataset(), Dataset()
    ds.SpecificCharacterSet = "GB18030"
    for keyword in ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate"):
        setattr(step, keyword, keys.pop(keyword, ""))
    step.ScheduledProcedureStepStatus = step.ScheduledProcedureStepStartTime = ""
    for keyword in (
        "PatientName",
        "PatientID",
        "AccessionNumber",
        "StudyInstanceUID",
        "PatientAge",
    ):
        setattr(ds, keyword, keys.pop(keyword, ""))
    ds.RequestedProcedurePriority = ""
    ds.ScheduledProcedureStepSequence = [step]
    assert not keys
    return ds


async def listed(door: Door, title: str = "CT1", **keys: str) -> list[Dataset]:
    def find() -> list[Dataset]:
        with device(door, MODALITY_WORKLIST, title) as assoc:
            found = assoc.send_c_find(question(**keys), MODALITY_WORKLIST)
            answers = list(found)
        assert answers[-1][0].Status == 0
        return [ds for _, ds in answers if ds is not None]

    return await asyncio.to_thread(find)


def creation(order: Order, **more: Any) -> Dataset:
    item = {
        "StudyInstanceUID": order.study_instance_uid,
        "AccessionNumber": order.accession_number,
        "RequestedProcedureID": order.requested_procedure_id,
        "ScheduledProcedureStepID": order.scheduled_procedure_step_id,
    }
    said = without(CREATION, "PatientID", ScheduledStepAttributesSequence=(item,), **more)
    return as_dataset(said, "GB18030")


async def perform(door: Door, uid: str, created: Dataset | None, ended: Dataset | None) -> None:
    def send() -> None:
        with device(door, PERFORMED_PROCEDURE_STEP) as assoc:
            if created is not None:
                status = assoc.send_n_create(created, PERFORMED_PROCEDURE_STEP, uid)[0]
                assert status.Status == 0, status
            if ended is not None:
                status = assoc.send_n_set(ended, PERFORMED_PROCEDURE_STEP, uid)[0]
                assert status.Status == 0, status

    await asyncio.to_thread(send)


async def test_a_modality_finds_what_was_ordered_and_no_other_house_does(desk: Desk) -> None:
    order = await desk.order(LIU, NewOrder(examination=HEAD.code, priority=Priority.EMERGENCY))
    await desk.order(order.patient, NewOrder(examination=CHEST.code))
    async with dicom_door(desk) as door:
        (found,) = await listed(door, Modality="CT", ScheduledProcedureStepStartDate="20260512")
        assert len(await listed(door)) == 2
        assert await listed(door, Modality="MR") == []
        assert [ds.AccessionNumber for ds in await listed(door, PatientName="刘*")] == [
            "QIN00000001",
            "QIN00000002",
        ]
    assert str(found.PatientName) == "Liu^Xiaofeng=刘小凤"
    assert found.StudyInstanceUID == order.study_instance_uid
    assert found.AccessionNumber == order.accession_number
    assert found.RequestedProcedurePriority == "STAT"
    step = found.ScheduledProcedureStepSequence[0]
    assert (step.ScheduledStationAETitle, step.ScheduledProcedureStepStartTime) == ("CT1", "100000")
    async with dicom_door(desk, COUNTY) as elsewhere:
        assert await listed(elsewhere) == []


async def test_an_order_for_one_station_is_not_offered_to_another(desk: Desk) -> None:
    new = NewOrder(examination=HEAD.code, station_ae_title="CT2")
    order = await desk.order(LIU, new)
    anywhere = await desk.order(order.patient)
    async with dicom_door(desk) as door:
        ct1 = await listed(door, ScheduledStationAETitle="CT1")
        ct2 = await listed(door, "CT2", ScheduledStationAETitle="CT2")
    assert [ds.AccessionNumber for ds in ct1] == [anywhere.accession_number]
    assert {ds.AccessionNumber for ds in ct2} == {order.accession_number, anywhere.accession_number}


async def test_what_is_done_cancelled_or_long_past_is_on_no_worklist(desk: Desk) -> None:
    done = await desk.order()
    cancelled, old = [await desk.order(done.patient) for _ in range(2)]
    await desk.desk.move(by(), seen(done), Act.BEGIN, "", ask())
    async with dicom_door(desk) as door:
        begun = await listed(door, AccessionNumber=done.accession_number)
        assert begun[0].ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "STARTED"
        await desk.desk.move(by(), seen(await desk.find_order(done.id)), Act.COMPLETE, "", ask())
        await desk.desk.move(by(), seen(cancelled), Act.CANCEL, "走错", ask())
        assert [ds.AccessionNumber for ds in await listed(door)] == [old.accession_number]
        desk.clock.advance(KEEP_FOR + dt.timedelta(minutes=1))
        assert await listed(door) == []


async def test_somebody_unknown_has_an_age_on_the_worklist(desk: Desk) -> None:
    unknown = NewPatient(sex=Sex.MALE, temporary=Temporary(estimated_age_years=45))
    await desk.order(unknown)
    async with dicom_door(desk) as door:
        (found,) = await listed(door)
    assert str(found.PatientName) == "Wumingshi^Nan 0512-1=无名氏男 0512-1"
    assert found.PatientAge == "045Y"


async def test_more_than_a_page_comes_whole(desk: Desk) -> None:
    await desk.database.write(
        lambda conn: conn.exec_driver_sql("UPDATE accession_blocks SET last=999")
    )
    patient = await desk.desk.register(by(), LIU, ask())
    for number in range(130):
        at = AT + dt.timedelta(minutes=number // 3)
        await desk.order(patient, NewOrder(examination=HEAD.code, scheduled_at=at))
    async with dicom_door(desk) as door:
        found = [ds.AccessionNumber for ds in await listed(door)]
    assert len(found) == len(set(found)) == 130


async def test_the_order_begins_and_ends_with_the_modality(desk: Desk) -> None:
    order = await desk.order()
    async with dicom_door(desk) as door:
        await perform(door, "2.25.1", creation(order), None)
        assert (await desk.find_order(order.id)).state is State.IN_PROGRESS
        await perform(door, "2.25.1", None, as_dataset(COMPLETION))
    done = await desk.find_order(order.id)
    assert (done.state, done.performed_at, done.ended_at) == (State.COMPLETED, AT, AT)
    history = await desk.versions(RecordKind.ORDER, order.id)
    assert [kept.change.act for kept in history] == ["order", "begin", "complete"]
    assert history[1].change.by_username == ""


async def test_an_order_in_two_steps_ends_with_the_last(desk: Desk) -> None:
    order = await desk.order()
    async with dicom_door(desk) as door:
        await perform(door, "2.25.1", creation(order), None)
        await perform(door, "2.25.2", creation(order), as_dataset(DISCONTINUATION))
        assert (await desk.find_order(order.id)).state is State.IN_PROGRESS
        await perform(door, "2.25.1", None, as_dataset(COMPLETION))
    assert (await desk.find_order(order.id)).state is State.COMPLETED


async def test_what_is_broken_off_is_not_completed(desk: Desk) -> None:
    order = await desk.order()
    async with dicom_door(desk) as door:
        await perform(door, "2.25.1", creation(order), as_dataset(DISCONTINUATION))
    assert (await desk.find_order(order.id)).state is State.DISCONTINUED


async def test_another_patients_step_moves_nothing_and_is_told(desk: Desk) -> None:
    order = await desk.order()
    async with dicom_door(desk) as door:
        await perform(door, "2.25.1", creation(order, PatientID="SOMEBODY-ELSE"), None)
    assert (await desk.find_order(order.id)).state is State.ORDERED
    events = await desk.read(lambda conn: events_after(conn, 0, topics=["order.study-mismatch"]))
    assert [event.payload["reason"] for event in events] == ["other-patient"]


async def test_a_step_of_another_house_moves_nothing(desk: Desk) -> None:
    order = await desk.order()
    async with dicom_door(desk, COUNTY) as elsewhere:
        await perform(elsewhere, "2.25.1", creation(order), None)
    assert (await desk.find_order(order.id)).state is State.ORDERED


def study(order: Order, **other: str) -> dict[str, Any]:
    return {
        "study_instance_uid": other.get("uid", order.study_instance_uid),
        "accession_number": other.get("number", order.accession_number),
        "patient": {"patient_id": other.get("patient_id", "")},
    }


async def arrive(desk: Desk, payload: dict[str, Any], institution: str = QINGSHAN) -> None:
    await desk.database.write(
        lambda conn: publish(conn, "study.updated", payload, institution=institution, at=AT)
    )
    watch = ArrivalWatch(
        desk.database, desk.clock, desk.ledger, archived_study, topic="study.updated"
    )
    while await watch.note_new():
        pass


@pytest.mark.parametrize(
    ("other", "state"),
    [
        pytest.param({}, State.IN_PROGRESS, id="its-study"),
        pytest.param({"number": ""}, State.IN_PROGRESS, id="no-number"),
        pytest.param({"uid": "1.2.3"}, State.IN_PROGRESS, id="a-study-of-the-devices-own"),
        pytest.param({"uid": "1.2.3", "number": "X"}, State.ORDERED, id="neither"),
        pytest.param({"uid": "1.2.3", "number": ""}, State.ORDERED, id="nothing-to-go-by"),
        pytest.param({"uid": "1.2.3", "patient_id": "X"}, State.ORDERED, id="a-number-mistyped"),
    ],
)
async def test_the_first_image_begins_the_order_it_belongs_to(
    desk: Desk, other: dict[str, str], state: State
) -> None:
    order = await desk.order()
    await arrive(desk, study(order, **other))
    assert (await desk.find_order(order.id)).state is state


async def test_images_of_another_house_with_that_number_move_nothing(desk: Desk) -> None:
    order = await desk.order()
    await arrive(desk, study(order), COUNTY)
    assert (await desk.find_order(order.id)).state is State.ORDERED


async def test_a_study_that_grows_is_one_beginning(desk: Desk) -> None:
    order = await desk.order()
    for _ in range(5):
        await arrive(desk, study(order))
    assert (await desk.find_order(order.id)).version == 2


async def test_images_of_a_cancelled_order_are_told(desk: Desk) -> None:
    order = await desk.order()
    await desk.desk.move(by(), seen(order), Act.CANCEL, "走错", ask())
    await arrive(desk, study(order))
    assert (await desk.find_order(order.id)).state is State.CANCELLED
    events = await desk.read(lambda conn: events_after(conn, 0, topics=["order.study-mismatch"]))
    assert [event.payload["reason"] for event in events] == ["order-cancelled"]


@pytest.mark.parametrize(
    ("name", "latin", "written"),
    [
        ("刘小凤", "Liu Xiaofeng", "Liu^Xiaofeng=刘小凤"),
        ("John Smith", "John Smith", "John^Smith"),
        ("阿卜杜热伊木·阿卜杜热合曼", "Abudureyimu", "Abudureyimu=阿卜杜热伊木·阿卜杜热合曼"),
        ("刘小凤", "刘小凤", "=刘小凤"),
    ],
)
def test_a_name_is_told_in_letters_and_as_it_is_written(
    name: str, latin: str, written: str
) -> None:
    assert person_name(name, latin) == written
