"""The township's tables: studies, instances, parcels, journal cursors, and what holds the line."""

from typing import Final

import sqlalchemy as sa

from kernel.sql.db import JsonDocument, RowId, UtcDateTime, metadata


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


studies: Final = sa.Table(
    "township_studies",
    metadata,
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    sa.Column("institution", sa.String(64), nullable=False),
    _text("patient_id"),
    # Alphabetic=Ideographic=Phonetic, decoded and repaired.
    _text("patient_name"),
    _text("patient_sex"),
    _text("patient_birth_date"),
    _text("patient_age"),
    _text("accession_number"),
    _text("description"),
    _text("body_part"),
    _text("modality"),
    _text("study_date"),
    _text("study_time"),
    _text("timezone_offset_from_utc"),
    # 0 emergency, 1 urgent, 2 routine, 3 backfill
    sa.Column("rank", sa.SmallInteger, nullable=False),
    # How often a person chose the rank; from the first time on only people change it.
    sa.Column("rank_choices", sa.Integer, nullable=False, server_default="0"),
    _flag("paused"),
    # When a person put it before the others of its rank; the latest goes first.
    sa.Column("put_first_at", UtcDateTime),
    _flag("unidentified"),
    sa.Column("conflicts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("first_received_at", UtcDateTime, nullable=False),
    sa.Column("last_received_at", UtcDateTime, nullable=False),
    # When the last of its instances was receipted; NULL while any is not.
    sa.Column("county_received_at", UtcDateTime),
    sa.Index("ix_township_studies_queue", "county_received_at", "rank", "first_received_at"),
)

parcels: Final = sa.Table(
    "township_parcels",
    metadata,
    sa.Column("parcel_id", sa.String(26), primary_key=True),
    sa.Column("study_instance_uid", sa.ForeignKey(studies.c.study_instance_uid), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    # Where it is being uploaded to; NULL before the county gave an address.
    sa.Column("upload_url", sa.Text),
    # When its last byte was acknowledged; NULL while it is on the line.
    sa.Column("sent_at", UtcDateTime),
    # How often the county found its bytes damaged.
    sa.Column("damaged", sa.Integer, nullable=False, server_default="0"),
)

instances: Final = sa.Table(
    "township_instances",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("study_instance_uid", sa.ForeignKey(studies.c.study_instance_uid), nullable=False),
    sa.Column("series_instance_uid", sa.String(64), nullable=False),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),
    # ContentDigest.whole: same UID and same content is the same instance.
    sa.Column("content", sa.String(160), nullable=False),
    sa.Column("object_key", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    # As a parcel carries it; see kernel.arrival.
    sa.Column("arrival", JsonDocument, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("parcel_id", sa.ForeignKey(parcels.c.parcel_id), index=True),
    # It was set aside and is tried again: it travels alone.
    _flag("alone"),
    # It was in a parcel that was refused as a whole: it travels with those of the same half only,
    # to find the culprit. Empty for all others.
    sa.Column("half", sa.String(32), nullable=False, server_default=""),
    # What its place in the series is told by; NULL where the image does not say.
    sa.Column("instance_number", sa.BigInteger),
    sa.Column("position_mm", sa.Float),
    sa.Column("county_at", UtcDateTime),
    # When its object file was deleted here.
    sa.Column("deleted_at", UtcDateTime),
    # When it was looked at for the viewers of this node; NULL before.
    sa.Column("shown_at", UtcDateTime),
    _text("reason_code"),
    _text("reason"),
    sa.UniqueConstraint("sop_instance_uid", "content"),
    sa.Index("ix_township_instances_study_state", "study_instance_uid", "state"),
    sa.Index("ix_township_instances_kept", "state", "deleted_at", "county_at"),
)

# What the county signed for and cannot read, as it told; see gateway.township.county_asides.
county_asides: Final = sa.Table(
    "township_county_asides",
    metadata,
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
    # As in township_instances.
    sa.Column("content", sa.String(160), primary_key=True),
    _text("reason_code"),
    sa.Column("told_at", UtcDateTime, nullable=False),
)

_TO_SHOW: Final = instances.c.shown_at.is_(None) & instances.c.deleted_at.is_(None)
sa.Index(
    "ix_township_instances_to_show",
    instances.c.id,
    sqlite_where=_TO_SHOW,
    postgresql_where=_TO_SHOW,
)
"""What is to be looked at is little; finding it takes as long as that, not as all there is."""

cursors: Final = sa.Table(
    "township_cursors",
    metadata,
    sa.Column("journal", sa.String(64), primary_key=True),
    sa.Column("segment", sa.BigInteger, nullable=False),
    # Named so because OFFSET is a word of SQL.
    sa.Column("at_offset", sa.BigInteger, nullable=False),
)

# One row, made when it is first needed.
line_holds: Final = sa.Table(
    "township_line_holds",
    metadata,
    sa.Column("line", sa.String(16), primary_key=True),
    # Nothing is sent before; NULL where nothing holds it.
    sa.Column("held_until", UtcDateTime),
    # Who held it, as the page shows it.
    _text("held_by"),
)
