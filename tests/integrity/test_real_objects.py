"""Every real object of the collection: found whole by its name, and rebuilt into the same rows."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.archive.rebuilding import Rebuilder
from imaging.archive.register import Register
from imaging.archive.registering import Registrar
from imaging.archive.scrubbing import Scrubber
from imaging.archive.tables import instance, instance_conflict, series, set_aside, study
from kernel.dicom.decode_pool import DecodePool
from kernel.sql.db import Database
from tests.databases import open_filled
from tests.imaging.desk import Desk, open_desk
from tests.imaging.shared_data import dicom_samples
from yilian.wiring import tables

tables.load()

AT_ONCE = 100
NUMBERS = {"id", "study", "series", "instance", "patient"}
"""Given out anew."""
OF_THE_WAY = {"duplicate_count", "seen_count", "updated_at", "kept_at", "set_aside_at", "revision"}
PLACES = {"journal", "segment", "position", "entry"}


@pytest_asyncio.fixture
async def small_desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = await open_filled(sqlite_url)
    try:
        async with open_desk(database, tmp_path) as desk:
            yield desk
    finally:
        await database.close()


async def rows(database: Database, table: sa.Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.c if column.name not in NUMBERS | OF_THE_WAY | PLACES]
    order = [table.c[name] for name in ("object_key", "study_instance_uid") if name in table.c]
    query = sa.select(*(table.c[name] for name in names))
    query = query.order_by(*(order or [table.c.series_instance_uid, table.c.id]))
    return await database.read(
        lambda conn: [dict(row._mapping) for row in conn.execute(query)], within_s=60.0
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("every", "least"),
    [
        pytest.param(1, 1900, id="whole-series", marks=pytest.mark.torture),
        pytest.param(10, 360, id="every-tenth-image"),
    ],
)
async def test_each_is_whole_and_comes_again_as_it_was(
    small_desk: Desk, tmp_path: Path, every: int, least: int
) -> None:
    waiting: list[bytes] = []
    for sample in dicom_samples(every=every):
        waiting.append(sample.data)
        if len(waiting) == AT_ONCE:
            await small_desk.file(*waiting)
            waiting.clear()
    await small_desk.file(*waiting)
    register = Register(small_desk.folder / "objects")
    registrar = Registrar(small_desk.database, register, small_desk.clock, hints=lambda _: {})
    while await registrar.follow():
        pass
    with DecodePool() as decoder:
        scrubber = Scrubber(
            small_desk.database, small_desk.objects, decoder, small_desk.clock, chain="scrub"
        )
        counted = 0
        for _ in range(2):
            looked = await scrubber.look_at_all()
            counted = looked.objects
            assert list(looked.damaged) == []
            # Some lie there in a second encoding, which no row names.
            assert least < counted <= len(small_desk.object_files())
            small_desk.clock.advance(dt.timedelta(days=1))
        new = await open_filled(f"sqlite:///{tmp_path / 'new.sqlite'}")
        try:
            done = await Rebuilder(
                new, small_desk.folder / "objects", decoder, small_desk.clock
            ).run()
            assert (done.missing, done.damaged, done.of_nobody) == ([], [], [])
            assert done.filed == counted
            for table in (instance, instance_conflict, study, series):
                assert await rows(new, table) == await rows(small_desk.database, table)
            keys = sa.select(set_aside.c.object_key, set_aside.c.reason).distinct()
            assert await new.read(
                lambda conn: {*conn.execute(keys)}
            ) == await small_desk.database.read(lambda conn: {*conn.execute(keys)})
        finally:
            await new.close()
