"""What the filing has left is counted: set aside, and not come to yet."""

import datetime as dt

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
