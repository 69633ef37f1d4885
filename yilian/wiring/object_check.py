"""Whether every object the database names is there, on SQLite and PostgreSQL alike."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from gateway.township.tables import instances
from imaging.archive.amendment_tables import rejected_contents
from imaging.archive.tables import instance, instance_conflict
from kernel.sql.db import Database

_PAGE: Final = 5000
_KEPT: Final = (
    (instance, sa.true()),
    (instance_conflict, sa.true()),
    (rejected_contents, rejected_contents.c.object_key != ""),
    # At a township, what the county has for long is gone by intent, and some had no bytes to keep.
    (instances, instances.c.deleted_at.is_(None) & (instances.c.object_key != "")),
)
"""The tables whose rows name objects, and which of the rows."""


async def objects_missing(
    database: Database, folder: Path, *, newer: Path | None = None
) -> AsyncIterator[tuple[int, list[str]]]:
    """Yield, page by page, how many objects were looked up and what is wrong with which.

    Args:
        database: names the objects.
        folder: where they belong.
        newer: the store of a node that went on while *folder* was copied from it; what is only
            there came after.
    """
    for table, kept in _KEPT:
        last = 0
        while rows := await database.read(partial(_page, table=table, kept=kept, after=last)):
            last = rows[-1].id
            faults = [fault for row in rows if (fault := _fault(folder, row, newer))]
            yield len(rows), faults


def _page(
    conn: sa.Connection, *, table: sa.Table, kept: sa.ColumnElement[bool], after: int
) -> list[sa.Row[Any]]:
    if not sa.inspect(conn).has_table(table.name):
        return []
    columns = table.c
    query = sa.select(columns.id, columns.object_key, columns.size_bytes)
    return list(
        conn.execute(query.where(columns.id > after, kept).order_by(columns.id).limit(_PAGE))
    )


def _fault(folder: Path, row: sa.Row[Any], newer: Path | None) -> str:
    key, size = row.object_key, row.size_bytes
    try:
        found = (folder / key).stat().st_size
    except OSError:
        if newer is not None and (newer / key).is_file():
            return ""
        return f"object {key} is missing"
    return "" if found == size else f"object {key} has another size"
