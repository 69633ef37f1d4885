"""Several filers at once: one patient, one study, one instance, right counts."""

import asyncio
from pathlib import Path

import sqlalchemy as sa

from imaging.archive.tables import instance, patient, series, study
from kernel.sql.db import Database
from tests.imaging.desk import open_desk
from tests.imaging.sample import ct

DOORS = 6


async def test_first_objects_of_one_patient_through_many_doors_make_one_patient(
    database: Database, tmp_path: Path
) -> None:
    async with asyncio.timeout(25):
        opened = [open_desk(database, tmp_path / str(n), journal=f"door-{n}") for n in range(DOORS)]
        desks = [await each.__aenter__() for each in opened]
        try:
            for number, desk in enumerate(desks):
                # Each its own slice, and all of them one that is the same.
                await desk.receive(ct(100 + number), ct(1), ct(number + 1, study=2 + number % 2))
            await asyncio.gather(*(desk.file_all() for desk in desks))
        finally:
            for each in opened:
                await each.__aexit__(None, None, None)

    async def count(table: sa.Table) -> int:
        return await database.read(
            lambda conn: conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        )

    assert await count(patient) == 1
    assert await count(study) == 3
    assert await count(series) == 3
    assert await count(instance) == DOORS + 1 + DOORS
    rows = await database.read(
        lambda conn: conn.execute(
            sa.select(study.c.instance_count, study.c.duplicate_count).order_by(
                study.c.instance_count.desc()
            )
        ).all()
    )
    assert [tuple(row) for row in rows] == [(DOORS + 1, DOORS - 1), (3, 0), (3, 0)]
