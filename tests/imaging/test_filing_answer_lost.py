"""The database files a batch, and its answer is lost: the batch comes again and changes nothing."""

import datetime as dt
from collections.abc import Callable
from typing import TypeVar

import pytest
import sqlalchemy as sa

from imaging.archive.tables import instance, study
from kernel.errors import Unavailable
from kernel.events import events_after
from kernel.sql.db import Database
from tests.imaging.desk import Desk
from tests.imaging.sample import ct

T = TypeVar("T")


async def test_a_batch_whose_commit_was_not_heard_of_is_not_counted_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Database.write
    lost: list[object] = []

    async def deaf_once(self: Database, fn: Callable[[sa.Connection], T]) -> T:
        result = await told(self, fn)
        if not lost:
            lost.append(result)
            raise Unavailable("the line to the database broke after its commit")
        return result

    await desk.receive_together([ct(1), ct(2)])
    monkeypatch.setattr(Database, "write", deaf_once)
    assert await desk.filer.file_waiting() == 0
    desk.clock.advance(dt.timedelta(seconds=1))
    assert await desk.filer.file_waiting() == 2
    assert lost
    (row,) = await desk.rows(sa.select(study.c.instance_count, study.c.duplicate_count))
    assert (row["instance_count"], row["duplicate_count"]) == (2, 0)
    assert len(await desk.rows(sa.select(instance.c.id))) == 2
    assert len(await desk.database.read(lambda conn: events_after(conn, 0))) == 1
