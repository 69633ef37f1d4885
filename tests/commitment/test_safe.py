"""What the spool, the receipts and the archive say of an instance."""

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.commitment.model import Verdict
from gateway.dimse.ports import Reference
from gateway.township import tables as township
from imaging.archive import tables as archive
from kernel.journal.frames import Position
from kernel.sql.db import Database
from tests.commitment.desk import CT, DX
from yilian.wiring.commitments import CountyCommitted, Safe, TownshipCommitted

AT = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
STUDY = "2.25.990301"


def spooled(conn: sa.Connection, *rows: tuple[str, str]) -> None:
    """Put instances (UID, state) into the spool's index."""
    conn.execute(
        sa.insert(township.studies).values(
            study_instance_uid=STUDY,
            institution="test-township",
            rank=2,
            first_received_at=AT,
            last_received_at=AT,
        )
    )
    for number, (uid, state) in enumerate(rows):
        conn.execute(
            sa.insert(township.instances).values(
                study_instance_uid=STUDY,
                series_instance_uid="2.25.990302",
                sop_instance_uid=uid,
                content=f"content-{number}",
                object_key=f"key-{number}",
                size_bytes=1,
                arrival={"sop_class_uid": CT},
                received_at=AT,
                state=state,
            )
        )


def look(conn: sa.Connection, safe: Safe, *references: Reference) -> list[Verdict]:
    return list(TownshipCommitted(safe).look(conn, references, "test-township"))


@pytest.mark.parametrize(
    ("states", "county", "spool"),
    [
        pytest.param([], Verdict.NOT_HERE, Verdict.NOT_HERE, id="never-sent"),
        pytest.param(["waiting"], Verdict.WAITING, Verdict.COMMITTED, id="in-the-spool"),
        pytest.param(["packed"], Verdict.WAITING, Verdict.COMMITTED, id="in-a-parcel"),
        pytest.param(["sent"], Verdict.WAITING, Verdict.COMMITTED, id="no-receipt-yet"),
        pytest.param(["at-county"], Verdict.COMMITTED, Verdict.COMMITTED, id="receipted"),
        pytest.param(["set-aside"], Verdict.FAILED, Verdict.FAILED, id="set-aside"),
        pytest.param(["released"], Verdict.FAILED, Verdict.FAILED, id="released"),
        pytest.param(
            ["at-county", "waiting"], Verdict.WAITING, Verdict.COMMITTED, id="second-content-waits"
        ),
        pytest.param(
            ["at-county", "set-aside"], Verdict.FAILED, Verdict.FAILED, id="second-set-aside"
        ),
        pytest.param(
            ["waiting", "set-aside"], Verdict.WAITING, Verdict.FAILED, id="waits-and-set-aside"
        ),
    ],
)
async def test_a_township_commits_with_the_countys_receipt_unless_told_otherwise(
    database: Database, states: list[str], county: Verdict, spool: Verdict
) -> None:
    rows = [("2.25.1", state) for state in states]
    await database.write(lambda conn: spooled(conn, *rows))
    here = Reference(CT, "2.25.1")
    assert await database.read(lambda conn: look(conn, Safe.COUNTY, here)) == [county]
    assert await database.read(lambda conn: look(conn, Safe.SPOOL, here)) == [spool]


async def test_verdicts_come_in_the_order_asked_however_many(database: Database) -> None:
    rows = [(f"2.25.{number}", "at-county") for number in range(0, 1200, 2)]
    await database.write(lambda conn: spooled(conn, *rows))
    asked = [Reference(CT, f"2.25.{number}") for number in range(1200)]
    asked.append(Reference(DX, "2.25.0"))
    found = await database.read(lambda conn: look(conn, Safe.COUNTY, *asked))
    assert found == [Verdict.COMMITTED, Verdict.NOT_HERE] * 600 + [Verdict.OTHER_CLASS]


async def test_a_township_is_caught_up_once_the_doors_journal_is_filed(database: Database) -> None:
    committed = TownshipCommitted(Safe.COUNTY)
    mark = Position(7, 100)
    assert not await database.read(lambda conn: committed.caught_up(conn, mark))
    for offset, caught_up in ((99, False), (100, True), (101, True)):

        def move(conn: sa.Connection, offset: int = offset) -> None:
            conn.execute(sa.delete(township.cursors))
            conn.execute(
                sa.insert(township.cursors).values(journal="dicom", segment=7, at_offset=offset)
            )

        await database.write(move)
        assert await database.read(lambda conn: committed.caught_up(conn, mark)) is caught_up


def archived(conn: sa.Connection) -> None:
    """Put one CT of a township into the archive, and note one object that was of no use."""
    now: dict[str, Any] = {"received_at": AT, "updated_at": AT}
    conn.execute(
        sa.insert(archive.study).values(
            id=1, study_instance_uid=STUDY, institution="qingshan", priority=2, **now
        )
    )
    conn.execute(
        sa.insert(archive.series).values(id=1, study=1, series_instance_uid="2.25.990302", **now)
    )
    conn.execute(
        sa.insert(archive.instance).values(
            study=1,
            series=1,
            sop_instance_uid="2.25.1",
            sop_class_uid=CT,
            institution="qingshan",
            received_at=AT,
            metadata_json=b"",
        )
    )
    conn.execute(sa.insert(archive.study_reach).values(institution="county", study=1, since=AT))
    conn.execute(
        sa.insert(archive.set_aside).values(
            journal="dicom",
            segment=1,
            position=1,
            entry=0,
            sop_instance_uid="2.25.2",
            institution="qingshan",
            set_aside_at=AT,
        )
    )


@pytest.mark.parametrize(
    ("institution", "reference", "verdict"),
    [
        pytest.param("qingshan", Reference(CT, "2.25.1"), Verdict.COMMITTED, id="filed"),
        pytest.param("county", Reference(CT, "2.25.1"), Verdict.COMMITTED, id="routed-to-it"),
        pytest.param("other", Reference(CT, "2.25.1"), Verdict.NOT_HERE, id="somebody-elses"),
        pytest.param("qingshan", Reference(DX, "2.25.1"), Verdict.OTHER_CLASS, id="other-class"),
        pytest.param("qingshan", Reference(CT, "2.25.2"), Verdict.FAILED, id="of-no-use"),
        pytest.param("other", Reference(CT, "2.25.2"), Verdict.NOT_HERE, id="nobodys-business"),
        pytest.param("qingshan", Reference(CT, "2.25.3"), Verdict.NOT_HERE, id="never-sent"),
    ],
)
async def test_the_county_commits_what_is_filed(
    database: Database, institution: str, reference: Reference, verdict: Verdict
) -> None:
    await database.write(archived)
    committed = CountyCommitted()
    found = await database.read(lambda conn: committed.look(conn, [reference], institution))
    assert found == [verdict]
    assert not await database.read(lambda conn: committed.caught_up(conn, Position(1, 1)))
