"""What a store may rely on, whichever database is underneath."""

import asyncio
import datetime as dt
from functools import partial
from typing import ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from kernel.errors import Missing, Unavailable
from kernel.sql.db import Database, JsonDocument, QueryTooSlow, RowId, UtcDateTime, metadata

shelves = sa.Table(
    "test_shelves",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("books", sa.Integer, nullable=False, default=0),
    sa.Column("opened_at", UtcDateTime),
    sa.Column("facts", JsonDocument),
)
labels = sa.Table(
    "test_labels",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column(
        "shelf_id",
        sa.ForeignKey("test_shelves.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
)


def _add(conn: sa.Connection, name: str) -> int:
    key = conn.execute(sa.insert(shelves).values(name=name)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _names(conn: sa.Connection) -> list[str]:
    return list(conn.scalars(sa.select(shelves.c.name).order_by(shelves.c.name)))


class _Seven(FunctionElement[int]):
    """Seven, and a note of each time it is compiled."""

    type = sa.Integer()
    inherit_cache = True
    noted: ClassVar[list[str]] = []


@compiles(_Seven)
def _as_seven(element: _Seven, compiler: sa.sql.compiler.SQLCompiler, **_how: object) -> str:
    del element
    _Seven.noted.append(compiler.dialect.name)
    return "7"


async def test_reads_what_was_written(database: Database) -> None:
    await database.write(lambda conn: _add(conn, "a"))
    assert await database.read(_names) == ["a"]


async def test_a_failing_unit_keeps_nothing_and_its_error_comes_out_as_it_is(
    database: Database,
) -> None:
    def half(conn: sa.Connection) -> None:
        _add(conn, "half")
        raise Missing("no such thing")

    with pytest.raises(Missing, match="no such thing"):
        await database.write(half)
    assert await database.read(_names) == []


async def test_one_bad_unit_among_many_does_not_touch_the_others(database: Database) -> None:
    def unit(number: int) -> str | None:
        return "same" if number % 5 == 0 else f"{number:02}"

    async def write(number: int) -> bool:
        try:
            await database.write(lambda conn: _add(conn, unit(number) or ""))
        except sa.exc.IntegrityError:
            return False
        return True

    kept = await asyncio.gather(*(write(number) for number in range(30)))
    assert kept.count(False) == 5
    assert len(await database.read(_names)) == 25


async def test_a_constraint_checked_at_the_commit_fails_its_own_unit_only(
    database: Database,
) -> None:
    async def label(shelf: int) -> bool:
        try:
            await database.write(
                lambda conn: conn.execute(sa.insert(labels).values(shelf_id=shelf)).rowcount
            )
        except sa.exc.IntegrityError:
            return False
        return True

    good = await database.write(lambda conn: _add(conn, "a"))
    assert await asyncio.gather(*map(label, [good, 999, good, good])) == [True, False, True, True]


async def test_read_then_write_loses_no_update(database: Database) -> None:
    key = await database.write(lambda conn: _add(conn, "counted"))

    def add_one(conn: sa.Connection) -> None:
        books = conn.execute(sa.select(shelves.c.books).where(shelves.c.id == key)).scalar_one()
        conn.execute(sa.update(shelves).where(shelves.c.id == key).values(books=books + 1))

    other = await Database.open(_url(database))
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task((database, other)[number % 2].write(add_one))
    finally:
        await other.close()
    query = sa.select(shelves.c.books).where(shelves.c.id == key)
    assert await database.read(lambda conn: conn.execute(query).scalar_one()) == 40


async def test_look_then_insert_makes_one_row_however_many_ask(database: Database) -> None:
    def one(conn: sa.Connection) -> int:
        found = conn.scalar(sa.select(shelves.c.id).where(shelves.c.name == "only"))
        return found if found is not None else _add(conn, "only")

    other = await Database.open(_url(database))
    try:
        keys = await asyncio.gather(
            *((database, other)[number % 2].write(one) for number in range(20))
        )
    finally:
        await other.close()
    assert len(set(keys)) == 1


async def test_a_unit_may_have_savepoints_of_its_own(database: Database) -> None:
    def mixed(conn: sa.Connection) -> None:
        _add(conn, "kept")
        inner = conn.begin_nested()
        _add(conn, "dropped")
        inner.rollback()

    await database.write(mixed)
    assert await database.read(_names) == ["kept"]


@pytest.mark.parametrize("how", ["read", "look_up"])
async def test_a_read_cannot_write(database: Database, how: str) -> None:
    ask = database.read if how == "read" else database.look_up
    with pytest.raises(sa.exc.DBAPIError):
        await ask(lambda conn: _add(conn, "a"))
    assert await ask(_names) == []


async def test_a_look_up_sees_every_commit_before_it(database: Database) -> None:
    for number in range(12):
        await database.write(partial(_add, name=f"{number:02}"))
        # In between, so that every reader has held a snapshot before.
        await asyncio.gather(*(database.read(_names) for _ in range(4)))
        seen = await asyncio.gather(*(database.look_up(_names) for _ in range(4)))
        assert [len(names) for names in seen] == [number + 1] * 4


async def test_a_read_sees_one_moment(database: Database) -> None:
    loop = asyncio.get_running_loop()
    await database.write(lambda conn: _add(conn, "a"))
    if database.dialect == "postgresql":
        pytest.skip("run_sync shares the loop's thread; the snapshot is the server's own promise")

    def twice(conn: sa.Connection) -> tuple[list[str], list[str]]:
        before = _names(conn)
        written = database.write(lambda other: _add(other, "b"))
        asyncio.run_coroutine_threadsafe(written, loop).result(10)
        return before, _names(conn)

    assert await database.read(twice) == (["a"], ["a"])
    assert await database.read(_names) == ["a", "b"]


async def test_a_read_that_takes_too_long_is_stopped(database: Database) -> None:
    counting = sa.text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000000) "
        "SELECT count(*) FROM n"
    )
    for ask in (database.read, database.look_up):
        with pytest.raises(QueryTooSlow):
            await ask(lambda conn: conn.execute(counting).scalar(), within_s=0.2)
    assert await database.read(_names) == []


@pytest.mark.parametrize("hours", [8, 0, -5])
async def test_an_instant_comes_back_as_the_same_instant_in_utc(
    database: Database, hours: int
) -> None:
    zone = dt.timezone(dt.timedelta(hours=hours))
    at = dt.datetime(2025, 5, 12, 8, 0, 0, 123456, tzinfo=zone)
    await database.write(
        lambda conn: conn.execute(sa.insert(shelves).values(name="a", opened_at=at)).rowcount
    )
    kept = await database.read(lambda conn: conn.scalar(sa.select(shelves.c.opened_at)))
    assert kept == at
    assert kept is not None
    assert kept.tzinfo is dt.UTC


async def test_a_naive_instant_is_refused(database: Database) -> None:
    naive = dt.datetime(2025, 5, 12, 8, 0)  # noqa: DTZ001  # that is the point
    with pytest.raises(sa.exc.StatementError, match="timezone-aware"):
        await database.write(
            lambda conn: conn.execute(sa.insert(shelves).values(name="a", opened_at=naive)).rowcount
        )


async def test_a_document_comes_back_equal(database: Database) -> None:
    facts = {"名": "张伟", "n": [1, 2.5, None, True]}
    await database.write(
        lambda conn: conn.execute(sa.insert(shelves).values(name="a", facts=facts)).rowcount
    )
    assert await database.read(lambda conn: conn.scalar(sa.select(shelves.c.facts))) == facts


async def test_foreign_keys_are_kept(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(
            lambda conn: conn.execute(sa.insert(labels).values(shelf_id=12345)).rowcount
        )


async def test_what_waits_at_the_close_is_still_written(database: Database) -> None:
    other = await Database.open(_url(database))
    waiting = [asyncio.ensure_future(_write_name(other, f"{number}")) for number in range(20)]
    await asyncio.sleep(0)
    if other.dialect == "postgresql":
        await asyncio.gather(*waiting)
    await other.close()
    await asyncio.gather(*waiting)
    assert len(await database.read(_names)) == 20
    if other.dialect == "sqlite":
        with pytest.raises(Unavailable):
            await other.write(lambda conn: _add(conn, "late"))


async def _write_name(target: Database, name: str) -> None:
    await target.write(lambda conn: _add(conn, name))


def _url(database: Database) -> str:
    return database._url.render_as_string(hide_password=False)


async def test_what_a_statement_was_compiled_to_serves_every_database_of_the_process(
    database: Database, database_url: str
) -> None:
    def ask(conn: sa.Connection) -> int:
        return int(conn.execute(sa.select(_Seven())).scalar_one())

    _Seven.noted.clear()
    assert await database.read(ask) == 7
    other = await Database.open(database_url)
    try:
        assert [await other.read(ask), await other.write(ask)] == [7, 7]
    finally:
        await other.close()
    assert _Seven.noted == [database.dialect]
