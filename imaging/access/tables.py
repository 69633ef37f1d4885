"""The tables of grants and emergency looks.

What a grant opens stands in ``study_reach`` as well, study by study, so that a search looks at one
table whatever the reason.
"""

from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import Code, RowId, UtcDateTime, metadata


def _code(name: str) -> sa.Column[str]:
    return sa.Column(name, Code, nullable=False, server_default="")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


grants: Final = sa.Table(
    "access_grants",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    # Code of an institution, or ``kernel.policy.person_holder`` of a person.
    sa.Column("holder", Code, nullable=False),
    # One of the two: all studies of a patient, those yet to come as well, or one study.
    sa.Column("patient", RowId, sa.ForeignKey("patient.id"), nullable=True),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=True),
    # ``kernel.policy.GRANTED``
    sa.Column("reason", Code, nullable=False),
    # What gave it, such as ``order:01J...``; what it is withdrawn by.
    sa.Column("given_by", Code, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Column("withdrawn_at", UtcDateTime, nullable=True),
    sa.Index("ix_access_grants_patient", "patient"),
    sa.Index("ix_access_grants_study", "study"),
    sa.Index("ix_access_grants_given_by", "given_by"),
    sqlite_autoincrement=True,
)

emergency_looks: Final = sa.Table(
    "emergency_looks",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    _text("username"),
    _text("display_name"),
    # Of the person who looked.
    _code("institution"),
    # Of the patient's studies, the institution that owned the newest.
    _code("owner"),
    _text("why"),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    # When the person ended it before its time.
    sa.Column("ended_at", UtcDateTime, nullable=True),
    # Empty until somebody has judged it: ``justified`` or ``not-justified``.
    _code("verdict"),
    _text("note"),
    _text("reviewed_by"),
    sa.Column("reviewed_at", UtcDateTime, nullable=True),
    sa.Index("ix_emergency_looks_user_id", "user_id", "id"),
    sa.Index("ix_emergency_looks_institution", "institution", "id"),
    sa.Index("ix_emergency_looks_owner", "owner", "id"),
    sqlite_autoincrement=True,
)

emergency_tries: Final = sa.Table(
    "emergency_tries",
    metadata,
    # Every number typed, found or not: who types many is trying numbers out.
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_emergency_tries_user_id", "user_id", "at"),
    sqlite_autoincrement=True,
)
