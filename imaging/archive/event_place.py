"""How far each reader of the node's events has come; a reader starts there after it was ended."""

import sqlalchemy as sa

from imaging.archive.tables import event_places


def place_of(conn: sa.Connection, reader: str) -> int | None:
    """Return the last event *reader* has dealt with, None for one that has never read."""
    columns = event_places.c
    found: int | None = conn.scalar(sa.select(columns.event_id).where(columns.reader == reader))
    return found


def keep_place(conn: sa.Connection, reader: str, event_id: int) -> None:
    """Write down that *reader* has dealt with all events up to *event_id*."""
    mine = event_places.c.reader == reader
    moved = conn.execute(sa.update(event_places).where(mine).values(event_id=event_id))
    if not moved.rowcount:
        conn.execute(sa.insert(event_places).values(reader=reader, event_id=event_id))
