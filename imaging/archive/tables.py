"""The archive's tables.

Text that is compared or sorted has the "C" collation on PostgreSQL, so that prefixes are ranges
and both databases agree. A study carries its patient's attributes as its objects state them, so
that the study list is one table.
"""

from typing import Any, Final

import sqlalchemy as sa

from kernel.sql.columns import Code, JsonDocument, RowId, UtcDateTime, metadata


def _code(name: str, *, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, Code, nullable=False, server_default=default)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


patient: Final = sa.Table(
    "patient",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    _code("patient_id", default=None),
    _code("issuer"),
    _code("assigner"),
    _text("name"),
    _code("sex"),
    _code("birth_date"),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
    # The county's person behind it (``imaging.patients.tables.persons``); NULL until looked at.
    sa.Column("person", RowId, nullable=True),
    # It is new, or more is known of it: whose it is must be looked at.
    sa.Column("to_match", sa.Boolean(), nullable=False, server_default=sa.true()),
    # One patient, however many associations bring its first objects at once.
    sa.UniqueConstraint("patient_id", "issuer", "assigner"),
    sa.Index("ix_patient_person", "person"),
    sa.Index("ix_patient_birth_date", "birth_date", "sex"),
)
sa.Index(
    "ix_patient_to_match",
    patient.c.id,
    sqlite_where=patient.c.to_match,
    postgresql_where=patient.c.to_match,
)

study: Final = sa.Table(
    "study",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("study_instance_uid", Code, nullable=False, unique=True),
    _code("institution", default=None),
    sa.Column("patient", RowId, sa.ForeignKey("patient.id"), nullable=True),
    _code("patient_id"),
    _code("issuer_of_patient_id"),
    _text("patient_name"),
    # As the declared character set reads it, where that was repaired; else empty.
    _text("patient_name_declared"),
    _code("patient_sex"),
    _code("patient_birth_date"),
    _code("patient_age"),
    # What somebody guessed of a patient nobody knows (``imaging.archive.order_news``); else NULL.
    sa.Column("estimated_age_years", sa.SmallInteger(), nullable=True),
    _code("study_date"),
    _code("study_time"),
    _code("accession_number"),
    _code("study_id"),
    _code("study_description"),
    _text("referring_physician_name"),
    # Folded, for matching.
    _code("referring_physician_folded"),
    _text("institution_name"),
    _code("timezone_offset_from_utc"),
    _code("body_part_examined"),
    # Sorted, a backslash between two, as Modalities in Study (0008,0061).
    _code("modalities"),
    _count("series_count"),
    _count("instance_count"),
    _count("duplicate_count"),
    _count("conflict_count"),
    _count("size_bytes"),
    _flag("unidentified"),
    _flag("charset_repaired"),
    # Its objects name more than one patient.
    _flag("mixed_patients"),
    # Whose it is since a person put that right (``imaging.archive.correction``); NULL as it came.
    sa.Column("correction", JsonDocument, nullable=True),
    # 0 emergency, 1 urgent, 2 routine, 3 backfill; the most urgent of its objects, rules, order.
    sa.Column("priority", sa.SmallInteger(), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("ix_study_patient", "patient", "id"),
    sa.Index("ix_study_institution", "institution", "id"),
    sa.Index("ix_study_patient_id", "patient_id", "id"),
    sa.Index("ix_study_accession_number", "accession_number", "id"),
    sa.Index("ix_study_study_id", "study_id", "id"),
    sa.Index("ix_study_study_date", "study_date", "id"),
    sa.Index("ix_study_patient_birth_date", "patient_birth_date", "id"),
    sa.Index("ix_study_referring_physician_folded", "referring_physician_folded", "id"),
    sa.Index("ix_study_study_description", "study_description", "id"),
)

_TO_MEND: Final = {
    "ix_study_unidentified": study.c.unidentified,
    "ix_study_conflict_count": study.c.conflict_count > 0,
    "ix_study_mixed_patients": study.c.mixed_patients,
}
"""Few studies wait for a person; each list of them is as long as that, not as the archive."""
for _name, _which in _TO_MEND.items():
    sa.Index(_name, study.c.id, sqlite_where=_which, postgresql_where=_which)

# The emergencies that have just come (``imaging.archive.pinning``).
_EMERGENCY: Final = study.c.priority == sa.literal_column("0")
sa.Index(
    "ix_study_emergency",
    study.c.received_at,
    sqlite_where=_EMERGENCY,
    postgresql_where=_EMERGENCY,
)

study_name: Final = sa.Table(
    "study_name",
    metadata,
    # ``imaging.patients.names.TermKind``
    sa.Column("kind", Code, primary_key=True),
    sa.Column("text", Code, primary_key=True),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_study_name_study", "study"),
    sqlite_with_rowid=False,
)

study_reach: Final = sa.Table(
    "study_reach",
    metadata,
    # Who may find the study: the institution it belongs to, those it was routed to, and whoever
    # holds a grant (``kernel.policy.holders``), an institution or a person.
    sa.Column("institution", Code, primary_key=True),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), primary_key=True),
    # Empty for its own institution, and for grants.
    _text("rule"),
    sa.Column("since", UtcDateTime, nullable=False),
    # Of a grant, why (``kernel.policy.Reason``); empty for what stays: its own house and routes.
    _code("reason"),
    # When the grant ends by itself.
    sa.Column("until", UtcDateTime, nullable=True),
    sa.Index("ix_study_reach_study", "study"),
    sqlite_with_rowid=False,
)

study_suffix: Final = sa.Table(
    "study_suffix",
    metadata,
    # Letter of the field (``imaging.query.attributes``).
    sa.Column("field", Code, primary_key=True),
    # An end of the field's text (``imaging.patients.names.suffixes``).
    sa.Column("text", Code, primary_key=True),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_study_suffix_study", "study"),
    sqlite_with_rowid=False,
)

study_description: Final = sa.Table(
    "study_description",
    metadata,
    # Each description once: there are few, and a wildcard is tried on them, not on the studies.
    sa.Column("text", Code, primary_key=True),
    sqlite_with_rowid=False,
)

series: Final = sa.Table(
    "series",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
    _code("series_instance_uid", default=None),
    _code("modality"),
    sa.Column("series_number", sa.BigInteger(), nullable=True),
    _text("series_description"),
    _code("series_date"),
    _code("series_time"),
    _code("body_part_examined"),
    _code("laterality"),
    _text("protocol_name"),
    _text("manufacturer"),
    _text("station_name"),
    _text("institution_name"),
    _code("performed_procedure_step_start_date"),
    _code("performed_procedure_step_start_time"),
    _code("scheduled_procedure_step_id"),
    _code("requested_procedure_id"),
    _count("instance_count"),
    _count("size_bytes"),
    # Grows with each change to what its metadata says that is no arrival.
    _count("revision"),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    # Devices reuse series UIDs in other studies; within one study they name one series.
    sa.UniqueConstraint("study", "series_instance_uid"),
    sa.Index("ix_series_series_instance_uid", "series_instance_uid"),
    sa.Index("ix_series_modality", "modality", "study"),
    sa.Index("ix_series_requested_procedure_id", "requested_procedure_id"),
    sa.Index("ix_series_scheduled_procedure_step_id", "scheduled_procedure_step_id"),
)

instance: Final = sa.Table(
    "instance",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
    sa.Column("series", RowId, sa.ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    sa.Column("sop_instance_uid", Code, nullable=False, unique=True),
    _code("sop_class_uid"),
    _code("transfer_syntax_uid"),
    sa.Column("instance_number", sa.BigInteger(), nullable=True),
    sa.Column("rows", sa.Integer(), nullable=True),
    sa.Column("columns", sa.Integer(), nullable=True),
    sa.Column("bits_allocated", sa.Integer(), nullable=True),
    sa.Column("number_of_frames", sa.Integer(), nullable=True),
    _code("object_key"),
    _count("size_bytes"),
    _count("dataset_offset"),
    # Where the value of the pixel data lies in the object; 0 where there is none or it moves
    # (deflated objects). The length is -1 where it is encapsulated.
    _count("pixel_offset"),
    _count("pixel_length"),
    # What it was before it was compressed without loss; empty where it is as it was made.
    _code("native_transfer_syntax_uid"),
    _code("native_photometric_interpretation"),
    sa.Column("native_planar_configuration", sa.SmallInteger(), nullable=True),
    _code("native_pixel_vr"),
    _code("dataset_digest"),
    _code("pixels_digest"),
    _code("institution"),
    _code("ae_title"),
    _code("called_ae_title"),
    _code("address"),
    _code("door"),
    _code("oddities"),
    _count("duplicate_count"),
    sa.Column("received_at", UtcDateTime, nullable=False),
    # DICOM JSON of the whole data set, Zstandard.
    sa.Column("metadata_json", sa.LargeBinary(), nullable=False),
    sa.Index("ix_instance_series", "series", "instance_number", "id"),
    sa.Index("ix_instance_study", "study"),
)

instance_conflict: Final = sa.Table(
    "instance_conflict",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # The instance that answers for this UID, and its study.
    sa.Column("instance", RowId, sa.ForeignKey("instance.id", ondelete="CASCADE"), nullable=False),
    sa.Column("study", RowId, sa.ForeignKey("study.id", ondelete="CASCADE"), nullable=False),
    _code("sop_instance_uid", default=None),
    # Of the content that was kept beside the first.
    _code("study_instance_uid"),
    _code("series_instance_uid"),
    _code("sop_class_uid"),
    _code("transfer_syntax_uid"),
    _code("object_key"),
    _count("size_bytes"),
    _count("dataset_offset"),
    _code("dataset_digest"),
    _code("pixels_digest"),
    _code("reason"),
    _code("institution"),
    _code("ae_title"),
    # Empty, as what is odd about it, for what was kept before these were written down.
    _code("called_ae_title"),
    _code("address"),
    _code("door"),
    _code("oddities"),
    _count("seen_count"),
    _code("native_transfer_syntax_uid"),
    _code("native_photometric_interpretation"),
    sa.Column("native_planar_configuration", sa.SmallInteger(), nullable=True),
    _code("native_pixel_vr"),
    # None for what was kept before this was written down.
    sa.Column("received_at", UtcDateTime, nullable=True),
    sa.Column("kept_at", UtcDateTime, nullable=False),
    # What a person decided of it (``imaging.archive.amendment_tables.content_decisions``); NULL
    # while nobody has.
    sa.Column("decision", RowId, nullable=True),
    sa.Column("metadata_json", sa.LargeBinary(), nullable=False),
    sa.UniqueConstraint("sop_instance_uid", "dataset_digest", "pixels_digest"),
    sa.Index("ix_instance_conflict_study", "study"),
    sa.Index("ix_instance_conflict_study_instance_uid", "study_instance_uid"),
)

series_metadata: Final = sa.Table(
    "series_metadata",
    metadata,
    sa.Column("series", RowId, sa.ForeignKey("series.id", ondelete="CASCADE"), primary_key=True),
    # ``series.instance_count`` when it was made; older than the series where that has grown.
    _count("instance_count"),
    _code("etag"),
    sa.Column("gzip", sa.LargeBinary(), nullable=False),
)

_OPEN: Final = sa.text("taken_at IS NULL")
_WHILE_OPEN: Final[dict[str, Any]] = {"sqlite_where": _OPEN, "postgresql_where": _OPEN}
set_aside: Final = sa.Table(
    "filing_set_aside",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    _code("journal", default=None),
    sa.Column("segment", sa.BigInteger(), nullable=False),
    sa.Column("position", sa.BigInteger(), nullable=False),
    sa.Column("entry", sa.Integer(), nullable=False),
    _code("object_key"),
    _count("size_bytes"),
    _code("sop_instance_uid"),
    _code("study_instance_uid"),
    _code("institution"),
    _code("reason"),
    _text("detail"),
    sa.Column("arrival", JsonDocument, nullable=True),
    sa.Column("set_aside_at", UtcDateTime, nullable=False),
    # When an object of its UID was filed after it, by this house's clock; until then it is open.
    sa.Column("taken_at", UtcDateTime, nullable=True),
    sa.UniqueConstraint("journal", "segment", "position", "entry"),
    sa.Index("ix_filing_set_aside_open", "sop_instance_uid", **_WHILE_OPEN),
)

event_places: Final = sa.Table(
    "archive_event_places",
    metadata,
    # How far readers of the node's events are.
    sa.Column("reader", sa.String(64), primary_key=True),
    sa.Column("event_id", sa.BigInteger(), nullable=False),
)

journal_cursor: Final = sa.Table(
    "journal_cursor",
    metadata,
    sa.Column("journal", Code, primary_key=True),
    sa.Column("segment", sa.BigInteger(), nullable=False),
    sa.Column("position", sa.BigInteger(), nullable=False),
    sa.Column("filed_at", UtcDateTime, nullable=False),
)
