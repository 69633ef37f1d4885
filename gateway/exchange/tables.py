"""The exchange's tables. Each stands at the side its comment names; both have them all."""

from typing import Final

import sqlalchemy as sa

from gateway.accounts.tables import accounts
from kernel.identity import institutions
from kernel.sql.columns import JsonDocument, RowId, UtcDateTime, metadata


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _letter() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int], sa.Column[object]]:
    return (
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", JsonDocument, nullable=False),
    )


# Node: letters up, in the transaction of what they tell of. Gone once the county has them; those
# it refused stay with the reason.
letters_out: Final = sa.Table(
    "exchange_out",
    metadata,
    sa.Column("sequence", RowId, primary_key=True, autoincrement=True),
    # Under which number the county knows it, in this epoch; NULL before it is first sent, for
    # what is written first may go later.
    sa.Column("sent_as", sa.BigInteger, index=True),
    sa.Column("id", sa.String(26), nullable=False),
    *_letter(),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("refused_at", UtcDateTime),
    _text("refused_code"),
    _text("refused_detail"),
    # Without it SQLite gives the number of a letter that is gone out again.
    sqlite_autoincrement=True,
)

# Node: the one row of where it stands with its county.
link: Final = sa.Table(
    "exchange_link",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True),
    sa.Column("epoch", sa.String(26), nullable=False),
    sa.Column("acked_sequence", sa.BigInteger, nullable=False),
    sa.Column("acked_id", sa.String(26), nullable=False),
    sa.Column("feed_after", sa.BigInteger, nullable=False),
    # Newest version the county has spoken with it.
    sa.Column("protocol", sa.Integer, nullable=False),
    # Last row of the audit trail that stands in a letter.
    sa.Column("audit_after", sa.BigInteger, nullable=False),
    # When the county last answered, by the node's clock; accounts are good for a while from then.
    sa.Column("heard_at", UtcDateTime),
)

# Both: letters that came and could not be taken, whole, with the reason.
letters_kept: Final = sa.Table(
    "exchange_kept",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    # Id of the node that wrote it, or ``county``.
    sa.Column("source", sa.String(26), nullable=False),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("epoch", sa.String(26), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    *_letter(),
    sa.Column("code", sa.String(64), nullable=False),
    _text("detail"),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_exchange_kept_source", "source", "epoch", "sequence"),
)

# County: who may become a node, once.
invitations: Final = sa.Table(
    "exchange_invitations",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("institution", sa.ForeignKey(institutions.c.code), nullable=False),
    _text("made_by"),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
    sa.Column("node", sa.String(26)),
    sa.Column("withdrawn_at", UtcDateTime),
    _text("withdrawn_by"),
)

nodes: Final = sa.Table(
    "exchange_nodes",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("institution", sa.ForeignKey(institutions.c.code), nullable=False, index=True),
    sa.Column("public_key", sa.String(64), nullable=False, unique=True),
    sa.Column("enrolled_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    _text("revoked_by"),
)

# County: nonces that have been signed, until they are too old anyway.
used_nonces: Final = sa.Table(
    "exchange_used_nonces",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

sessions: Final = sa.Table(
    "exchange_sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), nullable=False, index=True),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# County: how far it has read each node.
received: Final = sa.Table(
    "exchange_received",
    metadata,
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), primary_key=True),
    sa.Column("epoch", sa.String(26), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("letter_id", sa.String(26), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

# County: letters down; of what has no history only the newest.
feed: Final = sa.Table(
    "exchange_feed",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("institution", sa.String(64), nullable=False),
    # Id of the one node it is for; empty for all of the institution.
    sa.Column("node", sa.String(26), nullable=False, server_default=""),
    *_letter(),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    # Told once more to a node that began anew; gone when it has read it.
    sa.Column("retold", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_exchange_feed_institution", "institution", "id"),
    sa.Index("ix_exchange_feed_key", "institution", "node", "kind", "key"),
    sqlite_autoincrement=True,
)

# County: how far each node has read, and how far it has been told again what was before it.
readers: Final = sa.Table(
    "exchange_readers",
    metadata,
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), primary_key=True),
    sa.Column("read_to", sa.BigInteger, nullable=False),
    # Where telling again goes on; empty at its beginning.
    sa.Column("mark", sa.String(64), nullable=False, server_default=""),
    sa.Column("all_told", sa.Boolean, nullable=False, server_default=sa.false()),
)

# County: how each node is, as it said itself.
node_status: Final = sa.Table(
    "exchange_node_status",
    metadata,
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), primary_key=True),
    # By the county's clock.
    sa.Column("heard_at", UtcDateTime, nullable=False),
    sa.Column("protocol", sa.Integer, nullable=False),
    sa.Column("heartbeat", JsonDocument),
    # When the county noticed that it was silent; NULL while it speaks.
    sa.Column("silent_at", UtcDateTime),
    # Where its audit trail does not hold; empty while it does.
    _text("audit_fault"),
)

# County: studies nodes have told of.
node_studies: Final = sa.Table(
    "exchange_node_studies",
    metadata,
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), primary_key=True),
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    sa.Column("state", JsonDocument, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False, index=True),
    sa.Index("ix_exchange_node_studies_study", "study_instance_uid"),
)

# County: the trails of its nodes, hashes and all.
node_audit: Final = sa.Table(
    "exchange_node_audit",
    metadata,
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), primary_key=True),
    sa.Column("chain", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("patient", sa.Text, nullable=False, index=True),
    # All of the entry, as the node hashed it.
    sa.Column("entry", JsonDocument, nullable=False),
    sa.Column("hash", sa.String(80), nullable=False),
    sa.Index("ix_exchange_node_audit_newest", "node", "at", "chain", "number"),
)

# County: which state of each account stands in a letter.
account_letters: Final = sa.Table(
    "exchange_account_letters",
    metadata,
    sa.Column("account_id", sa.String(26), primary_key=True),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)

# Node: which of its accounts are the county's.
accounts_here: Final = sa.Table(
    "exchange_accounts",
    metadata,
    sa.Column("county_id", sa.String(26), primary_key=True),
    sa.Column("account_id", sa.ForeignKey(accounts.c.id), nullable=False, unique=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

# Both: how many instances a modality, or who chose its files, said a study has.
expected: Final = sa.Table(
    "exchange_expected",
    metadata,
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    sa.Column("instances", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

# County: what the devices of its townships said of their procedure steps (MPPS).
node_steps: Final = sa.Table(
    "exchange_node_steps",
    metadata,
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("node", sa.ForeignKey("exchange_nodes.id"), nullable=False),
    sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
    sa.Column("ae_title", sa.String(16), nullable=False),
    # IN PROGRESS, COMPLETED, DISCONTINUED
    sa.Column("state", sa.String(16), nullable=False),
    # How many it says it made; counts once it has ended.
    sa.Column("instances", sa.Integer, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
)

# Node: studies that came, or are to come, from the county.
returns: Final = sa.Table(
    "exchange_returns",
    metadata,
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    # ``prior`` or ``report``: why it was sent for.
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    _text("code"),
    _text("asked_by"),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    # How many objects the county named in all; 0 before it did.
    sa.Column("objects", sa.Integer, nullable=False, server_default="0"),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
)

# Node: their objects.
return_objects: Final = sa.Table(
    "exchange_return_objects",
    metadata,
    sa.Column(
        "study_instance_uid", sa.ForeignKey("exchange_returns.study_instance_uid"), primary_key=True
    ),
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
    sa.Column("series_instance_uid", sa.String(64), nullable=False),
    sa.Column("sop_class_uid", sa.String(64), nullable=False),
    sa.Column("transfer_syntax_uid", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("dataset_digest", sa.String(64), nullable=False),
    sa.Column("pixels_digest", sa.String(64), nullable=False),
    # What it was before it was compressed without loss; NULL where it is as it was made.
    sa.Column("native", JsonDocument),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    _text("code"),
    sa.Column("object_key", sa.String(64), nullable=False, server_default=""),
    # When it was looked at for the viewers of this node; NULL before.
    sa.Column("shown_at", UtcDateTime),
    # What was held against it since it was named so; NULL is never before a time.
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", UtcDateTime),
    sa.Index("ix_exchange_return_objects_state", "state"),
    sa.Index("ix_exchange_return_objects_object_key", "object_key"),
)

# Node: what is to be sent on to a DICOM node of the house.
return_sends: Final = sa.Table(
    "exchange_return_sends",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column(
        "study_instance_uid",
        sa.ForeignKey("exchange_returns.study_instance_uid"),
        nullable=False,
        index=True,
    ),
    sa.Column("ae_title", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    _text("code"),
    sa.Column("sent", sa.Integer, nullable=False, server_default="0"),
    _text("asked_by"),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

# County: which reports of a study stand in a letter to its institution.
report_letters: Final = sa.Table(
    "exchange_report_letters",
    metadata,
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    sa.Column("institution", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

# How far readers of the events of this node are.
event_places: Final = sa.Table(
    "exchange_event_places",
    metadata,
    sa.Column("reader", sa.String(64), primary_key=True),
    sa.Column("event_id", sa.BigInteger, nullable=False),
)

# County: how urgent people of a township made a study of theirs.
study_priorities: Final = sa.Table(
    "exchange_study_priorities",
    metadata,
    sa.Column("study_instance_uid", sa.String(64), primary_key=True),
    sa.Column("institution", sa.String(64), primary_key=True),
    sa.Column("priority", sa.String(16), nullable=False),
    # Of the letter: how often a person chose.
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
)
