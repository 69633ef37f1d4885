"""The table of performed procedure steps."""

from typing import Final

import sqlalchemy as sa

from kernel.sql.db import JsonDocument, UtcDateTime, metadata

steps: Final = sa.Table(
    "performed_procedure_steps",
    metadata,
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("ae_title", sa.String(16), nullable=False),
    # IN PROGRESS, COMPLETED, DISCONTINUED
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
    # Text by keyword, sequences as lists of the same.
    sa.Column("attributes", JsonDocument, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)
