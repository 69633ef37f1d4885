"""A look is in the trail before the data leaves, and is written once."""

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import audit_counts, audit_entries, verify
from kernel.clock import FrozenClock
from kernel.errors import Unavailable
from kernel.identity import Principal, Role
from kernel.sql.db import Database

AT = dt.datetime(2025, 5, 12, 8, 0, tzinfo=dt.UTC)
DOCTOR = Principal("u1", "wang", "王", frozenset({Role.RADIOLOGIST}), "county")


def _look(study: str = "study:1.2.3", sign_in: str = "s1") -> Access:
    return Access(DOCTOR, study, "p1", "routed-here", sign_in=sign_in)


async def _trail(database: Database) -> list[tuple[str, int]]:
    query = (
        sa.select(audit_entries.c.subject, sa.func.coalesce(audit_counts.c.accesses, 0))
        .select_from(audit_entries.outerjoin(audit_counts))
        .order_by(audit_entries.c.number)
    )
    return [(row[0], row[1]) for row in await database.read(lambda conn: conn.execute(query).all())]


async def test_the_row_is_there_before_the_look_returns(database: Database) -> None:
    log = AccessLog(database, FrozenClock(AT), chain="gateway")
    await log.saw(_look())
    assert await _trail(database) == [("study:1.2.3", 0)]


async def test_later_looks_are_counted_into_the_first_row(database: Database) -> None:
    log = AccessLog(database, FrozenClock(AT), chain="gateway")
    for _ in range(2):
        await asyncio.gather(*(log.saw(_look()) for _ in range(50)))
    await log.flush()
    await log.saw(_look())
    await log.flush()
    assert await _trail(database) == [("study:1.2.3", 100)]
    assert await database.read(verify) == []


async def test_another_study_another_sign_in_and_another_hour_make_a_row_each(
    database: Database,
) -> None:
    clock = FrozenClock(AT)
    log = AccessLog(database, clock, chain="gateway")
    await log.saw(_look())
    await log.saw(_look("study:9"))
    await log.saw(_look(sign_in="s2"))
    clock.advance(dt.timedelta(hours=1))
    await log.saw(_look())
    assert len(await _trail(database)) == 4


async def test_many_at_once_share_commits_and_keep_one_chain(database: Database) -> None:
    log = AccessLog(database, FrozenClock(AT), chain="gateway")
    await asyncio.gather(*(log.saw(_look(f"study:{number}")) for number in range(60)))
    assert len(await _trail(database)) == 60
    assert await database.read(verify) == []


async def test_a_look_that_cannot_be_written_is_refused(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    log = AccessLog(database, FrozenClock(AT), chain="gateway")
    with pytest.raises(sa.exc.OperationalError):
        await log.saw(_look())  # no table
    await database.close()
    with pytest.raises(Unavailable):
        await log.saw(_look())


async def test_an_asker_that_goes_away_takes_nobody_with_it(database: Database) -> None:
    log = AccessLog(database, FrozenClock(AT), chain="gateway")
    gone = asyncio.ensure_future(log.saw(_look("study:1")))
    stays = asyncio.ensure_future(log.saw(_look("study:2")))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert ("study:2", 0) in await _trail(database)
