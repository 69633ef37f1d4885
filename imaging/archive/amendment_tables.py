"""The tables of what people put right: whose a study is, which of its objects and contents count.

Nothing in them is ever taken out: what was undone says so.
"""

from typing import Any, Final

import sqlalchemy as sa

from kernel.sql.columns import Code, JsonDocument, RowId, UtcDateTime, metadata


def _code(name: str) -> sa.Column[str]:
    return sa.Column(name, Code, nullable=False, server_default="")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _made() -> tuple[sa.Column[Any], ...]:
    made_at = sa.Column("made_at", UtcDateTime, nullable=False)
    return _text("made_by"), _text("made_by_name"), made_at


def _undone() -> tuple[sa.Column[Any], ...]:
    undone_at = sa.Column("undone_at", UtcDateTime, nullable=True)
    return _text("undone_by"), _text("undone_by_name"), _text("undone_reason"), undone_at


study_corrections: Final = sa.Table(
    "study_corrections",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # No foreign key: the study may leave the index while all its objects are rejected.
    _code("study_instance_uid"),
    _code("institution"),
    # Whose it is now, as the register calls it: "patient:..." or "order:...".
    _code("target"),
    # ``imaging.archive.correction.Correction``
    sa.Column("correction", JsonDocument, nullable=False),
    # What stood in the index, for taking it back.
    sa.Column("before", JsonDocument, nullable=False),
    _text("reason"),
    *_made(),
    *_undone(),
    sa.Index("ix_study_corrections_study_instance_uid", "study_instance_uid"),
)

content_decisions: Final = sa.Table(
    "content_decisions",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    # No foreign keys, as above.
    _code("study_instance_uid"),
    _code("sop_instance_uid"),
    _code("institution"),
    # Digests (``ContentDigest.whole``): of the content that answers, and of the one that did.
    _code("answers"),
    _code("before"),
    # The digests of all contents there were to choose from; another one opens the matter again.
    sa.Column("contents", JsonDocument, nullable=False),
    _text("reason"),
    *_made(),
    *_undone(),
    sa.Index("ix_content_decisions_sop_instance_uid", "sop_instance_uid"),
    sa.Index("ix_content_decisions_study_instance_uid", "study_instance_uid"),
)

rejections: Final = sa.Table(
    "rejections",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    _code("study_instance_uid"),
    _code("institution"),
    # Code value of the note's title (PS3.16 CID 7011).
    _code("title"),
    _text("reason"),
    # SOP Instance UID of the rejection note; one note is one rejection, however often it comes.
    sa.Column("note", Code, nullable=False, unique=True),
    # AE title of whoever sent the note; empty where it was made here.
    _code("sent_by"),
    *_made(),
    # Rows of the study, its series and who may find it, as they were.
    sa.Column("shelf", JsonDocument, nullable=False),
    *_undone(),
    sa.Index("ix_rejections_study_instance_uid", "study_instance_uid"),
    sa.Index("ix_rejections_institution", "institution", "id"),
)

rejected_contents: Final = sa.Table(
    "rejected_contents",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("rejection", RowId, sa.ForeignKey("rejections.id"), nullable=False),
    # "answers", "beside", "note" or "awaited" (``imaging.archive.rejecting``)
    _code("kind"),
    _code("series_instance_uid"),
    sa.Column("sop_instance_uid", Code, nullable=False),
    _code("object_key"),
    sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default="0"),
    _code("dataset_digest"),
    _code("pixels_digest"),
    # How often it came while it was rejected.
    sa.Column("seen_count", sa.BigInteger(), nullable=False, server_default="0"),
    # The row it was, without what stands in columns of its own.
    sa.Column("row", JsonDocument, nullable=False),
    sa.Column("metadata_json", sa.LargeBinary(), nullable=True),
    sa.Index("ix_rejected_contents_sop_instance_uid", "sop_instance_uid"),
    sa.Index("ix_rejected_contents_rejection", "rejection"),
)
