"""Who has a grant hears of the study while it is in force, and not when a stream resumes later."""

from functools import partial

from gateway.http.sse import may_be_given, visible
from imaging.access.grants import Grant, give, withdraw
from imaging.archive.model import STUDY_UPDATED
from kernel.events import Event, events_after
from kernel.identity import Principal, Role
from kernel.policy import Reason
from tests.access.looking import BAIHE, HOUR, QINGSHAN, patient_row, person
from tests.imaging.desk import Desk
from tests.imaging.sample import ct
from yilian.wiring.access import still_given


async def _hears(desk: Desk, who: Principal, event: Event) -> bool:
    """Tell what ``EventStreams`` decides."""
    if visible(who, event):
        return True
    if not may_be_given(who, event):
        return False
    at = desk.clock.now()
    return await desk.database.read(lambda conn: still_given(conn, who, event, at))


async def test_a_grant_is_heard_under_until_it_ends(desk: Desk) -> None:
    await desk.file(ct())
    now, row = desk.clock.now(), await patient_row(desk)
    grant = Grant(
        holder=BAIHE, reason=Reason.REFERRAL, given_by="r:1", patient=row, until=now + HOUR
    )
    await desk.database.write(partial(give, grant=grant, at=now))
    read = partial(events_after, after_id=0, topics=[STUDY_UPDATED])
    before, event = (await desk.database.read(read))[-2:]
    assert await _hears(desk, person(QINGSHAN), event)
    assert await _hears(desk, person(), event)
    assert not await _hears(desk, person(), before)
    assert not await _hears(desk, person("dahe"), event)
    assert not await _hears(desk, person(role=Role.MANAGER), event)
    desk.clock.advance(HOUR)
    assert not await _hears(desk, person(), event)


async def test_a_grant_that_was_withdrawn_is_not_heard_under_by_who_resumes(desk: Desk) -> None:
    await desk.file(ct())
    now, row = desk.clock.now(), await patient_row(desk)
    grant = Grant(holder=BAIHE, reason=Reason.REFERRAL, given_by="r:1", patient=row)
    await desk.database.write(partial(give, grant=grant, at=now))
    await desk.database.write(partial(withdraw, given_by="r:1", at=now))
    read = partial(events_after, after_id=0, topics=[STUDY_UPDATED])
    event = (await desk.database.read(read))[-1]
    assert not await _hears(desk, person(), event)
