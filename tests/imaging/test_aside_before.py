"""What an earlier release set aside is open after the change exactly where it was before."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive import backlog, tables as archive
from kernel.sql import migrations
from kernel.sql.db import Database
from kernel.sql.migrate import migrate
from tests.imaging.sample import AT
from yilian.wiring import tables

SCRIPTS: Final = Path(migrations.__path__[0]) / "versions"
[BY] = (path.name[:4] for path in SCRIPTS.glob("*_close_what_is_set_aside.py"))
HERE: Final = {"institution": "qingshan"}
HOUR: Final = dt.timedelta(hours=1)


def taken_and_set_aside(conn: sa.Connection) -> None:
    """Set three objects aside: one came an hour later, one an hour before, one never."""
    now: dict[str, Any] = {"received_at": AT, "updated_at": AT}
    conn.execute(
        sa.insert(archive.study).values(
            id=1, study_instance_uid="2.25.9", priority=2, **HERE, **now
        )
    )
    conn.execute(sa.insert(archive.series).values(id=1, study=1, series_instance_uid="8", **now))
    for uid, came in (("2.25.1", AT + HOUR), ("2.25.2", AT - HOUR)):
        conn.execute(
            sa.insert(archive.instance).values(
                study=1,
                series=1,
                sop_instance_uid=uid,
                sop_class_uid="2.25.7",
                received_at=came,
                metadata_json=b"",
                **HERE,
            )
        )
    for entry, uid in enumerate(("2.25.1", "2.25.2", "2.25.3")):
        conn.execute(
            sa.insert(archive.set_aside).values(
                journal="dicom",
                segment=1,
                position=1,
                entry=entry,
                sop_instance_uid=uid,
                set_aside_at=AT,
            )
        )


async def test_what_was_open_before_the_change_is_open_after_it(
    database_url: str, tmp_path: Path
) -> None:
    tables.load()
    older = tmp_path / "older"
    shutil.copytree(SCRIPTS, older)
    for script in older.glob("[0-9]*.py"):
        if script.name[:4] >= BY:
            script.unlink()
    await migrate(database_url, versions=older)
    database = await Database.open(database_url)
    await database.write(taken_and_set_aside)
    await database.close()
    assert BY in await migrate(database_url)
    database = await Database.open(database_url)
    opened = await database.read(backlog.aside)
    await database.close()
    assert [one.sop_instance_uid for one in opened] == ["2.25.3", "2.25.2"]
