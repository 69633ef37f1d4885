"""A series' metadata: one JSON array, kept ready, never older than its series."""

import datetime as dt
import gzip
import json
from typing import Any

import sqlalchemy as sa

from imaging.archive import series_metadata as metadata_store
from imaging.archive.series_metadata import QUIET_S, SeriesMetadata
from imaging.archive.tables import series
from tests.imaging.desk import Desk
from tests.imaging.sample import ct


async def first_series(desk: Desk) -> int:
    rows = await desk.rows(sa.select(series.c.id).order_by(series.c.id))
    return int(rows[0]["id"])


async def kept(desk: Desk, row: int) -> SeriesMetadata | None:
    return await desk.database.read(lambda conn: metadata_store.kept(conn, row))


def numbers(made: SeriesMetadata) -> list[Any]:
    return [each["00200013"]["Value"][0] for each in json.loads(made.plain())]


async def test_holds_every_instance_in_the_order_of_its_number(desk: Desk) -> None:
    await desk.file(ct(10), ct(2), ct(1))
    row = await first_series(desk)
    made = await desk.database.read(lambda conn: metadata_store.make(conn, row))
    assert numbers(made) == [1, 2, 10]
    assert made.instance_count == 3
    assert gzip.decompress(made.gzip) == made.plain()


async def test_is_made_when_a_series_has_been_quiet(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    row = await first_series(desk)
    keeper = desk.filer._metadata
    assert await keeper.make_quiet() == 1
    assert await kept(desk, row) is None
    desk.clock.advance(dt.timedelta(seconds=QUIET_S + 0.1))
    assert await keeper.make_quiet() == 0
    found = await kept(desk, row)
    assert found is not None
    assert numbers(found) == [1, 2]


async def test_what_is_kept_counts_no_more_once_the_series_has_grown(desk: Desk) -> None:
    await desk.file(ct(1))
    row = await first_series(desk)
    first = await desk.database.read(lambda conn: metadata_store.make(conn, row))
    await desk.database.write(lambda conn: metadata_store.keep(conn, row, first))
    assert await kept(desk, row) == first
    await desk.file(ct(2))
    assert await kept(desk, row) is None
    second = await desk.database.read(lambda conn: metadata_store.make(conn, row))
    await desk.database.write(lambda conn: metadata_store.keep(conn, row, second))
    assert await kept(desk, row) == second
    assert second.etag != first.etag


async def test_the_same_series_has_the_same_bytes(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    row = await first_series(desk)
    made = [await desk.database.read(lambda conn: metadata_store.make(conn, row)) for _ in "ab"]
    assert made[0] == made[1]
