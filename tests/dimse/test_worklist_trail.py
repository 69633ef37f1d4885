"""Who asked for the worklist stands in the trail before an entry leaves."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from gateway.dimse.attributes import Attributes, Message
from gateway.dimse.query_identifier import Query
from gateway.dimse.worklist_scp import MATCHED
from kernel.audit.access_log import Access, AccessLog
from kernel.audit.reading import TrailFilter, TrailLine, read_trail
from kernel.clock import FrozenClock
from kernel.errors import Unavailable
from kernel.sql.db import Database
from tests.commitment.desk import peer
from tests.dimse.worklists import Book
from yilian.wiring.worklist_trail import TracedWorklist

QUERY = Query.parse(Message({"PatientName": ""}), MATCHED)
START = dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)


async def asked(worklist: TracedWorklist) -> list[Attributes]:
    return [entry async for entry in worklist.find(QUERY, peer())]


async def test_a_device_that_asks_all_hour_is_one_row(database: Database) -> None:
    clock = FrozenClock(START)
    worklist = TracedWorklist(Book(), AccessLog(database, clock, chain="dicom-worklist"))
    for _ in range(5):
        assert len(await asked(worklist)) == 3
    lines = await database.read(_trail)
    assert [(line.username, line.subject, line.event) for line in lines] == [
        ("CT1", "worklist", "queried")
    ]
    clock.advance(dt.timedelta(hours=1))
    await asked(worklist)
    assert len(await database.read(_trail)) == 2


def _trail(conn: sa.Connection) -> list[TrailLine]:
    return read_trail(conn, TrailFilter(), before=None, limit=10)


class _NoTrail(AccessLog):
    async def saw(self, access: Access) -> None:
        raise Unavailable("no trail")


async def test_nothing_leaves_without_a_row(database: Database) -> None:
    book = Book()
    worklist = TracedWorklist(book, _NoTrail(database, FrozenClock(START), chain="none"))
    with pytest.raises(Unavailable):
        await asked(worklist)
    assert book.read == 0


async def test_whoever_stops_asking_closes_the_list(database: Database) -> None:
    book = Book()
    log = AccessLog(database, FrozenClock(START), chain="dicom-worklist")
    found: AsyncIterator[Attributes] = TracedWorklist(book, log).find(QUERY, peer())
    assert await anext(found)
    await found.aclose()  # type: ignore[attr-defined]  # the door does so where there is one
    assert book.closed == 1
