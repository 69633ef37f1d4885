"""A migration keeps every row, or changes nothing."""

import asyncio
import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.sql.db import Database, metadata
from kernel.sql.migrate import MigrationFailed, _config, migrate, upgrade_file
from yilian.wiring import tables

AT = dt.datetime(2025, 5, 12, 8, 0, tzinfo=dt.UTC)

ROWS = 5000

FIRST = """
    op.create_table(
        "houses",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("old", sa.String(20)),
    )
    op.create_table(
        "rooms",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "house_id",
            sa.Integer,
            sa.ForeignKey("houses.id", ondelete="CASCADE", name="fk_rooms_house_id"),
            nullable=False,
        ),
    )
"""
CONTRACT = """
    with op.batch_alter_table("houses") as batch:
        batch.drop_column("old")
        batch.alter_column("name", type_=sa.String(40), existing_type=sa.String(20))
"""
DELETE = """
    op.execute("DELETE FROM rooms WHERE id <= 3")
"""
ORPHANS = """
    op.execute("UPDATE rooms SET house_id = 999 WHERE id = 1")
"""
FAILS = """
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO nowhere VALUES (1)")
"""


def _script(folder: Path, number: int, body: str, *, may_change: str = "()") -> None:
    before = f'"{number - 1:04}"' if number > 1 else "None"
    head = dedent(
        f"""
        import sqlalchemy as sa
        from alembic import op

        revision = "{number:04}"
        down_revision = {before}
        ROWS_MAY_CHANGE = {may_change}


        def upgrade() -> None:
        """
    )
    (folder / f"{number:04}_change.py").write_text(head.rstrip() + "\n" + body)


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    folder = tmp_path / "versions"
    folder.mkdir()
    _script(folder, 1, FIRST)
    return folder


async def _fill(url: str) -> None:
    database = await Database.open(url)

    def fill(conn: sa.Connection) -> None:
        conn.execute(sa.text("INSERT INTO houses (id, name, old) VALUES (1, 'a', 'b')"))
        insert = sa.text("INSERT INTO rooms (id, house_id) VALUES (:id, 1)")
        conn.execute(insert, [{"id": number} for number in range(1, ROWS + 1)])

    try:
        await database.write(fill)
    finally:
        await database.close()


async def _rooms(url: str) -> int:
    database = await Database.open(url)
    try:
        return await database.read(
            lambda conn: conn.execute(sa.text("SELECT count(*) FROM rooms")).scalar_one()
        )
    finally:
        await database.close()


async def _tables(url: str) -> set[str]:
    database = await Database.open(url)
    try:
        return set(await database.read(lambda conn: sa.inspect(conn).get_table_names()))
    finally:
        await database.close()


async def test_changing_a_parent_table_keeps_every_child_row(
    database_url: str, versions: Path
) -> None:
    assert await migrate(database_url, versions=versions) == ["0001"]
    await _fill(database_url)
    _script(versions, 2, CONTRACT)
    assert await migrate(database_url, versions=versions) == ["0002"]
    assert await _rooms(database_url) == ROWS
    assert await migrate(database_url, versions=versions) == []


async def test_with_foreign_keys_on_every_child_row_goes_and_the_count_catches_it(
    sqlite_url: str, versions: Path
) -> None:
    """The negative control: the trap is there, and the counting is what it falls into."""
    await migrate(sqlite_url, versions=versions)
    await _fill(sqlite_url)
    _script(versions, 2, CONTRACT)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with pytest.raises(MigrationFailed, match=f"rooms: {ROWS} rows before, 0 after"):
        await asyncio.to_thread(upgrade_file, path, _config(versions), foreign_keys=True)
    assert await _rooms(sqlite_url) == ROWS


async def test_a_change_that_loses_rows_is_rolled_back_unless_it_says_so(
    database_url: str, versions: Path
) -> None:
    await migrate(database_url, versions=versions)
    await _fill(database_url)
    _script(versions, 2, DELETE)
    with pytest.raises(MigrationFailed, match="rooms"):
        await migrate(database_url, versions=versions)
    assert await _rooms(database_url) == ROWS
    _script(versions, 2, DELETE, may_change='("rooms",)')
    assert await migrate(database_url, versions=versions) == ["0002"]
    assert await _rooms(database_url) == ROWS - 3


async def test_a_child_without_its_parent_rolls_all_of_it_back(
    database_url: str, versions: Path
) -> None:
    await migrate(database_url, versions=versions)
    await _fill(database_url)
    _script(versions, 2, ORPHANS)
    with pytest.raises(MigrationFailed):
        await migrate(database_url, versions=versions)


async def test_a_script_that_fails_half_way_leaves_nothing(
    database_url: str, versions: Path
) -> None:
    await migrate(database_url, versions=versions)
    _script(versions, 2, FAILS)
    with pytest.raises(MigrationFailed):
        await migrate(database_url, versions=versions)
    assert "half" not in await _tables(database_url)


async def test_the_file_is_copied_before_it_is_changed(sqlite_url: str, versions: Path) -> None:
    await migrate(sqlite_url, versions=versions)
    await _fill(sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    assert not path.with_name(f"{path.name}.before-0001").exists()
    _script(versions, 2, DELETE, may_change='("rooms",)')
    await migrate(sqlite_url, versions=versions)
    with closing(sqlite3.connect(path.with_name(f"{path.name}.before-0002"))) as copy:
        assert copy.execute("SELECT count(*) FROM rooms").fetchone() == (ROWS,)


async def test_a_database_of_a_newer_release_is_left_alone(
    database_url: str, versions: Path
) -> None:
    _script(versions, 2, DELETE + "\n\nONE_WAY = True\n")
    await migrate(database_url, versions=versions)
    (versions / "0002_change.py").unlink()
    with pytest.raises(MigrationFailed) as newer:
        await migrate(database_url, versions=versions)
    assert newer.value.code == "database-newer"


async def test_several_processes_may_start_at_once(database_url: str, versions: Path) -> None:
    ran = await asyncio.gather(*(migrate(database_url, versions=versions) for _ in range(4)))
    assert sorted(ran) == [[], [], [], ["0001"]]


async def test_the_scripts_make_exactly_what_the_rooms_declare(database_url: str) -> None:
    """When this fails: tools/draft_migration.py writes the script that is missing."""
    tables.load()
    declared = {table for table in metadata.tables if not table.startswith("test_")}
    assert await migrate(database_url)
    database = await Database.open(database_url)

    def differences(conn: sa.Connection) -> list[object]:
        context = MigrationContext.configure(
            conn,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name in declared,
                "include_object": lambda _, name, kind, *__: kind != "table" or name in declared,
            },
        )
        return list(compare_metadata(context, metadata))

    try:
        assert await database.read(differences, within_s=20) == []
        await database.write(
            lambda conn: record(conn, "test", AuditEntry(at=AT, event=AuditEvent.STARTED))
        )
        with pytest.raises(sa.exc.DBAPIError, match="only ever added"):
            await database.write(
                lambda conn: conn.execute(sa.text("DELETE FROM audit_entries")).rowcount
            )
    finally:
        await database.close()
