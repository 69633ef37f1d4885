"""The emergency look: one person, one patient, one hour, said why, looked into afterwards."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.access.emergency import OPENED, Asker, EmergencyDesk
from imaging.access.lookers import Trails
from imaging.access.model import (
    AlreadyReviewed,
    EmergencyRequest,
    LookMissing,
    NobodyFound,
    NotOne,
    NumberKind,
    OwnLook,
    ReviewRequest,
    TooManyTries,
    Verdict,
    WithinReach,
)
from imaging.access.store import count_waiting, lasting_looks, watched_looks
from imaging.archive.locate import find_study
from imaging.patients.model import PatientIdentity
from kernel.audit.access_log import EMERGENCY, Access, AccessLog
from kernel.audit.trail import AuditEvent, audit_entries
from kernel.errors import Forbidden, Invalid
from kernel.events import events_after
from kernel.identity import ADMINISTRATORS, Principal, Role
from kernel.policy import Reason, reach
from tests.access.looking import (
    HOUR,
    NUMBER,
    QINGSHAN,
    finds,
    machine,
    person,
    reason_of,
)
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct

WHY = "昏迷送来急诊要看既往头颅CT"
OFFICER = person("county", name="shen", role=Role.PRIVACY_OFFICER)


@dataclass
class House:
    desk: Desk
    log: AccessLog
    emergency: EmergencyDesk
    register: dict[str, Sequence[PatientIdentity]] = field(default_factory=dict)

    async def open(self, who: Principal, number: str = NUMBER, **told: str) -> int:
        asked = {"kind": "patient-id", "institution": QINGSHAN, "why": WHY} | told
        request = EmergencyRequest(
            kind=NumberKind(asked["kind"]),
            number=number,
            institution=asked["institution"],
            why=asked["why"],
        )
        return (await self.emergency.open(Asker(who), request)).id

    async def trail(self) -> list[tuple[str, int, str, str]]:
        columns = audit_entries.c
        query = sa.select(columns.event, columns.outcome, columns.username, columns.reason)
        rows = await self.desk.rows(query.order_by(columns.id))
        return [(row["event"], row["outcome"], row["username"], row["reason"]) for row in rows]


@pytest_asyncio.fixture
async def house(sqlite_desk: Desk) -> AsyncIterator[House]:
    log = AccessLog(sqlite_desk.database, sqlite_desk.clock, chain="test")
    register: dict[str, Sequence[PatientIdentity]] = {}
    emergency = EmergencyDesk(
        sqlite_desk.database,
        log,
        sqlite_desk.clock,
        registered=lambda _, number: register.get(number, ()),
        centre="county",
    )
    await sqlite_desk.file(ct())
    yield House(sqlite_desk, log, emergency, register)


async def test_it_opens_one_patient_to_one_person_for_an_hour(house: House) -> None:
    who = person()
    await house.desk.file(ct(study=2), ct(study=3, PatientID="P-3"))
    await house.open(who)
    assert await finds(house.desk, who, 2)
    assert await reason_of(house.desk, who, 1) == Reason.BREAK_GLASS
    assert await reason_of(house.desk, who, 3) == ""
    assert not await finds(house.desk, person(name="other"))
    house.desk.clock.advance(HOUR)
    assert not await finds(house.desk, who)


async def test_it_can_be_ended_before_by_who_opened_it_and_by_nobody_else(house: House) -> None:
    who = person()
    number = await house.open(who)
    with pytest.raises(LookMissing):
        await house.emergency.end(Asker(person(name="other")), number)
    await house.emergency.end(Asker(who), number)
    await house.emergency.end(Asker(who), number)
    assert not await finds(house.desk, who)
    now = house.desk.clock.now()
    assert await house.desk.database.read(partial(lasting_looks, user_id="u-wu", at=now)) == []


@pytest.mark.parametrize("role", sorted(ADMINISTRATORS | {Role.MANAGER, Role.PRIVACY_OFFICER}))
async def test_who_treats_nobody_opens_nobody(house: House, role: Role) -> None:
    with pytest.raises(Forbidden):
        await house.open(person(role=role))


async def test_a_machine_opens_nobody(house: House) -> None:
    with pytest.raises(Forbidden):
        await house.open(machine())


@pytest.mark.parametrize(
    ("why", "code"),
    [
        pytest.param("急诊要看的片子啊啊", "reason-too-short", id="nine"),
        pytest.param("急诊          看", "reason-too-short", id="blanks-count-once"),
        pytest.param("急" * 501, "invalid-reason", id="too-long"),
        pytest.param("急" * 10 + "\x07", "invalid-reason", id="control"),
    ],
)
async def test_the_reason_is_said_in_ten_characters_or_more(
    house: House, why: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await house.open(person(), why=why)
    assert refused.value.code == code
    await house.open(person(), why="急" * 10)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (NUMBER[:-1], {}),
        (NUMBER, {"institution": "dahe"}),
        ("张三", {}),
        ("A0000", {"kind": "accession-number"}),
        ("990000194912310029", {"kind": "resident-id"}),
    ],
)
async def test_only_an_exact_number_of_that_house_finds(
    house: House, number: str, told: dict[str, str]
) -> None:
    with pytest.raises(NobodyFound):
        await house.open(person(), number, **told)
    assert (await house.trail())[-1] == (AuditEvent.EMERGENCY_OPENED, 4, "wu", Reason.BREAK_GLASS)


async def test_an_accession_number_and_a_resident_number_find_as_well(house: House) -> None:
    await house.open(person(name="a"), "A00001", kind="accession-number")
    assert await finds(house.desk, person(name="a"))
    # The sample's Patient ID is a resident number.
    await house.open(person(name="b"), NUMBER, kind="resident-id", institution="")
    assert await finds(house.desk, person(name="b"))
    await house.desk.file(ct(study=5, PatientID="Q-5"))
    house.register["99000019491231002X"] = [PatientIdentity("Q-5", "", QINGSHAN)]
    await house.open(person(name="c"), "99000019491231002x", kind="resident-id", institution="")
    assert await reason_of(house.desk, person(name="c"), 5) == Reason.BREAK_GLASS


async def test_a_number_of_two_patients_opens_neither(house: House) -> None:
    await house.desk.file(ct(study=6, PatientID="P-6", AccessionNumber="A00001"))
    with pytest.raises(NotOne):
        await house.open(person(), "A00001", kind="accession-number")


async def test_who_may_see_the_patient_anyway_is_told_so(house: House) -> None:
    with pytest.raises(WithinReach) as told:
        await house.open(person(QINGSHAN))
    assert told.value.members == {"study": f"{ROOT}.1"}
    await house.open(person())
    with pytest.raises(WithinReach):
        await house.open(person())


async def test_who_tries_numbers_out_is_stopped_for_an_hour(house: House) -> None:
    for number in range(10):
        with pytest.raises(NobodyFound):
            await house.open(person(), f"P-{number}")
    with pytest.raises(TooManyTries):
        await house.open(person())
    await house.open(person(name="other"))
    house.desk.clock.advance(HOUR + dt.timedelta(seconds=1))
    await house.open(person())


async def test_those_who_watch_hear_of_it_without_a_patient_in_the_news(house: House) -> None:
    number = await house.open(person())
    (told,) = await house.desk.database.read(partial(events_after, after_id=0, topics=[OPENED]))
    assert told.institution == "baihe"
    assert told.routed_to == {QINGSHAN, "county"}
    assert told.payload == {"id": number, "username": "wu", "display_name": "wu"}


async def test_the_trail_has_it_and_every_look_under_it_says_why(house: House) -> None:
    who = person()
    await house.open(who)
    await house.log.saw(Access(who, f"study:{ROOT}.1", NUMBER, Reason.BREAK_GLASS))
    rows = await house.desk.rows(sa.select(audit_entries.c.detail, audit_entries.c.event))
    assert [row["event"] for row in rows] == [AuditEvent.EMERGENCY_OPENED, AuditEvent.STUDY_SEEN]
    assert all(row["detail"]["purpose_of_use"] == "BTG" for row in rows)
    assert Reason(EMERGENCY) is Reason.BREAK_GLASS


async def test_it_is_judged_once_by_somebody_who_watches_over_it(house: House) -> None:
    number = await house.open(person())
    said = ReviewRequest(verdict=Verdict.NOT_JUSTIFIED, note="不在场")
    stranger = person("dahe", name="x", role=Role.PRIVACY_OFFICER)
    with pytest.raises(LookMissing):
        await house.emergency.review(Asker(stranger), number, said)
    without = ReviewRequest(verdict=Verdict.NOT_JUSTIFIED)
    with pytest.raises(Invalid):
        await house.emergency.review(Asker(OFFICER), number, without)
    both = Principal("u-wu", "wu", "wu", frozenset({Role.PRIVACY_OFFICER, Role.DOCTOR}), "baihe")
    with pytest.raises(OwnLook):
        await house.emergency.review(Asker(both), number, said)
    look = await house.emergency.review(Asker(OFFICER), number, said)
    assert (look.verdict, look.note, look.reviewed_by) == ("not-justified", "不在场", "shen")
    with pytest.raises(AlreadyReviewed):
        await house.emergency.review(Asker(OFFICER), number, said)


async def test_each_house_finds_its_own_and_its_patients_in_the_queue(house: House) -> None:
    number = await house.open(person())
    for code, seen in (("", [number]), ("baihe", [number]), (QINGSHAN, [number]), ("dahe", [])):
        listed = await house.desk.database.read(
            partial(watched_looks, house=code, waiting=True, before=None, limit=9)
        )
        assert [look.id for look in listed] == seen
        counted = await house.desk.database.read(partial(count_waiting, house=code))
        assert counted == len(seen)


async def test_who_looked_is_told_by_person_time_reason_and_how_often(house: House) -> None:
    who, own = person(), person(QINGSHAN, name="li")
    await house.open(who)
    for _ in range(3):
        await house.log.saw(Access(who, f"study:{ROOT}.1", NUMBER, Reason.BREAK_GLASS))
    await house.log.saw(Access(own, "patient:01", NUMBER, "own-institution"))
    await house.log.saw(Access(own, "study:9.9", "somebody", "own-institution"))
    await house.log.flush()
    asked = reach(person(QINGSHAN, role=Role.PRIVACY_OFFICER), at=house.desk.clock.now())

    def read(conn: sa.Connection) -> list[tuple[str, str, str, int]]:
        ref = find_study(conn, f"{ROOT}.1", asked)
        assert ref is not None
        trails = Trails(lambda *_: ["patient:01"], lambda *_: [])
        page = trails.of_study(conn, ref, asked, before=None, limit=10)
        return [(row.username, row.event, row.purpose, row.times) for row in page.items]

    assert await house.desk.database.read(read) == [
        ("li", "study-seen", "", 1),
        ("wu", "study-seen", "BTG", 3),
        ("wu", "emergency-opened", "BTG", 1),
    ]
