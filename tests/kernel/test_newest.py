"""What is told of a database without Alembic is what Alembic would say."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from kernel.sql.migrate import _config, migrate
from kernel.sql.newest import is_newest, newest_revision
from yilian.wiring import tables


def test_the_last_scripts_file_is_named_by_its_revision() -> None:
    scripts = ScriptDirectory.from_config(_config(None))
    assert [newest_revision()] == scripts.get_heads()
    for script in scripts.walk_revisions():
        assert Path(script.path).name.partition("_")[0] == script.revision


async def test_only_a_database_that_went_through_every_script_is_newest(tmp_path: Path) -> None:
    tables.load()
    path = tmp_path / "node.sqlite"
    url = f"sqlite:///{path}"
    assert not is_newest(url)
    assert not path.exists()
    await migrate(url)
    assert is_newest(url)
    assert await migrate(url) == []


@pytest.mark.parametrize("revision", ["0001", "9999"])
async def test_an_older_and_a_newer_one_are_left_to_who_can_tell(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "node.sqlite"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        raw.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        raw.commit()
    assert not is_newest(f"sqlite:///{path}")


def test_what_is_no_database_of_ours_is_left_to_who_can_tell(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database at all" * 100)
    assert not is_newest(f"sqlite:///{broken}")
    assert not is_newest("postgresql://nobody@127.0.0.1/none")
