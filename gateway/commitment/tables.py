"""The tables of commitment requests and of the instances they ask about."""

from typing import Final

import sqlalchemy as sa

from kernel.sql.db import UtcDateTime, metadata

requests: Final = sa.Table(
    "commitment_requests",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("transaction_uid", sa.String(64), nullable=False),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("ae_title", sa.String(16), nullable=False),
    sa.Column("called_ae_title", sa.String(16), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    # gateway.commitment.machine.State
    sa.Column("state", sa.String(16), nullable=False),
    # How far the door's journal was; NULL where nobody knew.
    sa.Column("mark_segment", sa.BigInteger),
    sa.Column("mark_offset", sa.BigInteger),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    # When to look or to try next; NULL where nothing is to be done.
    sa.Column("due_at", UtcDateTime),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    # Code of the last failure.
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_commitment_requests_due", "state", "due_at"),
    sa.Index("ix_commitment_requests_transaction", "ae_title", "transaction_uid"),
    sa.Index("ix_commitment_requests_ended", "ended_at"),
)

references: Final = sa.Table(
    "commitment_references",
    metadata,
    sa.Column(
        "request_id",
        sa.ForeignKey(requests.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("sop_class_uid", sa.String(64), nullable=False),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),
    # gateway.commitment.model.Verdict
    sa.Column("verdict", sa.String(16), nullable=False),
)
