"""A node is copied while it runs, brought back into a new home, and checked on both databases."""

import asyncio
import datetime as dt
import fcntl
from pathlib import Path

import pytest
import sqlalchemy as sa

from imaging.archive.tables import instance, series, study
from kernel.settings import NodeKind
from kernel.sql.db import Database
from kernel.sql.migrate import migrate, pending
from tests.databases import PostgresServer, new_database
from yilian.cli import main
from yilian.wiring import tables
from yilian.wiring.homes import Home

AT = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
KEY = "aa/bb/cc"


def put_one(conn: sa.Connection) -> None:
    times = {"received_at": AT, "updated_at": AT}
    conn.execute(
        sa.insert(study).values(
            id=1, study_instance_uid="1.2", institution="x", priority=2, **times
        )
    )
    conn.execute(sa.insert(series).values(id=1, study=1, series_instance_uid="1.3", **times))
    conn.execute(
        sa.insert(instance).values(
            study=1,
            series=1,
            sop_instance_uid="1.4",
            object_key=KEY,
            size_bytes=5,
            received_at=AT,
            metadata_json=b"",
        )
    )


def put_rows(url: str) -> None:
    """Make the tables, and one instance of five bytes."""

    async def run() -> None:
        tables.load()
        await migrate(url)
        database = await Database.open(url)
        try:
            await database.write(put_one)
        finally:
            await database.close()

    asyncio.run(run())


def put_object(home: Home, raw: bytes = b"12345") -> Path:
    path = home.objects / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    put_rows(made.database_url)
    put_object(made)
    made.settings_file.write_text('[node]\nname = "县医院"\n', "utf-8")
    return made


def db(*words: object) -> int:
    return main(["db", *map(str, words)])


def test_a_copy_is_brought_back_whole_into_a_new_home(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, node_id = home.public_key(), home.node_id()
    with (home.root / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the node runs
        assert db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
        assert db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    new = tmp_path / "new"
    assert db("restore", "--home", new, "--from", tmp_path / "copy") == 0
    assert "1 objects looked up, 0 faults" in capsys.readouterr().out
    back = Home(new)
    assert back.kind() is NodeKind.COUNTY
    assert back.public_key() == key
    assert back.node_id() != node_id
    assert (back.objects / KEY).read_bytes() == b"12345"
    assert back.settings_file.read_text("utf-8") == home.settings_file.read_text("utf-8")
    assert not {path for path in back.root.rglob("*") if path.stat().st_mode & 0o077}


def test_a_home_that_is_there_is_never_written_over(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    assert db("restore", "--home", home.root, "--from", tmp_path / "copy") == 1
    assert "home-in-use" in capsys.readouterr().err
    assert db("restore", "--home", tmp_path / "new", "--from", tmp_path) == 1
    assert "no-copy" in capsys.readouterr().err


def test_a_copy_that_lacks_an_object_is_found_out(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("backup", "--home", home.root, "--to", tmp_path / "copy") == 0
    (tmp_path / "copy" / "objects" / KEY).unlink()
    assert db("restore", "--home", tmp_path / "new", "--from", tmp_path / "copy") == 1
    assert f"object {KEY} is missing" in capsys.readouterr().out


def test_a_new_home_is_made_where_its_kind_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("migrate", "--home", tmp_path / "home") == 1
    assert "no-such-home" in capsys.readouterr().err
    assert db("migrate", "--home", tmp_path / "home", "--kind", "county") == 0
    assert db("verify", "--home", tmp_path / "home") == 0


@pytest.mark.postgres
def test_objects_are_looked_up_on_postgresql_too(
    tmp_path: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    home.settings_file.write_text(f'[database]\nurl = "{postgres_url}"\n', "utf-8")
    put_rows(postgres_url)
    path = put_object(home)
    assert db("verify", "--home", home.root) == 0
    assert "1 objects looked up" in capsys.readouterr().out
    path.write_bytes(b"1234")
    assert db("verify", "--home", home.root) == 1
    assert "another size" in capsys.readouterr().out


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres_programs")
def test_a_county_on_postgresql_is_brought_back_into_an_empty_database(
    tmp_path: Path, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    with new_database(postgres_server) as source, new_database(postgres_server) as empty:
        home.settings_file.write_text(f'[database]\nurl = "{source}"\n', "utf-8")
        put_rows(source)
        put_object(home)
        copy = tmp_path / "copy"
        for _ in range(2):
            assert db("backup", "--home", home.root, "--to", copy) == 0
        assert (copy / "yilian.dump").stat().st_mode & 0o077 == 0
        assert db("backup", "--home", home.root, "--to", tmp_path / "rows.dump") == 0
        assert db("backup", "--home", home.root, "--to", tmp_path / "rows.sqlite") == 1
        # Into one that holds something already, nothing is brought.
        assert db("restore", "--home", tmp_path / "new", "--from", copy) == 1
        assert "dump-failed" in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
        (copy / "yilian.toml").write_text(f'[database]\nurl = "{empty}"\n', "utf-8")
        assert db("restore", "--home", tmp_path / "new", "--from", copy) == 0
        assert "1 objects looked up, 0 faults" in capsys.readouterr().out
        # Its numbers go on where they were, and its schema is of this release.
        assert asyncio.run(pending(empty)) == []
