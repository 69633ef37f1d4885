"""What a grant opens is found by every way, and what has ended is found by none."""

import datetime as dt
from functools import partial

import pytest
import sqlalchemy as sa

from imaging.access.grants import Grant, give, sweep, withdraw
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.reach import give_to
from imaging.archive.tables import study_reach
from kernel.events import events_after, for_a_time
from kernel.identity import Role
from kernel.policy import GRANTED, Reason, person_holder
from tests.access.looking import (
    BAIHE,
    HOUR,
    QINGSHAN,
    finds,
    machine,
    patient_row,
    person,
    reason_of,
)
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct


async def _give(desk: Desk, **told: object) -> None:
    grant = Grant(**({"holder": BAIHE, "reason": Reason.REFERRAL, "given_by": "r:1"} | told))  # type: ignore[arg-type]
    await desk.database.write(partial(give, grant=grant, at=desk.clock.now()))


async def _withdraw(desk: Desk, given_by: str = "r:1") -> int:
    return await desk.database.write(partial(withdraw, given_by=given_by, at=desk.clock.now()))


async def test_a_grant_opens_a_patient_by_every_way_until_it_is_withdrawn(desk: Desk) -> None:
    await desk.file(ct())
    assert not await finds(desk, person())
    await _give(desk, patient=await patient_row(desk))
    for who in (person(), machine(), person(name="other")):
        assert await finds(desk, who)
        assert await reason_of(desk, who) == Reason.REFERRAL
    assert not await finds(desk, person("dahe"))
    assert await _withdraw(desk) == 1
    assert await _withdraw(desk) == 0
    assert not await finds(desk, person())


@pytest.mark.parametrize("reason", sorted(GRANTED))
async def test_every_reason_that_is_given_is_the_one_the_trail_gets(
    sqlite_desk: Desk, reason: Reason
) -> None:
    await sqlite_desk.file(ct())
    await _give(sqlite_desk, patient=await patient_row(sqlite_desk), reason=reason)
    assert await reason_of(sqlite_desk, person()) == reason


async def test_it_ends_by_itself_to_the_instant_and_needs_nobody_to_sweep(desk: Desk) -> None:
    await desk.file(ct())
    until = desk.clock.now() + HOUR
    await _give(desk, patient=await patient_row(desk), until=until)
    desk.clock.advance(HOUR - dt.timedelta(microseconds=1))
    assert await finds(desk, person())
    desk.clock.advance(dt.timedelta(microseconds=1))
    assert not await finds(desk, person())
    assert await desk.database.write(partial(sweep, at=desk.clock.now())) == 1
    assert await desk.database.write(partial(sweep, at=desk.clock.now())) == 0
    assert not await finds(desk, person())


async def test_one_persons_grant_is_nobody_elses(desk: Desk) -> None:
    await desk.file(ct())
    who = person()
    await _give(desk, patient=await patient_row(desk), holder=person_holder(who.user_id))
    assert await finds(desk, who)
    assert not await finds(desk, person(name="other"))
    assert not await finds(desk, machine())


async def test_a_study_that_comes_later_is_open_as_well_and_another_patients_is_not(
    desk: Desk,
) -> None:
    await desk.file(ct())
    await _give(desk, patient=await patient_row(desk))
    await desk.file(ct(study=2), ct(study=3, PatientID="P-3"))
    assert await finds(desk, person(), 2)
    found = [await reason_of(desk, person(), number) for number in (1, 2, 3)]
    assert found == [Reason.REFERRAL, Reason.REFERRAL, ""]


async def test_a_grant_of_one_study_opens_that_one(desk: Desk) -> None:
    await desk.file(ct(), ct(study=2))
    query = sa.select(study_reach.c.study).order_by(study_reach.c.study)
    first = (await desk.rows(query))[0]["study"]
    await _give(desk, study=first)
    assert [await reason_of(desk, person(), number) for number in (1, 2)] == [Reason.REFERRAL, ""]


async def test_of_two_grants_the_longer_is_in_force_and_each_is_withdrawn_by_itself(
    desk: Desk,
) -> None:
    await desk.file(ct())
    row, now = await patient_row(desk), desk.clock.now()
    await _give(desk, patient=row, until=now + HOUR)
    await _give(desk, patient=row, given_by="c:1", reason=Reason.CONSULTATION, until=now + 2 * HOUR)
    assert await reason_of(desk, person()) == Reason.CONSULTATION
    await _withdraw(desk, "c:1")
    assert await reason_of(desk, person()) == Reason.REFERRAL
    desk.clock.advance(HOUR)
    assert await reason_of(desk, person()) == ""


async def test_what_is_routed_stays_whatever_grants_come_and_go(desk: Desk) -> None:
    await desk.file(ct())
    row, now = await patient_row(desk), desk.clock.now()
    await _give(desk, patient=row, until=now + HOUR)
    route = partial(give_to, institutions=[BAIHE], rule="all", priority=None, at=now)
    await desk.database.write(lambda conn: route(conn, f"{ROOT}.1"))
    assert await reason_of(desk, person()) == Reason.ROUTED_HERE
    await _give(desk, patient=row, given_by="c:1")
    await _withdraw(desk)
    await _withdraw(desk, "c:1")
    desk.clock.advance(2 * HOUR)
    assert await finds(desk, person())
    assert await reason_of(desk, person(QINGSHAN)) == Reason.OWN_INSTITUTION


async def test_a_grant_lets_nobody_in_whose_role_reads_nothing(sqlite_desk: Desk) -> None:
    await sqlite_desk.file(ct())
    await _give(sqlite_desk, patient=await patient_row(sqlite_desk))
    assert await reason_of(sqlite_desk, person(role=Role.MANAGER)) == ""
    officer = person(role=Role.PRIVACY_OFFICER)
    assert await reason_of(sqlite_desk, officer) == Reason.NOT_THIS_ROLE


async def test_open_pages_hear_of_it_marked_as_for_a_time(sqlite_desk: Desk) -> None:
    await sqlite_desk.file(ct())
    await _give(sqlite_desk, patient=await patient_row(sqlite_desk))
    read = partial(events_after, after_id=0, topics=[STUDY_UPDATED])
    told = await sqlite_desk.database.read(read)
    assert told[-1].routed_to == {for_a_time(BAIHE)}


async def test_a_grant_is_of_one_thing_for_a_reason_that_is_given(sqlite_desk: Desk) -> None:
    await sqlite_desk.file(ct())
    row = await patient_row(sqlite_desk)
    for told in ({}, {"patient": row, "study": 1}, {"patient": row, "reason": Reason.ROUTED_HERE}):
        with pytest.raises(ValueError, match="a grant is of"):
            await _give(sqlite_desk, **told)
