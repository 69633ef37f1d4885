"""Every letter of the feed has a number of its own, in the tables migrations made."""

from functools import partial
from pathlib import Path
from shutil import copyfile

import sqlalchemy as sa

from gateway.exchange.feed import read_feed, send_down
from kernel.letter import Letter
from kernel.sql import migrate as migrating
from kernel.sql.db import Database, metadata
from kernel.sql.migrate import migrate
from tests.imaging.sample import AT
from yilian.wiring import tables

READ = partial(read_feed, institution="qingshan", node="n1", protocol=1)
LAST_WITHOUT = "0031"


async def told(database: Database, version: int, kind: str = "account") -> None:
    letter = Letter(kind, "a", version, {"version": version})
    await database.write(lambda conn: send_down(conn, [letter], institution="qingshan", at=AT))


async def test_a_letter_in_the_place_of_the_newest_is_read_by_who_has_read_that(
    database_url: str,
) -> None:
    tables.load()
    await migrate(database_url)
    database = await Database.open(database_url)
    try:
        await told(database, 1)
        first = await database.read(partial(READ, after=0))
        await told(database, 2)
        page = await database.read(partial(READ, after=first.after))
        assert [letter.version for letter in page.letters] == [2]
    finally:
        await database.close()


async def test_no_number_of_a_table_that_counts_on_it_is_given_twice(sqlite_url: str) -> None:
    tables.load()
    await migrate(sqlite_url)
    database = await Database.open(sqlite_url)

    def counting(conn: sa.Connection) -> set[str]:
        made = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        return {name for name, sql in made if "AUTOINCREMENT" in sql}

    try:
        meant = {
            table.name
            for table in metadata.tables.values()
            if table.dialect_options["sqlite"]["autoincrement"]
        }
        assert meant <= await database.read(counting)
    finally:
        await database.close()


async def test_what_was_passed_over_before_is_read_after_the_change(
    sqlite_url: str, tmp_path: Path
) -> None:
    tables.load()
    versions = tmp_path / "versions"
    versions.mkdir()
    for script in sorted(_scripts().glob("0*.py")):
        if script.name[:4] <= LAST_WITHOUT:
            copyfile(script, versions / script.name)
    await migrate(sqlite_url, versions=versions)
    database = await Database.open(sqlite_url)
    await told(database, 7, "order")
    await told(database, 1)
    place = (await database.read(partial(READ, after=0))).after
    await told(database, 2)
    assert (await database.read(partial(READ, after=place))).letters == []
    await database.close()
    await migrate(sqlite_url)
    database = await Database.open(sqlite_url)
    try:
        page = await database.read(partial(READ, after=place))
        assert [(letter.kind, letter.version) for letter in page.letters] == [("account", 2)]
        assert not page.reset
        await told(database, 3)
        page = await database.read(partial(READ, after=page.after))
        assert [letter.version for letter in page.letters] == [3]
    finally:
        await database.close()


def _scripts() -> Path:
    return Path(migrating.__file__).parent / "migrations" / "versions"
