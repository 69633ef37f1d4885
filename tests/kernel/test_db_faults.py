"""When a process dies, a server goes, a file is full, or everybody writes at once."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from kernel.errors import StorageFull, Unavailable
from kernel.sql.db import Database
from kernel.sql.sqlite import SqliteEngine
from tests.databases import run_postgres

ROOT = Path(__file__).parents[2]

# Writes a row at a time, many at once, and says each number once it is committed.
WRITER = """
import asyncio, sys
import sqlalchemy as sa
from kernel.sql.db import Database

async def main():
    database = await Database.open(sys.argv[1])
    insert = sa.text("INSERT INTO rows (writer, number) VALUES (:writer, :number)")

    async def write(number):
        await database.write(
            lambda conn: conn.execute(insert, {"writer": sys.argv[2], "number": number}).rowcount
        )
        print(number, flush=True)

    first = 0
    while first < int(sys.argv[3]):
        await asyncio.gather(*(write(number) for number in range(first, first + 8)))
        first += 8
    await database.close()

asyncio.run(main())
"""


async def _table(url: str) -> None:
    database = await Database.open(url)
    try:
        make = sa.text("CREATE TABLE rows (writer TEXT, number INTEGER)")
        await database.write(lambda conn: conn.execute(make).rowcount)
    finally:
        await database.close()


async def _start(url: str, writer: str, rows: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        url,
        writer,
        str(rows),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def _numbers(url: str, writer: str) -> Sequence[int]:
    database = await Database.open(url)
    query = sa.text("SELECT number FROM rows WHERE writer = :writer ORDER BY number")
    try:
        return await database.read(lambda conn: list(conn.scalars(query, {"writer": writer})))
    finally:
        await database.close()


async def test_several_processes_write_one_file_and_none_starves(sqlite_url: str) -> None:
    await _table(sqlite_url)
    writers = [await _start(sqlite_url, name, 160) for name in "abc"]
    outputs = await asyncio.gather(*(writer.communicate() for writer in writers))
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    for name, (output, _) in zip("abc", outputs, strict=True):
        assert len(output.split()) == 160
        assert await _numbers(sqlite_url, name) == list(range(160))


async def test_what_was_acknowledged_is_there_after_a_kill(database_url: str) -> None:
    await _table(database_url)
    writer = await _start(database_url, "a", 100_000)
    assert writer.stdout is not None
    said = [int(await writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = await writer.communicate()
    said += [int(line) for line in rest.split(b"\n")[:-1]]
    kept = await _numbers(database_url, "a")
    assert set(said) <= set(kept)
    assert len(kept) == len(set(kept))


async def test_a_connection_the_server_dropped_is_not_the_callers_trouble(
    postgres_url: str,
) -> None:
    database, other = await Database.open(postgres_url), await Database.open(postgres_url)
    drop = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    one = sa.select(sa.literal(1))
    try:
        for _ in range(3):
            await database.write(lambda conn: conn.execute(one).scalar_one())
            await other.read(lambda conn: conn.execute(drop).all())
            assert await database.read(lambda conn: conn.execute(one).scalar_one()) == 1
            await other.read(lambda conn: conn.execute(drop).all())
            assert await database.write(lambda conn: conn.execute(one).scalar_one()) == 1
    finally:
        await database.close()
        await other.close()


async def test_a_server_that_is_gone_is_said_to_be() -> None:
    with run_postgres() as server:
        database = await Database.open(server.url("postgres"))
    try:
        with pytest.raises(Unavailable):
            await database.read(lambda conn: conn.execute(sa.select(sa.literal(1))).scalar_one())
        with pytest.raises(Unavailable):
            await database.write(lambda conn: conn.execute(sa.select(sa.literal(1))).scalar_one())
    finally:
        await database.close()


async def test_a_full_file_is_said_to_be_full_and_takes_rows_again_when_it_is_not(
    sqlite_url: str,
) -> None:
    await _table(sqlite_url)
    database = await Database.open(sqlite_url)
    big = sa.text("INSERT INTO rows (writer, number) VALUES (:text, 1)")

    async def limit(pages: int) -> None:
        pragma = f"PRAGMA max_page_count={pages}"
        await database.write(lambda conn: conn.exec_driver_sql(pragma).scalar())

    async def write(size: int) -> None:
        await database.write(lambda conn: conn.execute(big, {"text": "x" * size}).rowcount)

    try:
        await limit(20)
        with pytest.raises(StorageFull):
            await write(200_000)
        await limit(100_000)
        await write(200_000)
    finally:
        await database.close()
    assert len(await _numbers(sqlite_url, "x" * 200_000)) == 1


async def test_a_writer_waits_for_another_process_and_then_says_so(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _table(sqlite_url)
    database = await Database.open(sqlite_url)
    assert isinstance(database._engine, SqliteEngine)
    path = sqlite_url.removeprefix("sqlite:///")
    insert = sa.text("INSERT INTO rows (writer, number) VALUES ('a', 1)")
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(
                database.write(lambda conn: conn.execute(insert).rowcount)
            )
            await asyncio.sleep(0.05)
            assert not waiting.done()
            holder.execute("ROLLBACK")
            assert await waiting == 1
            monkeypatch.setattr("kernel.sql.sqlite.BUSY_S", 0.1)
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable) as busy:
                await database.write(lambda conn: conn.execute(insert).rowcount)
            assert busy.value.code == "database-busy"
        assert await database.write(lambda conn: conn.execute(insert).rowcount) == 1
    finally:
        await database.close()
