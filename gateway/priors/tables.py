"""Questions to archives about earlier studies, and the studies that come because of them."""

from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import Code, JsonDocument, RowId, UtcDateTime, metadata

questions: Final = sa.Table(
    "prior_questions",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # AE title.
    sa.Column("archive", Code, nullable=False),
    # The study that came.
    sa.Column("study_instance_uid", Code, nullable=False),
    sa.Column("asked", JsonDocument, nullable=False),
    sa.Column("rule", sa.Text(), nullable=False),
    sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("reason", sa.Text(), nullable=False, server_default=""),
    sa.Column("next_try_at", UtcDateTime, nullable=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
    # None while it waits.
    sa.Column("done_at", UtcDateTime, nullable=True),
    sa.UniqueConstraint("archive", "study_instance_uid"),
)
sa.Index(
    "ix_prior_questions_waiting",
    questions.c.archive,
    questions.c.id,
    sqlite_where=questions.c.done_at.is_(None),
    postgresql_where=questions.c.done_at.is_(None),
)

fetched: Final = sa.Table(
    "prior_studies",
    metadata,
    # The earlier study, written down before it is asked for.
    sa.Column("study_instance_uid", Code, primary_key=True),
    # The study that came.
    sa.Column("for_study", Code, primary_key=True),
    sa.Column("archive", Code, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
)
