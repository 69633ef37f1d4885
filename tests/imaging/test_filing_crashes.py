"""The filer dies: killed at any moment, or by an object that kills it each time."""

import asyncio
import datetime as dt
import random
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.archive import filing, filing_rows
from imaging.archive.attempts import ENDS, TRIES, Attempts
from imaging.archive.tables import instance, set_aside, study
from kernel.arrival import Arrival
from kernel.journal.writer import Position
from tests.databases import open_filled
from tests.imaging.desk import Desk, open_desk
from tests.imaging.programs.file_journal import POISON
from tests.imaging.sample import arrival, ct


@pytest_asyncio.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = await open_filled(sqlite_url)
    try:
        async with open_desk(database, tmp_path) as opened:
            yield opened
    finally:
        await database.close()


async def start(desk: Desk, url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.imaging.programs.file_journal", str(desk.folder), url
    )


def poisoned() -> Arrival:
    told = arrival()
    sender = msgspec.structs.replace(told.sender, address=POISON)
    return msgspec.structs.replace(told, sender=sender)


@pytest.mark.timeout(120)
async def test_an_object_that_kills_is_set_aside_and_the_others_are_filed(
    desk: Desk, sqlite_url: str
) -> None:
    await desk.receive(ct(1))
    await desk.receive(ct(2), told=poisoned())
    await desk.receive(ct(3))
    deaths = 0
    while True:
        process = await start(desk, sqlite_url)
        if await process.wait() == 0:
            break
        deaths += 1
        assert deaths <= TRIES + ENDS + 1
    assert deaths >= TRIES
    assert len(await desk.rows(sa.select(instance.c.id))) == 2
    (aside,) = await desk.rows(sa.select(set_aside))
    assert aside["reason"] == "crashed"
    with desk.objects.open(aside["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(2)


@pytest.mark.timeout(180)
async def test_killed_at_any_moment_it_files_each_object_once(desk: Desk, sqlite_url: str) -> None:
    for at in range(0, 60, 3):
        await desk.receive_together([ct(at), ct(at + 1), ct(at + 2)])
    chance = random.Random(7)
    for _ in range(8):
        process = await start(desk, sqlite_url)
        try:
            async with asyncio.timeout(chance.uniform(0.3, 1.2)):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    assert await (await start(desk, sqlite_url)).wait() == 0
    assert await desk.rows(sa.select(study.c.instance_count, study.c.duplicate_count)) == [
        {"instance_count": 60, "duplicate_count": 0}
    ]
    assert len(desk.object_files()) == 60
    assert await desk.rows(sa.select(set_aside.c.id)) == []


def test_an_object_is_blamed_only_when_it_was_read_alone_twice(tmp_path: Path) -> None:
    path, unit = tmp_path / "attempt", Position(1, 500)
    for death in range(TRIES):
        attempts = Attempts(path)
        assert not attempts.begin(unit), f"after {death} deaths"
        attempts.close()
    for _ in range(ENDS):
        attempts = Attempts(path)
        assert attempts.begin(unit)
        assert attempts.reading(Position(1, 400), 0)
        assert attempts.reading(unit, 0)
        attempts.close()
    attempts = Attempts(path)
    assert attempts.begin(unit)
    assert attempts.reading(Position(1, 400), 0)
    assert not attempts.reading(unit, 0)
    attempts.done()
    attempts.close()
    attempts = Attempts(path)
    assert not attempts.begin(unit)
    assert attempts.reading(unit, 0)
    attempts.close()


async def test_no_object_is_blamed_for_who_is_killed_while_the_disk_is_full(desk: Desk) -> None:
    await desk.receive(ct(1, Rows=1024, Columns=1024, PixelData=bytes(2 << 20)))
    marker = desk.folder / "journal" / "filing.attempt"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(ENDS):
        # The image finds no room; the marker does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            for _ in range(TRIES + 2):
                assert await desk.filer.file_waiting() == 0
                desk.clock.advance(dt.timedelta(seconds=20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        left = marker.read_bytes()
        desk.restart_filer()
        # A filer that is killed clears nothing away.
        marker.write_bytes(left)
    await desk.file_all()
    assert await desk.rows(sa.select(set_aside.c.reason)) == []
    assert len(desk.object_files()) == 1


def test_a_marker_that_cannot_be_read_means_a_fresh_start(tmp_path: Path) -> None:
    path = tmp_path / "attempt"
    path.write_bytes(b"{half")
    attempts = Attempts(path)
    assert not attempts.begin(Position(1, 1))
    attempts.close()


async def test_one_row_the_database_refuses_does_not_hold_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filing_rows.instance_row

    def refuse(each: object, place: object) -> dict[str, object]:
        row = real(each, place)  # type: ignore[arg-type]
        if row["instance_number"] == 2:
            row["sop_instance_uid"] = None
        return row

    monkeypatch.setattr(filing, "instance_row", refuse)
    await desk.receive_together([ct(1), ct(2), ct(3)])
    await desk.file_all()
    assert await desk.rows(sa.select(study.c.instance_count)) == [{"instance_count": 2}]
    (aside,) = await desk.rows(sa.select(set_aside))
    assert aside["reason"] == "not-filed"
    assert desk.objects.size(aside["object_key"]) is not None
