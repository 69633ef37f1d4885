"""What each change of a database was made upon, and whether the release before can live with it.

An update that fails is taken back by starting the release before. That release does not know the
newer scripts, so they note themselves in the database: a script that only adds (new tables,
columns that may be left out, indexes) bears the program before it; one that does not says
``ONE_WAY = True`` and shuts it out.
"""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from alembic.script import ScriptDirectory

NAME: Final = "migration_lineage"
# Not among the rooms' tables: it must be there for whatever release comes, before any script.
_NOTES: Final = sa.Table(
    NAME,
    sa.MetaData(),
    sa.Column("revision", sa.String(32), primary_key=True),
    sa.Column("before", sa.String(32), nullable=True),
    sa.Column("one_way", sa.Boolean(), nullable=False),
)


def note(conn: sa.Connection, scripts: ScriptDirectory) -> None:
    """Write down every script that the database of *conn* has gone through, in its transaction."""
    _NOTES.create(conn, checkfirst=True)
    noted = set(conn.scalars(sa.select(_NOTES.c.revision)))
    for script in scripts.walk_revisions():
        if script.revision in noted:
            continue
        before = script.down_revision
        row = {
            "revision": script.revision,
            "before": before if isinstance(before, str) else None,
            "one_way": bool(getattr(script.module, "ONE_WAY", False)),
        }
        conn.execute(sa.insert(_NOTES).values(row))


def only_added(conn: sa.Connection, at: Collection[str], known: Collection[str]) -> bool:
    """Tell whether every change between *known* and *at* is noted and only adds.

    Args:
        conn: of the database; nothing is changed.
        at: the revisions it stands at.
        known: those the asking program has scripts for.
    """
    if not sa.inspect(conn).has_table(NAME):
        return False
    notes = {row.revision: row for row in conn.execute(sa.select(_NOTES))}
    for head in at:
        revision: str | None = head
        while revision not in known:
            found = notes.pop(revision, None)
            if found is None or found.one_way:
                return False
            revision = found.before
    return True
