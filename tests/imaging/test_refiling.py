"""What was set aside is filed from the bytes the county kept, once, and its trail says so."""

import pytest
import sqlalchemy as sa

from imaging.archive import backlog
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined, Read, StoredObject, opaque
from imaging.archive.refiling import Refiled, Refiler, Refiling
from imaging.archive.tables import instance, set_aside, study
from kernel.audit.trail import audit_entries
from kernel.errors import Missing
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.sample import ROOT, arrival, ct

UID = f"{ROOT}.2.1.1"
CRUMBS = arrival(sop_instance_uid=UID, study_instance_uid=f"{ROOT}.2")


async def refuse(desk: Desk, uid: str = UID) -> None:
    """Let the database refuse the instance *uid*, and only it, for its own sake."""
    when = f"NEW.sop_instance_uid = '{uid}'"
    refusing = "CREATE TRIGGER refusing BEFORE INSERT ON instance"
    if desk.database.dialect == "sqlite":
        await run(desk, f"{refusing} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no'); END")
        return
    raises = "BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END"
    await run(
        desk,
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {raises} $$",
        f"{refusing} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()",
    )


async def take_it(desk: Desk) -> None:
    """Mend what made the database refuse it."""
    at = "" if desk.database.dialect == "sqlite" else " ON instance"
    await run(desk, f"DROP TRIGGER refusing{at}")


async def run(desk: Desk, *statements: str) -> None:
    def write(conn: sa.Connection) -> None:
        for each in statements:
            conn.exec_driver_sql(each)

    await desk.database.write(write)


def refiler(desk: Desk, examiner: Examiner | None = None) -> Refiler:
    reads = examiner or Examiner(decoder=HereDecoder(), charset_hint=lambda _: "")
    return Refiler(desk.database, desk.objects, reads, desk.clock, chain="command-line")


async def tried(desk: Desk, which: str = "") -> list[tuple[Refiling, str]]:
    return [(one.outcome, one.reason) for one in await refiler(desk).file_again(which)]


async def counted(desk: Desk) -> tuple[int, int, int]:
    """Return instances, how often any of them came twice, and what is set aside."""
    kept = await desk.rows(sa.select(instance.c.duplicate_count))
    left = await desk.rows(sa.select(set_aside.c.id))
    return len(kept), sum(row["duplicate_count"] for row in kept), len(left)


async def outcomes(desk: Desk) -> list[str]:
    """Return what the trail says of the tries."""
    rows = await desk.rows(sa.select(audit_entries.c.detail).order_by(audit_entries.c.id))
    told = [row["detail"] for row in rows]
    return [each["outcome"] for each in told if each.get("act") == "retry-aside"]


async def test_what_the_database_refused_is_filed_from_what_is_here_once(desk: Desk) -> None:
    await refuse(desk)
    await desk.file(ct(1), ct(1, study=2), told=CRUMBS)
    assert await counted(desk) == (1, 0, 1)
    [(outcome, reason)] = await tried(desk, UID)
    assert (outcome, reason.split()[0]) == (Refiling.REFUSED, "IntegrityError")
    assert await counted(desk) == (1, 0, 1)
    await take_it(desk)
    assert await tried(desk, UID) == [(Refiling.FILED, "stored")]
    assert await counted(desk) == (2, 0, 0)
    assert (await desk.database.read(backlog.aside_counts)).total == 0
    (row,) = await desk.rows(sa.select(instance).where(instance.c.sop_instance_uid == UID))
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(1, study=2)
    assert await tried(desk, UID) == [(Refiling.FILED_BEFORE, "")]
    assert await tried(desk) == []
    assert await counted(desk) == (2, 0, 0)
    assert (await outcomes(desk))[-1] == "filed"
    grown = await desk.rows(sa.select(study.c.instance_count))
    assert [each["instance_count"] for each in grown] == [1, 1]


async def test_two_rows_of_one_content_are_one_instance_and_no_duplicate(desk: Desk) -> None:
    await refuse(desk)
    await desk.file(ct(1, study=2), ct(1, study=2), told=CRUMBS)
    assert await counted(desk) == (0, 0, 2)
    await take_it(desk)
    told = [outcome for outcome, _ in await tried(desk)]
    assert told == [Refiling.FILED, Refiling.FILED_BEFORE]
    assert await counted(desk) == (1, 0, 0)


async def test_what_nobody_can_read_and_what_was_lost_stay_aside(desk: Desk) -> None:
    await desk.file(ct(1), ct(2)[:-50])
    [one] = await refiler(desk).file_again("1")
    assert (one.outcome, one.reason) == (Refiling.UNREADABLE, "truncated")
    await desk.database.write(lambda conn: conn.execute(sa.update(set_aside).values(object_key="")))
    assert await tried(desk) == [(Refiling.LOST, "truncated")]
    assert await counted(desk) == (1, 0, 1)
    assert await outcomes(desk) == ["unreadable", "lost"]
    with pytest.raises(Missing):
        await tried(desk, "1.2.3")


class Younger(Examiner):
    """A program that cannot read an object yet."""

    def examine(self, stored: StoredObject) -> Read:
        return opaque(stored, CRUMBS, reason="not-examined", detail="KeyError")


async def test_a_newer_program_files_what_an_older_one_could_not_read(desk: Desk) -> None:
    desk.filer._examiner = Younger(decoder=HereDecoder(), charset_hint=lambda _: "")
    await desk.file(ct(1, study=2), told=CRUMBS)
    assert await counted(desk) == (0, 0, 1)
    [one] = await refiler(desk).file_again()
    assert one == Refiled(1, UID, Refiling.FILED, "stored")
    (row,) = await desk.rows(sa.select(instance))
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(1, study=2)


class Stumbling(Examiner):
    """A program with a fault that one object brings out."""

    def examine(self, stored: StoredObject) -> Read:
        read = super().examine(stored)
        if isinstance(read[0], Examined) and read[0].header.sop_instance_uid == UID:
            raise MemoryError
        return read


async def test_what_one_object_brings_out_or_the_disk_lost_stops_no_other(desk: Desk) -> None:
    desk.filer._examiner = Younger(decoder=HereDecoder(), charset_hint=lambda _: "")
    await desk.file(ct(1), told=CRUMBS)
    [lost] = desk.object_files()
    await desk.file(ct(1, study=2), ct(2, study=2), told=CRUMBS)
    lost.unlink()
    stumbling = Stumbling(decoder=HereDecoder(), charset_hint=lambda _: "")
    told = await refiler(desk, stumbling).file_again()
    assert [(one.outcome, one.reason) for one in told] == [
        (Refiling.LOST, "not-examined"),
        (Refiling.UNREADABLE, "MemoryError"),
        (Refiling.FILED, "stored"),
    ]
