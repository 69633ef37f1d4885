"""Every real object of the collection: filed once, or as the reviewed table says, and whole."""

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.archive import ingest
from imaging.archive.filing import FilingResult
from imaging.archive.model import Filed, Outcome
from imaging.archive.tables import instance, instance_conflict, set_aside, study
from kernel.dicom.part10 import BytesSource, read_file_meta
from tests.databases import open_filled
from tests.imaging.desk import Desk, open_desk
from tests.imaging.shared_data import Sample, dicom_samples, shared_data

OUTCOMES = Path(__file__).parent / "shared_data_outcomes.csv"
"""What becomes of each object that is not simply stored, and why."""
AT_ONCE = 200


def reviewed() -> dict[str, tuple[str, str]]:
    with OUTCOMES.open(newline="", encoding="utf-8") as file:
        return {row["path"]: (row["outcome"], row["code"]) for row in csv.DictReader(file)}


@pytest_asyncio.fixture
async def small_desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = await open_filled(sqlite_url)
    try:
        async with open_desk(database, tmp_path) as desk:
            yield desk
    finally:
        await database.close()


def has_whole_head(data: bytes) -> bool:
    meta = read_file_meta(BytesSource(data))
    return meta.has_preamble and meta.group_start >= 0 and not meta.executable_preamble


async def check_bytes(desk: Desk, stored: dict[str, Sample]) -> None:
    """Every stored object is there byte for byte, but for a head it did not have."""
    rows = await desk.rows(sa.select(instance.c.sop_instance_uid, instance.c.object_key))
    assert len(rows) == len(stored)
    for row in rows:
        sample = stored[row["sop_instance_uid"]]
        with desk.objects.open(row["object_key"]) as reader:
            kept = reader.read(0, reader.size)
        if has_whole_head(sample.data):
            assert kept == sample.data, sample.path
        else:
            own = read_file_meta(BytesSource(sample.data)).dataset_offset
            new = read_file_meta(BytesSource(kept)).dataset_offset
            assert kept[new:] == sample.data[own:], sample.path


@pytest.mark.timeout(300)
async def test_each_real_object_is_filed_once_or_as_the_table_says(
    small_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_data()
    filed: list[Filed] = []

    def note(_journal: str, result: FilingResult) -> None:
        filed.extend(result.filed)

    monkeypatch.setattr(ingest, "_report", note)
    outcomes: dict[str, tuple[str, str]] = {}
    stored: dict[str, Sample] = {}
    waiting: list[Sample] = []

    async def file_waiting() -> None:
        await small_desk.file(*(sample.data for sample in waiting))
        for sample, each in zip(waiting, filed, strict=True):
            if each.outcome is Outcome.STORED:
                stored[each.sop_instance_uid] = sample
            else:
                outcomes[sample.path] = (each.outcome.value, each.reason)
        waiting.clear()
        filed.clear()

    for sample in dicom_samples():
        waiting.append(sample)
        if len(waiting) == AT_ONCE:
            await file_waiting()
    await file_waiting()

    assert outcomes == reviewed()
    await check_bytes(small_desk, stored)
    kinds = [outcome for outcome, _ in outcomes.values()]
    counts = await small_desk.rows(
        sa.select(
            sa.func.sum(study.c.instance_count).label("instances"),
            sa.func.sum(study.c.duplicate_count).label("duplicates"),
            sa.func.sum(study.c.conflict_count).label("conflicts"),
        )
    )
    again = await small_desk.rows(sa.select(sa.func.sum(instance_conflict.c.seen_count - 1)))
    seen_again = next(iter(again[0].values()))
    assert counts == [
        {
            "instances": len(stored),
            "duplicates": kinds.count("duplicate") + seen_again,
            "conflicts": kinds.count("conflict") - seen_again,
        }
    ]
    aside = await small_desk.rows(sa.select(set_aside.c.object_key))
    assert len(aside) == kinds.count("opaque")
    assert all(small_desk.objects.size(row["object_key"]) is not None for row in aside)
