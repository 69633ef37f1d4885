"""What the filing has left is counted: set aside, and not come to yet."""

import datetime as dt

import pytest
from prometheus_client import CollectorRegistry

from imaging.archive import backlog
from imaging.archive.filing_metrics import FilingMetrics
from tests.imaging.desk import Desk
from tests.imaging.sample import AT, ROOT, arrival, ct

BROKEN = ct(2)[:-50]


async def test_what_waits_and_what_is_set_aside_is_counted(desk: Desk) -> None:
    registry = CollectorRegistry()
    journal = desk.folder / "journal"
    metrics = FilingMetrics(
        desk.database, {"dicom": journal, "gateway": desk.folder / "no"}, registry
    )

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"yilian_filing_{name}", labels)

    await desk.receive(ct(1), BROKEN, ct(3))
    await metrics.refresh()
    assert told("waiting_objects", journal="dicom") == 3
    assert told("oldest_timestamp_seconds", journal="dicom") == AT.timestamp()
    assert told("waiting_objects", journal="gateway") == 0
    await desk.file_all()
    await metrics.refresh()
    assert told("waiting_objects", journal="dicom") == 0
    assert told("oldest_timestamp_seconds", journal="dicom") == 0
    assert told("last_timestamp_seconds", journal="dicom") == AT.timestamp()
    assert told("set_aside", reason="truncated") == 1


async def test_what_is_set_aside_is_open_until_its_like_was_taken(desk: Desk) -> None:
    uid = f"{ROOT}.1.1.2"
    first = arrival(sop_instance_uid=uid)
    await desk.file(BROKEN, told=first)
    (one,) = await desk.database.read(backlog.aside)
    assert (one.reason, one.sop_instance_uid, one.institution) == ("truncated", uid, "qingshan")
    counts = await desk.database.read(backlog.aside_counts)
    assert (counts.total, counts.oldest, counts.newest_reasons) == (1, AT, ("truncated",))
    await desk.file(ct(2), told=arrival(sop_instance_uid=uid, at=AT + dt.timedelta(hours=1)))
    assert await desk.database.read(backlog.aside) == []
    assert (await desk.database.read(backlog.aside_counts)).total == 0


async def opened(desk: Desk) -> int:
    return (await desk.database.read(backlog.aside_counts)).total


@pytest.mark.parametrize("door_says", [dt.timedelta(days=-1), dt.timedelta(hours=1)])
async def test_what_came_again_is_not_open_whatever_its_door_s_clock_says(
    desk: Desk, door_says: dt.timedelta
) -> None:
    uid = f"{ROOT}.1.1.2"
    await desk.file(BROKEN, told=arrival(sop_instance_uid=uid, at=AT + dt.timedelta(hours=2)))
    assert await opened(desk) == 1
    await desk.file(ct(2), told=arrival(sop_instance_uid=uid, at=AT + door_says))
    assert await opened(desk) == 0


async def test_what_was_there_before_and_comes_again_whole_closes_it(desk: Desk) -> None:
    told = arrival(sop_instance_uid=f"{ROOT}.1.1.2", at=AT - dt.timedelta(days=1))
    await desk.file(ct(2), told=told)
    await desk.file(BROKEN, told=told)
    assert await opened(desk) == 1
    await desk.file(ct(2), told=told)
    assert await opened(desk) == 0


async def test_what_another_content_came_for_is_closed(desk: Desk) -> None:
    told = arrival(sop_instance_uid=f"{ROOT}.1.1.2")
    await desk.file(ct(2), BROKEN, told=told)
    await desk.file(ct(2, PatientName="Li^Si"), told=told)
    assert await opened(desk) == 0


@pytest.mark.parametrize("broken_last", [False, True])
async def test_of_what_is_filed_in_one_go_the_order_of_the_journal_counts(
    desk: Desk, *, broken_last: bool
) -> None:
    told = arrival(sop_instance_uid=f"{ROOT}.1.1.2")
    await desk.receive_together([ct(2), BROKEN] if broken_last else [BROKEN, ct(2)], told=told)
    await desk.file_all()
    assert await opened(desk) == broken_last


async def test_what_comes_of_another_uid_closes_nothing(desk: Desk) -> None:
    await desk.file(BROKEN, told=arrival(sop_instance_uid=f"{ROOT}.1.1.2"))
    await desk.file(b"nobody knows", ct(1), ct(3))
    assert await opened(desk) == 2
