"""Tables of the HL7 door."""

from typing import Final

import sqlalchemy as sa

from kernel.sql.columns import Code, RowId, UtcDateTime, metadata

peers: Final = sa.Table(
    "hl7_peers",
    metadata,
    sa.Column("application", Code, primary_key=True),
    sa.Column("facility", Code, primary_key=True),
    sa.Column("institution", sa.ForeignKey("institutions.code"), nullable=False, index=True),
    # Separated by blanks.
    sa.Column("networks", sa.Text, nullable=False),
    sa.Column("charset", sa.String(64), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("processing", sa.String(3), nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("tls", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

messages: Final = sa.Table(
    "hl7_messages",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    # MSH-3 and MSH-4 as they stood, then MSH-10: a sender's own number of the message.
    sa.Column("sender", Code, nullable=False),
    sa.Column("control_id", Code, nullable=False),
    # SHA-256 of what it says, without the moment it was sent: senders begin to count anew.
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # MSA-1 of the answer, and our name of the fault.
    sa.Column("code", sa.String(2), nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("answer", sa.LargeBinary),
    # As it came; emptied with the row after [hl7] keep_days.
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
    sa.UniqueConstraint("sender", "control_id", "digest"),
    sa.Index("ix_hl7_messages_state", "state", "id"),
    sqlite_autoincrement=True,
)

outbox: Final = sa.Table(
    "hl7_outbox",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    # Names of the peer it goes to.
    sa.Column("application", Code, nullable=False),
    sa.Column("facility", Code, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    # Why it has not gone yet, empty for not tried.
    sa.Column("reason", sa.Text, nullable=False),
    # The peer said that it will never take it; the others go on.
    sa.Column("set_aside", sa.Boolean, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False, index=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)
