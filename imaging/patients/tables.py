"""The tables of the county's persons: who stands behind the numbers institutions gave."""

from typing import Final

import sqlalchemy as sa

from imaging.archive.tables import patient
from kernel.sql.columns import Code, JsonDocument, RowId, UtcDateTime, metadata


def _code(name: str) -> sa.Column[str]:
    return sa.Column(name, Code, nullable=False, server_default="")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


persons: Final = sa.Table(
    "persons",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
    # The person this one was found to be; NULL while it stands for itself.
    sa.Column("merged_into", RowId, nullable=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("ix_persons_merged_into", "merged_into"),
)

patient_numbers: Final = sa.Table(
    "patient_numbers",
    metadata,
    sa.Column("patient", RowId, sa.ForeignKey(patient.c.id, ondelete="CASCADE"), primary_key=True),
    # ``imaging.patients.matching.NumberKind``
    sa.Column("kind", Code, primary_key=True),
    sa.Column("number", Code, nullable=False),
    # Who said so, such as "registration:01J...".
    _code("source"),
    sa.Column("noted_at", UtcDateTime, nullable=False),
    sa.Index("ix_patient_numbers_number", "number", "kind"),
)

person_terms: Final = sa.Table(
    "person_terms",
    metadata,
    # What one of a person's patients is called, in every form, or its number; found by its
    # beginning. Only of persons that are several patients.
    sa.Column("text", Code, primary_key=True),
    sa.Column("patient", RowId, sa.ForeignKey(patient.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_person_terms_patient", "patient"),
    sqlite_with_rowid=False,
)

match_proposals: Final = sa.Table(
    "match_proposals",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # The lower row first.
    sa.Column("one", RowId, sa.ForeignKey(patient.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("other", RowId, sa.ForeignKey(patient.c.id, ondelete="CASCADE"), nullable=False),
    # "open", "confirmed" or "refused"
    _code("state"),
    sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    _text("decided_by"),
    _text("decided_by_name"),
    sa.Column("decided_at", UtcDateTime, nullable=True),
    sa.UniqueConstraint("one", "other"),
    sa.Index("ix_match_proposals_state", "state", "id"),
    sa.Index("ix_match_proposals_other", "other"),
)

person_merges: Final = sa.Table(
    "person_merges",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("kept", RowId, sa.ForeignKey(persons.c.id), nullable=False),
    sa.Column("gone", RowId, sa.ForeignKey(persons.c.id), nullable=False),
    # Rows of the patients that went over.
    sa.Column("patients", JsonDocument, nullable=False),
    # "number", "person", or "reconciliation" (``imaging.patients.reconciling``).
    _code("basis"),
    _text("reason"),
    _text("made_by"),
    _text("made_by_name"),
    sa.Column("made_at", UtcDateTime, nullable=False),
    _text("undone_by"),
    _text("undone_by_name"),
    _text("undone_reason"),
    sa.Column("undone_at", UtcDateTime, nullable=True),
    sa.Index("ix_person_merges_kept", "kept"),
    sa.Index("ix_person_merges_gone", "gone"),
)
