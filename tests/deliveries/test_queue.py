"""The queue's rows, on both databases."""

import datetime as dt

import sqlalchemy as sa

from gateway.deliveries import acts, queue, standing, views
from gateway.deliveries.model import Contents, Step, Turn
from kernel.sql.db import Database

AT = dt.datetime(2026, 3, 5, 8, 30, tzinfo=dt.UTC)
EMERGENCY, ROUTINE = 0, 2


def study(*uids: str, priority: int = ROUTINE) -> Contents:
    return Contents("qingshan", priority, uids)


async def join(database: Database, to: str, uid: str, contents: Contents) -> int:
    return await database.write(
        lambda conn: queue.join(conn, to, uid, contents, rule="r", priority=None, at=AT)
    )


async def turn(database: Database, to: str = "dicom:A", *, at: dt.datetime = AT) -> Turn:
    taken = await database.write(lambda conn: queue.take_turn(conn, to, at, most=2))
    assert taken is not None
    return taken


async def test_studies_take_turns_and_an_emergency_goes_first(database: Database) -> None:
    await join(database, "dicom:A", "1", study("1.1", "1.2", "1.3"))
    await join(database, "dicom:A", "2", study("2.1"))
    first = await turn(database)
    await join(database, "dicom:A", "3", study("3.1", priority=EMERGENCY))
    rest = [await turn(database) for _ in range(3)]
    assert first.sop_instance_uids == ("1.1", "1.2")
    assert [one.sop_instance_uids for one in rest] == [("3.1",), ("2.1",), ("1.3",)]


async def test_what_comes_later_joins_once(database: Database) -> None:
    assert await join(database, "dicom:A", "1", study("1.1")) == 1
    assert await join(database, "dicom:A", "1", study("1.1")) == 0
    more = study("1.1", "1.2", priority=EMERGENCY)
    for added in (1, 0):
        found = await database.write(lambda conn: queue.grown(conn, "1", more, at=AT))
        assert found == added
    (line,) = await database.read(views.queue_lines)
    assert (line.pending, line.priority) == (2, "emergency")


async def test_a_sudden_end_puts_back_what_was_not_answered(database: Database) -> None:
    await join(database, "dicom:A", "1", study("1.1", "1.2"))
    taken = await turn(database)
    await database.write(
        lambda conn: queue.answered(conn, taken.delivery, "1.1", Step.TAKEN, AT, status=0)
    )
    await database.write(queue.recover)
    assert (await turn(database)).sop_instance_uids == ("1.2",)


async def test_what_broke_the_line_goes_after_the_others_and_alone(database: Database) -> None:
    await join(database, "dicom:A", "1", study("1.1", "1.2", "1.3"))
    later = AT + dt.timedelta(minutes=5)
    first = await turn(database)
    await database.write(
        lambda conn: queue.end_turn(conn, first, AT, failed="1.1", reason="x", not_before=later)
    )
    assert (await turn(database)).sop_instance_uids == ("1.2", "1.3")
    assert await database.write(lambda c: queue.take_turn(c, "dicom:A", AT, most=2)) is None
    again = await turn(database, at=later)
    assert (again.sop_instance_uids, again.again) == (("1.1",), True)


async def test_a_destination_that_waits_is_not_due_and_others_are(database: Database) -> None:
    for to in ("dicom:A", "dicom:B"):
        await join(database, to, "1", study("1.1"))
    later = AT + dt.timedelta(seconds=30)

    def fail(conn: sa.Connection) -> None:
        standing.failed(conn, "dicom:A", 1, "refused", later)

    await database.write(fail)
    assert await database.read(lambda conn: queue.due(conn, AT)) == ["dicom:B"]
    assert await database.read(lambda conn: queue.due(conn, later)) == ["dicom:A", "dicom:B"]
    waiting = await database.read(lambda conn: views.destination_lines(conn, ["dicom:A"], AT))
    assert (waiting[0].waits_for, waiting[0].next_try_at) == ("refused", later)
    assert waiting[1].waits_for == "no rule and no table names it any more"
    await database.write(lambda conn: acts.retry(conn, "dicom:A", AT))
    assert await database.read(lambda conn: queue.due(conn, AT)) == ["dicom:A", "dicom:B"]


async def test_people_set_aside_and_put_back(database: Database) -> None:
    await join(database, "dicom:A", "1", study("1.1", "1.2"))
    aside = await database.write(lambda conn: acts.set_aside(conn, "dicom:A", "1", AT, by="zhao"))
    assert aside == 2
    assert await database.read(lambda conn: queue.due(conn, AT)) == []
    lines = await database.read(views.set_aside_lines)
    assert {line.reason for line in lines} == {"by zhao"}
    assert await database.write(lambda conn: acts.retry(conn, "dicom:A", AT, study="1")) == 2
    assert len((await turn(database)).sop_instance_uids) == 2
