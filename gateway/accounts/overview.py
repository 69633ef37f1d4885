"""How the accounts stand: who signed in when, who is signed in now, whom failed tries lock out."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.accounts.model import Account, LockTimes, SessionTimes, digest
from gateway.accounts.store import all_accounts
from gateway.accounts.tables import accounts, sessions, sign_in_attempts, tokens
from kernel.audit.trail import AuditEvent, audit_entries


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account and how it stands now."""

    account: Account
    signed_in_at: dt.datetime | None
    """When somebody last signed in with it at this node; None where the trail has no such row."""
    sessions: int
    """Sessions that are open now."""
    locked_until: dt.datetime | None
    """Until when too many failed tries keep it out from where they came; None where none do."""
    tokens: int
    """Tokens that are good now."""


def account_states(
    conn: sa.Connection, *, at: dt.datetime, times: SessionTimes, lock: LockTimes
) -> list[AccountState]:
    """Return every account, by name, as it stands at the instant *at*."""
    signed_in, open_now = _signed_in(conn), _open(conn, at, times)
    locked, good = _locked(conn, at, lock), _tokens(conn, at)
    return [
        AccountState(
            one,
            signed_in.get(one.id),
            open_now.get(one.id, 0),
            locked.get(digest(one.username)),
            good.get(one.id, 0),
        )
        for one in all_accounts(conn)
    ]


def _signed_in(conn: sa.Connection) -> dict[str, dt.datetime]:
    # One step back in the index of each person's rows, however long the trail is.
    last = (
        sa.select(audit_entries.c.at)
        .where(
            audit_entries.c.user_id == accounts.c.id,
            audit_entries.c.event == AuditEvent.SIGNED_IN.value,
        )
        .order_by(audit_entries.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return {row[0]: row[1] for row in conn.execute(sa.select(accounts.c.id, last)) if row[1]}


def _open(conn: sa.Connection, at: dt.datetime, times: SessionTimes) -> dict[str, int]:
    columns = sessions.c
    query = (
        sa.select(columns.account_id, sa.func.count())
        .where(columns.expires_at > at, columns.seen_at > at - times.idle)
        .group_by(columns.account_id)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def _locked(conn: sa.Connection, at: dt.datetime, lock: LockTimes) -> dict[str, dt.datetime]:
    columns = sign_in_attempts.c
    query = (
        sa.select(columns.username_digest, sa.func.max(columns.last_at))
        .where(columns.failures >= lock.failures, columns.last_at > at - lock.period)
        .group_by(columns.username_digest)
    )
    return {row[0]: row[1] + lock.period for row in conn.execute(query)}


def _tokens(conn: sa.Connection, at: dt.datetime) -> dict[str, int]:
    columns = tokens.c
    query = (
        sa.select(columns.account_id, sa.func.count())
        .where(sa.or_(columns.expires_at.is_(None), columns.expires_at > at))
        .group_by(columns.account_id)
    )
    return {row[0]: row[1] for row in conn.execute(query)}
