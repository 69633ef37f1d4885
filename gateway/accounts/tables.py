"""Tables of accounts and of how they come in. Ids of sessions and tokens are kept as hashes."""

from typing import Final

import sqlalchemy as sa

from kernel.identity import institutions
from kernel.sql.columns import UtcDateTime, metadata

_ACCOUNT: Final = "accounts.id"

accounts: Final = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("username", sa.String(64), nullable=False, unique=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("institution", sa.ForeignKey(institutions.c.code), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("password_changed_at", UtcDateTime),
    sa.Column("must_change_password", sa.Boolean, nullable=False),
    sa.Column("disabled_at", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

account_roles: Final = sa.Table(
    "account_roles",
    metadata,
    sa.Column("account_id", sa.ForeignKey(_ACCOUNT), primary_key=True),
    sa.Column("role", sa.String(32), primary_key=True),
)

old_passwords: Final = sa.Table(
    "old_passwords",
    metadata,
    sa.Column("account_id", sa.ForeignKey(_ACCOUNT), primary_key=True),
    sa.Column("replaced_at", UtcDateTime, primary_key=True),
    sa.Column("password_hash", sa.Text, nullable=False),
)

sign_in_attempts: Final = sa.Table(
    "sign_in_attempts",
    metadata,
    # A hash: people type passwords into the name field.
    sa.Column("username_digest", sa.String(64), primary_key=True),
    sa.Column("address_range", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False, index=True),
)

sessions: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.ForeignKey(_ACCOUNT), nullable=False, index=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

tokens: Final = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("account_id", sa.ForeignKey(_ACCOUNT), nullable=False, index=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
)
