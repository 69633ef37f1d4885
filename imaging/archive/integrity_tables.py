"""The tables of the scrub: when each object was last found whole, and which are damaged.

They are kept apart from the index: reading and writing them never meets an arrival.
"""

from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import Code, RowId, UtcDateTime, metadata


def _code(name: str) -> sa.Column[str]:
    return sa.Column(name, Code, nullable=False, server_default="")


object_checks: Final = sa.Table(
    "object_checks",
    metadata,
    sa.Column("object_key", Code, primary_key=True),
    # Where to look whether a row still names it.
    _code("sop_instance_uid"),
    # Of all its bytes; empty until it was first read. From then on a check decodes nothing.
    _code("sha256"),
    # When it was last known whole: filed, or read since; or last looked at, where it is damaged.
    sa.Column("checked_at", UtcDateTime, nullable=False),
    sa.Index("ix_object_checks_checked_at", "checked_at", "object_key"),
    sqlite_with_rowid=False,
)

sa.Index(
    "ix_object_checks_unread",
    object_checks.c.checked_at,
    object_checks.c.object_key,
    sqlite_where=object_checks.c.sha256 == "",
    postgresql_where=object_checks.c.sha256 == "",
)

object_check_places: Final = sa.Table(
    "object_check_places",
    metadata,
    # How far the rows of a table are taken down.
    sa.Column("source", Code, primary_key=True),
    sa.Column("last_id", sa.BigInteger(), nullable=False),
    # Rows whose numbers were given out of turn are met the next time round.
    sa.Column("began_at", UtcDateTime, nullable=False),
)

object_damages: Final = sa.Table(
    "object_damages",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    _code("object_key"),
    # "missing", "unreadable" or "digest-differs" (``imaging.archive.object_truth``)
    _code("kind"),
    _code("sop_instance_uid"),
    _code("study_instance_uid"),
    _code("institution"),
    sa.Column("found_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    # When it was whole again, or no row named it any more.
    sa.Column("mended_at", UtcDateTime, nullable=True),
    # By what: "repair", "found-whole" or "not-named".
    _code("mended_by"),
)
sa.Index(
    "ix_object_damages_open",
    object_damages.c.object_key,
    unique=True,
    sqlite_where=object_damages.c.mended_at.is_(None),
    postgresql_where=object_damages.c.mended_at.is_(None),
)
