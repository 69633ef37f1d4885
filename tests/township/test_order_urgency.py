"""A study is as urgent as it was ordered, whichever comes first; a person's word stands."""

from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.dimse.access import PeerTable
from gateway.dimse.store_scp import JournalSink
from gateway.township import queue_acts
from gateway.township.line import LineMeter
from gateway.township.model import RANK
from gateway.township.order_urgency import OrderUrgencyWatch, raise_to_orders
from gateway.township.parcel_queue import next_waiting
from gateway.township.queue_news import QueueNews
from gateway.township.tables import studies
from kernel.arrival import Priority
from kernel.clock import SystemClock
from kernel.events import events_after
from kernel.identifiers import InstitutionCode
from kernel.sql.db import Database
from referrals.orders.asked import NewOrder
from referrals.orders.ledger import ORDER_UPDATED
from referrals.orders.machine import Act
from referrals.orders.model import Order
from tests.dimse.doors import OUR_TITLE, open_door as open_dicom_door
from tests.dimse.peers import SUCCESS, associated
from tests.orders.desk import HEAD, LIU, Desk, ask, by, open_desk, seen
from tests.township.node import ZONE, Node, arrival_of, node_in
from tests.township.test_stores import NOW, file, filed
from tests.uploads.dicom_files import CT, ct_slice
from yilian.wiring import tables
from yilian.wiring.urgency import order_names, ordered_urgency

tables.load()
pytestmark = pytest.mark.timeout(60)
NOT_ANYBODYS = "990000-1"
EMERGENCY = NewOrder(examination=HEAD.code, priority=Priority.EMERGENCY)


async def rank_of(database: Database, study: str) -> Priority:
    query = sa.select(studies.c.rank).where(studies.c.study_instance_uid == study)
    rank = await database.read(lambda conn: conn.execute(query).scalar_one())
    return next(each for each, number in RANK.items() if number == rank)


async def examined(desk: Desk, order: Order, number: int = 1) -> bytes:
    """An image a modality made that took the order from its worklist."""
    patient = await desk.find_patient(order.patient)
    return ct_slice(
        number,
        StudyInstanceUID=order.study_instance_uid,
        AccessionNumber=order.accession_number,
        PatientID=patient.patient_id,
    )


async def send(node: Node, *raws: bytes) -> None:
    """C-STORE *raws* at the node, as a modality of the house."""
    peers = PeerTable(OUR_TITLE, [], loopback=InstitutionCode("qingshan"))
    sink = JournalSink(node.journal, clock=SystemClock())
    async with (
        open_dicom_door(sink, peers=peers) as door,
        associated(door.addresses[0], CT) as scu,
    ):
        for raw in raws:
            told = arrival_of(raw)
            data, instance = raw[told.dataset_offset :], told.sop_instance_uid
            assert await scu.store(data, sop_class=CT, instance=instance) == SUCCESS
        await scu.release()


def watch_of(database: Database, raised: list[str]) -> OrderUrgencyWatch:
    news = QueueNews(database, LineMeter(), SystemClock(), institution="qingshan", zone=ZONE)
    return OrderUrgencyWatch(
        database,
        news,
        ordered_urgency,
        order_names,
        topic=ORDER_UPDATED,
        on_raised=lambda: raised.append("raised"),
    )


async def test_images_of_an_emergency_are_in_its_lane_without_a_hand(tmp_path: Path) -> None:
    async with node_in(tmp_path, urgency=ordered_urgency) as node:
        desk = await open_desk(node.database)
        urgent = await desk.order(LIU, EMERGENCY)
        calm = await desk.order(urgent.patient)
        await send(node, await examined(desk, urgent), await examined(desk, calm, 2))
        await node.until(waiting=2)
        assert await rank_of(node.database, urgent.study_instance_uid) is Priority.EMERGENCY
        assert await rank_of(node.database, calm.study_instance_uid) is Priority.ROUTINE
        # What the county is sent says it, too.
        [first] = await node.database.read(
            partial(
                next_waiting,
                study_key=urgent.study_instance_uid,
                parcel_bytes=1 << 20,
                now=NOW.at,
            )
        )
        assert first.arrival.priority is Priority.EMERGENCY


async def test_a_number_typed_for_another_patient_makes_nothing_urgent(tmp_path: Path) -> None:
    async with node_in(tmp_path, urgency=ordered_urgency) as node:
        desk = await open_desk(node.database)
        order = await desk.order(LIU, EMERGENCY)
        raw = ct_slice(1, AccessionNumber=order.accession_number, PatientID=NOT_ANYBODYS)
        await send(node, raw)
        await node.until(waiting=1)
        [study] = await node.database.read(
            lambda conn: list(conn.scalars(sa.select(studies.c.study_instance_uid)))
        )
        assert await rank_of(node.database, study) is Priority.ROUTINE


@pytest.fixture
def raised() -> list[str]:
    return []


async def test_an_order_that_comes_after_its_images_is_followed(
    database: Database, raised: list[str]
) -> None:
    desk, watch = await open_desk(database), watch_of(database, raised)
    await file(database, filed(1, study="2.25.7"))
    assert await watch.look() == 0
    number = sa.update(studies).values(accession_number="his-77")
    await database.write(lambda conn: conn.execute(number))
    new = NewOrder(examination=HEAD.code, priority=Priority.URGENT, accession_number="HIS-77")
    await desk.order(LIU, new)
    assert await watch.look() == 1
    assert await rank_of(database, "2.25.7") is Priority.URGENT
    assert raised == ["raised"]
    told = await database.read(partial(events_after, after_id=0, topics=["queue.updated"]))
    assert told[-1].payload["priority"] == "urgent"
    assert await watch.look() == 0


async def test_the_start_finds_what_was_ordered_while_nobody_watched(
    database: Database, raised: list[str]
) -> None:
    desk = await open_desk(database)
    order = await desk.order(LIU, EMERGENCY)
    await file(database, filed(1, study=order.study_instance_uid))
    assert await rank_of(database, order.study_instance_uid) is Priority.ROUTINE
    await watch_of(database, raised).look()
    assert await rank_of(database, order.study_instance_uid) is Priority.EMERGENCY


async def test_what_a_person_chose_stands_above_images_and_orders(
    database: Database, raised: list[str]
) -> None:
    desk, watch = await open_desk(database), watch_of(database, raised)
    await watch.look()
    order = await desk.order(LIU, EMERGENCY)
    key = order.study_instance_uid
    await file(database, filed(1, study=key))
    raising = partial(raise_to_orders, study_keys=[key], urgency=ordered_urgency)
    assert await database.write(raising) == [key]
    assert await database.write(raising) == []
    rank = RANK[Priority.BACKFILL]
    await database.write(partial(queue_acts.set_rank, study_key=key, rank=rank))
    await file(database, filed(2, study=key, priority=Priority.URGENT))
    assert await database.write(raising) == []
    await watch.look()
    assert await rank_of(database, key) is Priority.BACKFILL
    assert raised == []


async def test_a_cancelled_order_makes_nothing_urgent(
    database: Database, raised: list[str]
) -> None:
    desk = await open_desk(database)
    order = await desk.order(LIU, EMERGENCY)
    await desk.desk.move(by(), seen(order), Act.CANCEL, "重复", ask())
    await file(database, filed(1, study=order.study_instance_uid))
    await watch_of(database, raised).look()
    assert await rank_of(database, order.study_instance_uid) is Priority.ROUTINE
