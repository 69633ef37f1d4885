"""Registering and ordering at one node."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa

from kernel.arrival import Priority
from kernel.audit.trail import audit_entries, verify
from kernel.errors import Conflict, Forbidden, Invalid, Stale
from kernel.events import events_after, outbox
from kernel.idempotency import KeyReused
from kernel.identity import Role
from kernel.sql.db import Database
from referrals.orders.accession import NoAccessionNumbers
from referrals.orders.asked import NewOrder, NewPatient, OrderChanges, PatientChanges
from referrals.orders.gate import GateAnswer, GateAsks, Outcome
from referrals.orders.machine import Act, ActNotAllowed
from referrals.orders.model import (
    AlreadyRegistered,
    ExaminationMissing,
    InvalidRegistration,
    Order,
    OrderMissing,
    PatientMissing,
    PatientStatus,
    Sex,
    State,
    Temporary,
)
from referrals.orders.records import RecordKind
from referrals.orders.search import Narrow, list_orders, list_patients
from referrals.orders.tables import accession_claims, orders, patients, versions
from tests.databases import open_filled
from tests.orders.desk import AT, CHEST, COUNTY, HEAD, LIU, QINGSHAN, ask, by, open_desk, seen


async def test_a_patient_and_an_order_are_written_together(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    patient = await desk.find_patient(order.patient)
    assert (patient.name, patient.name_pinyin, patient.sex) == (
        "刘小凤",
        "Liu Xiaofeng",
        Sex.FEMALE,
    )
    assert patient.birth_date == dt.date(1985, 7, 2)
    assert order.accession_number == "QIN00000001"
    assert order.study_instance_uid.startswith("2.25.")
    assert order.state is State.ORDERED
    assert order.examination == HEAD
    assert not order.recognition_checked
    topics = [event.topic for event in await desk.read(lambda conn: events_after(conn, 0))]
    assert topics == ["patient.registered", "order.updated"]
    assert [letter.kind for letter in desk.letters] == ["patient", "order"]


async def test_every_write_is_in_the_trail_with_who_and_whom(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    patient = await desk.find_patient(order.patient)
    rows = await desk.read(
        lambda conn: conn.execute(
            sa.select(audit_entries.c.username, audit_entries.c.subject, audit_entries.c.patient)
        ).all()
    )
    assert [tuple(row) for row in rows] == [
        ("luoli", f"patient:{patient.id}", patient.patient_id),
        ("luoli", f"order:{order.id}", patient.patient_id),
    ]
    assert await desk.read(verify) == []


async def test_an_order_that_cannot_be_leaves_no_patient_behind(database: Database) -> None:
    desk = await open_desk(database)
    with pytest.raises(ExaminationMissing):
        await desk.order(LIU, NewOrder(examination="EX-NONE"))
    for table in (patients, orders, versions, accession_claims, outbox, audit_entries):
        assert await desk.count(table) == 0


async def test_asked_twice_it_is_done_once(database: Database) -> None:
    desk = await open_desk(database)
    key = ask(b"head")
    new = NewOrder(examination=HEAD.code)
    made = await asyncio.gather(*(desk.desk.order(by(), LIU, new, key) for _ in range(4)))
    assert len(set(made)) == 1
    assert await desk.count(orders) == 1
    other = type(key)(key.owner, key.key, "f" * 64)
    with pytest.raises(KeyReused):
        await desk.desk.order(by(), LIU, new, other)


async def test_whoever_has_not_seen_a_change_does_not_write_over_it(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    desk.clock.advance(dt.timedelta(minutes=4))
    urgent = OrderChanges(priority=Priority.URGENT)
    await desk.desk.change(by(username="lijing"), seen(order), urgent, ask())
    with pytest.raises(Stale) as stale:
        await desk.desk.change(by(), seen(order), OrderChanges(clinical_question="?"), ask())
    assert stale.value.members["changed"] == {
        "act": "change",
        "at": "2026-05-12T02:04:00Z",
        "by": "罗丽",
        "version": "2.qingshan",
    }


async def test_of_two_changes_at_once_one_is_told_that_it_came_too_late(
    database: Database,
) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    answers = await asyncio.gather(
        *(
            desk.desk.change(by(), seen(order), OrderChanges(clinical_question=text), ask())
            for text in ("跌倒", "头痛")
        ),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, Stale) for answer in answers) == [False, True]


async def test_an_order_goes_its_way_and_not_back(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    await desk.desk.move(by(), seen(order), Act.BEGIN, "", ask())
    begun = await desk.find_order(order.id)
    assert (begun.state, begun.performed_at) == (State.IN_PROGRESS, AT)
    with pytest.raises(ActNotAllowed) as refused:
        await desk.desk.move(by(), seen(order), Act.CANCEL, "走错了", ask())
    assert refused.value.members["state"] == "in-progress"
    assert refused.value.members["changed"]["act"] == "begin"
    await desk.desk.move(by(), seen(begun), Act.COMPLETE, "", ask())
    done = await desk.find_order(order.id)
    assert (done.state, done.ended_at) == (State.COMPLETED, AT)
    acts = [kept.change.act for kept in await desk.versions(RecordKind.ORDER, order.id)]
    assert acts == ["order", "begin", "complete"]


async def test_to_cancel_says_why(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    with pytest.raises(Invalid) as missing:
        await desk.desk.move(by(), seen(order), Act.CANCEL, " ", ask())
    assert missing.value.code == "reason-missing"
    await desk.desk.move(by(), seen(order), Act.CANCEL, "患者要求取消", ask())
    cancelled = await desk.find_order(order.id)
    assert (cancelled.state, cancelled.ended_reason) == (State.CANCELLED, "患者要求取消")


async def test_the_same_is_ordered_again_under_a_number_of_its_own(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    with pytest.raises(ActNotAllowed):
        await desk.desk.reorder(by(), seen(order), ask())
    await desk.desk.move(by(), seen(order), Act.CANCEL, "设备故障", ask())
    again = await desk.find_order(
        await desk.desk.reorder(by(), seen(await desk.find_order(order.id)), ask())
    )
    assert (again.replaces, again.patient, again.state) == (order.id, order.patient, State.ORDERED)
    assert again.accession_number != order.accession_number
    assert again.study_instance_uid != order.study_instance_uid


async def test_to_another_institution_nothing_is_there(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    stranger = by(institution=COUNTY)
    with pytest.raises(OrderMissing):
        await desk.desk.move(stranger, seen(order), Act.BEGIN, "", ask())
    with pytest.raises(PatientMissing):
        await desk.order(order.patient, who=stranger)
    patient = await desk.find_patient(order.patient)
    with pytest.raises(PatientMissing):
        await desk.desk.correct(stranger, seen(patient), PatientChanges(name="王"), ask())
    for typed in ("刘", "QIN", patient.patient_id):
        narrow = Narrow(institution=COUNTY, typed=typed, folded=typed.lower())
        assert not await desk.read(lambda conn, n=narrow: list_patients(conn, n, limit=9))  # type: ignore[misc]


@pytest.mark.parametrize("role", [Role.MANAGER, Role.RADIOLOGIST, Role.SYSTEM_ADMINISTRATOR])
async def test_other_roles_do_not_order(sqlite_url: str, role: Role) -> None:
    database = await open_filled(sqlite_url)
    desk = await open_desk(database)
    with pytest.raises(Forbidden):
        await desk.order(who=by(role))
    await database.close()


async def test_a_village_doctor_orders_and_does_not_register(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    village = by(Role.VILLAGE_DOCTOR, username="tianshui")
    again = await desk.order(order.patient, NewOrder(examination=CHEST.code), who=village)
    assert again.ordered_by == "tianshui"
    with pytest.raises(Forbidden):
        await desk.desk.register(village, LIU, ask())


async def test_a_number_is_one_patients(database: Database) -> None:
    desk = await open_desk(database)
    order = await desk.order()
    with pytest.raises(AlreadyRegistered) as taken:
        await desk.order(NewPatient(name="刘晓凤", resident_id=LIU.resident_id))
    assert taken.value.members == {"patient": order.patient, "field": "resident_id"}
    assert LIU.resident_id not in taken.value.detail


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (NewPatient(name=" "), "invalid-name"),
        (NewPatient(name="刘^小凤"), "invalid-name"),
        (NewPatient(name="刘", resident_id="990000198507020041"), "invalid-resident-id"),
        (NewPatient(name="刘", resident_id="1"), "invalid-resident-id"),
        (
            replace(LIU, sex=Sex.MALE),
            "resident-id-differs",
        ),
        (NewPatient(name="刘", phone="call me"), "invalid-phone"),
        (NewPatient(name="刘", patient_id="A\\B"), "invalid-patient-id"),
        (NewPatient(name="刘", birth_date=dt.date(2026, 5, 13)), "invalid-birth-date"),
        (NewPatient(name="刘", birth_date=dt.date(1850, 5, 13)), "invalid-birth-date"),
        (NewPatient(name="刘", temporary=Temporary()), "temporary-with-name"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(new: NewPatient, code: str) -> None:
    with pytest.raises(InvalidRegistration) as refused:
        new.checked(dt.date(2026, 5, 12))
    assert refused.value.code == code


async def test_an_unknown_patient_is_examined_at_once_and_known_later(database: Database) -> None:
    desk = await open_desk(database)
    unknown = NewPatient(
        sex=Sex.MALE, temporary=Temporary(estimated_age_years=45, marks="左臂纹身, 路边发现")
    )
    order = await desk.order(unknown, NewOrder(examination=HEAD.code, priority=Priority.EMERGENCY))
    somebody = await desk.find_patient(order.patient)
    assert somebody.name == "无名氏男 0512-1"
    second = await desk.find_patient((await desk.order(unknown)).patient)
    assert second.name == "无名氏男 0512-2"
    real = await desk.desk.register(by(), LIU, ask())
    await desk.desk.reconcile(by(), seen(somebody), real, ask())
    moved = await desk.find_order(order.id)
    assert (moved.patient, moved.first_patient) == (real, somebody.id)
    gone = await desk.find_patient(somebody.id)
    assert (gone.status, gone.reconciled_with) == (PatientStatus.RECONCILED, real)
    with pytest.raises(Conflict) as again:
        await desk.desk.reconcile(by(), seen(gone), real, ask())
    assert again.value.code == "not-temporary"
    with pytest.raises(Conflict) as no_more:
        await desk.order(somebody.id)
    assert no_more.value.code == "reconciled"


async def test_two_unknown_patients_are_not_made_one(database: Database) -> None:
    desk = await open_desk(database)
    unknown = NewPatient(temporary=Temporary())
    first, second = [await desk.desk.register(by(), unknown, ask()) for _ in range(2)]
    with pytest.raises(Conflict) as refused:
        await desk.desk.reconcile(by(), seen(await desk.find_patient(first)), second, ask())
    assert refused.value.code == "not-a-real-patient"


async def test_a_node_without_numbers_says_so_and_writes_nothing(database: Database) -> None:
    desk = await open_desk(database, node="dahe")
    await database.write(lambda conn: conn.execute(sa.text("DELETE FROM accession_blocks")))
    with pytest.raises(NoAccessionNumbers):
        await desk.order()
    assert await desk.count(patients) == 0


async def test_numbers_given_out_at_once_are_all_different(database: Database) -> None:
    desk = await open_desk(database)
    patient = await desk.desk.register(by(), LIU, ask())
    made = await asyncio.gather(*(desk.order(patient) for _ in range(12)))
    assert len({order.accession_number for order in made}) == 12


class AskingGate:
    """Knows a result of everybody's head."""

    def check(self, conn: sa.Connection, order: Order, now: dt.datetime) -> GateAnswer:
        del conn, now
        found = order.examination.code == HEAD.code
        return GateAnswer(Outcome.ASK, ("3天前已查",)) if found else GateAnswer(Outcome.ALLOW)


async def test_the_gate_is_asked_before_anything_is_written(database: Database) -> None:
    desk = await open_desk(database, gate=AskingGate())
    with pytest.raises(GateAsks) as asks:
        await desk.order()
    assert asks.value.members == {"reasons": ["3天前已查"]}
    assert await desk.count(patients) == 0
    chest = await desk.order(LIU, NewOrder(examination=CHEST.code))
    assert chest.recognition_checked


@pytest.mark.parametrize(
    "typed", ["刘", "小凤", "liu", "Liu Xiao", "LXF", "QIN00000001", "qin0000", "HIS-77", "刘 小"]
)
async def test_lists_are_searched_by_what_people_type(database: Database, typed: str) -> None:
    desk = await open_desk(database)
    order = await desk.order(NewPatient(name="刘小凤", patient_id="HIS-77"))
    await desk.order(NewPatient(name="马成功", patient_id="HIS-9"))
    narrow = Narrow(institution=QINGSHAN, typed=typed, folded=desk.ledger.spellings.folded(typed))
    found = await desk.read(lambda conn: list_orders(conn, narrow, limit=9, before=None))
    if typed == "qin0000":
        assert len(found) == 2
    else:
        assert [each.id for each in found] == [order.id]


async def test_a_list_of_a_day_holds_that_days_orders_in_legal_time(database: Database) -> None:
    desk = await open_desk(database)
    late = dt.datetime(2026, 5, 12, 15, 59, tzinfo=dt.UTC)
    today = await desk.order(LIU, NewOrder(examination=HEAD.code, scheduled_at=late))
    tomorrow = NewOrder(examination=HEAD.code, scheduled_at=late + dt.timedelta(minutes=1))
    await desk.order(today.patient, tomorrow)
    day = dt.date(2026, 5, 12)
    narrow = Narrow(institution=QINGSHAN, date_from=day, date_to=day)
    found = await desk.read(lambda conn: list_orders(conn, narrow, limit=9, before=None))
    assert [each.id for each in found] == [today.id]
