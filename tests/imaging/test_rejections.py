"""What does not count is out of every list, comes back whole, and does not come back by itself."""

from typing import Any

import pytest
import sqlalchemy as sa

from imaging.archive import correcting, rejecting
from imaging.archive.amending import STUDY_REJECTED
from imaging.archive.amendment_tables import rejected_contents, rejections
from imaging.archive.note_writing import write_note
from imaging.archive.rejection_note import Reference, RejectionNote, Title, read_note
from imaging.archive.tables import instance, instance_conflict, series, study, study_reach
from kernel.errors import Conflict
from kernel.events import events_after
from tests.imaging.desk import Desk
from tests.imaging.sample import AT, CT, ROOT, arrival, ct
from tests.imaging.test_corrections import LI, found_by, hand, row_of

NOTE, STUDY = f"{ROOT}.1.99", f"{ROOT}.1"


def note(*numbers: int, title: Title = Title.QUALITY, uid: str = NOTE) -> bytes:
    said = RejectionNote(
        study_instance_uid=STUDY,
        title=title,
        description="moved",
        references=[Reference(f"{STUDY}.1", f"{STUDY}.1.{number}", CT) for number in numbers],
    )
    told = {"PatientID": "990000199001011234", "PatientName": "Zhang^San=张^三"}
    return write_note(said, told, uid=uid, series_uid=f"{STUDY}.9", at=AT)


async def reject(desk: Desk, *numbers: int) -> int:
    row, uids = await row_of(desk), [f"{STUDY}.1.{number}" for number in numbers]
    return await desk.database.write(
        lambda conn: rejecting.reject(conn, row, uids, Title.QUALITY, hand("moved"), note=NOTE)
    )


async def undo(desk: Desk, rejection: int) -> None:
    await desk.database.write(
        lambda conn: rejecting.undo(conn, rejection, hand("it counts"), seen=rejecting.STANDS)
    )


async def everything(desk: Desk) -> list[Any]:
    """Return the index, without what is given anew."""
    found: list[Any] = []
    for table in (study, series, instance, instance_conflict, study_reach):
        unlike = {"id", "study", "series", "instance", "updated_at", "revision"}
        columns = [column for column in table.c if column.name not in unlike]
        rows = await desk.rows(sa.select(*columns))
        found.append(sorted(map(repr, rows)))
    return found


async def shown(desk: Desk) -> list[int]:
    rows = await desk.rows(sa.select(instance.c.instance_number).order_by(instance.c.id))
    return [row["instance_number"] for row in rows]


async def test_one_image_goes_and_comes_back_as_it_was(desk: Desk) -> None:
    await desk.file(ct(1), ct(2), ct(2, pixels=7), ct(1, series=2))
    before = await everything(desk)
    made = await reject(desk, 2)
    counts = sa.select(study.c.instance_count, study.c.series_count, study.c.conflict_count)
    assert [tuple(row.values()) for row in await desk.rows(counts)] == [(2, 2, 0)]
    assert f"{STUDY}.1.2" not in repr(await everything(desk))
    await undo(desk, made)
    assert await everything(desk) == before
    events = await desk.database.read(lambda conn: events_after(conn, 0, topics=[STUDY_REJECTED]))
    assert [(e.payload["undone"], e.payload["instance_count"]) for e in events] == [
        (False, 2),
        (True, 3),
    ]
    with pytest.raises(Conflict):
        await undo(desk, made)


async def test_a_study_without_images_is_gone_and_comes_back_with_its_correction(
    desk: Desk,
) -> None:
    await desk.file(ct(1), ct(2))
    row = await row_of(desk)
    await desk.database.write(
        lambda conn: correcting.correct(conn, row, LI, hand(), seen="0", system="YILIAN")
    )
    before = await everything(desk)
    made = await reject(desk, 1, 2)
    assert await everything(desk) == [[], [], [], [], []]
    assert await found_by(desk, "lisi") == []
    await undo(desk, made)
    assert await everything(desk) == before
    assert await found_by(desk, "lisi") == ["0007"]


async def test_what_comes_again_stays_rejected_and_is_kept(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    made = await reject(desk, 2)
    await desk.file(ct(2), ct(2, pixels=9))
    assert await shown(desk) == [1]
    kept = sa.select(rejected_contents.c.kind, rejected_contents.c.seen_count)
    rows = await desk.rows(kept.order_by(rejected_contents.c.id))
    assert [tuple(row.values()) for row in rows] == [("answers", 1), ("beside", 0)]
    await undo(desk, made)
    assert await shown(desk) == [1, 2]
    assert await desk.rows(sa.select(study.c.conflict_count)) == [{"conflict_count": 1}]


async def test_a_note_of_another_system_counts_once_and_is_itself_not_shown(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    await desk.file(note(2))
    await desk.file(note(2))
    assert await shown(desk) == [1]
    (told,) = await desk.rows(
        sa.select(rejections.c.title, rejections.c.reason, rejections.c.sent_by)
    )
    assert told == {"title": "113001", "reason": "moved", "sent_by": "CT1"}


async def test_a_note_that_comes_first_rejects_what_comes_later(desk: Desk) -> None:
    await desk.file(note(1, 2))
    await desk.file(ct(1), ct(3))
    assert await shown(desk) == [3]
    (made,) = await desk.rows(sa.select(rejections.c.id))
    await undo(desk, made["id"])
    assert sorted(await shown(desk)) == [1, 3]
    await desk.file(ct(2))
    assert sorted(await shown(desk)) == [1, 2, 3]


async def test_a_note_rejects_no_other_institutions_images(desk: Desk) -> None:
    await desk.file(ct(1))
    await desk.file(note(1), told=arrival(institution="baihe"))
    assert 1 in await shown(desk)
    assert await desk.rows(sa.select(rejections.c.id)) == []


async def test_rejecting_what_does_not_count_is_refused(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    await reject(desk, 2)
    row = await row_of(desk)
    with pytest.raises(rejecting.NothingToReject):
        await desk.database.write(
            lambda conn: rejecting.reject(
                conn, row, [f"{STUDY}.1.2"], Title.QUALITY, hand(), note=f"{NOTE}.2"
            )
        )
    assert len(await desk.rows(sa.select(rejections.c.id))) == 1


def test_a_document_that_marks_images_for_something_else_rejects_nothing() -> None:
    marked = {
        "0040A043": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["113000"]}}]},
        "0040A375": {"vr": "SQ", "Value": [{"0020000D": {"vr": "UI", "Value": [STUDY]}}]},
    }
    assert read_note("1.2.840.10008.5.1.4.1.1.88.59", marked) is None
    assert read_note(CT, marked) is None
    for broken in ({}, {"0040A043": {"vr": "SQ", "Value": ["x"]}}, {"0040A043": 7}):
        assert read_note("1.2.840.10008.5.1.4.1.1.88.59", broken) is None
