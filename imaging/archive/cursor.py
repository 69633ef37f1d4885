"""Up to where each journal is filed; for doors too, which need nothing else of filing."""

import sqlalchemy as sa

from imaging.archive.tables import journal_cursor
from kernel.journal.frames import Position


def cursor(conn: sa.Connection, journal: str) -> Position:
    """Return up to where *journal* is filed."""
    found = conn.execute(
        sa.select(journal_cursor.c.segment, journal_cursor.c.position).where(
            journal_cursor.c.journal == journal
        )
    ).one_or_none()
    return Position(0, 0) if found is None else Position(found.segment, found.position)
