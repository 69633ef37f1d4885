"""SQL of the accounts room."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.accounts.model import Account, LockTimes, SessionTimes, SignInLocked, TokenInfo
from gateway.accounts.tables import (
    account_roles,
    accounts,
    old_passwords,
    sessions,
    sign_in_attempts,
    tokens,
)
from kernel.identity import InstitutionKind, PrincipalKind, Role, institutions


@dataclass(frozen=True, slots=True)
class Kept:
    """An account with what proves it."""

    account: Account
    password_hash: str | None
    password_changed_at: dt.datetime | None


def _query() -> sa.Select[Any]:
    columns = accounts.c
    return sa.select(
        columns.id,
        columns.username,
        columns.display_name,
        columns.institution,
        columns.kind,
        columns.disabled_at,
        columns.must_change_password,
        columns.created_at,
        columns.password_hash,
        columns.password_changed_at,
        institutions.c.parent_code.label("township"),
    ).outerjoin_from(
        accounts,
        institutions,
        sa.and_(
            institutions.c.code == columns.institution,
            institutions.c.kind == InstitutionKind.VILLAGE.value,
        ),
    )


def _roles(conn: sa.Connection, ids: Iterable[str]) -> dict[str, set[Role]]:
    columns = account_roles.c
    found: dict[str, set[Role]] = {}
    query = sa.select(columns.account_id, columns.role).where(columns.account_id.in_(list(ids)))
    for account_id, role in conn.execute(query):
        found.setdefault(account_id, set()).add(Role(role))
    return found


def _kept(conn: sa.Connection, query: sa.Select[Any]) -> list[Kept]:
    rows = conn.execute(query).all()
    roles = _roles(conn, [row.id for row in rows])
    return [
        Kept(
            Account(
                id=row.id,
                username=row.username,
                display_name=row.display_name,
                institution=row.institution,
                kind=PrincipalKind(row.kind),
                roles=frozenset(roles.get(row.id, ())),
                disabled=row.disabled_at is not None,
                must_change_password=row.must_change_password,
                created_at=row.created_at,
                township=row.township or "",
            ),
            row.password_hash,
            row.password_changed_at,
        )
        for row in rows
    ]


def by_username(conn: sa.Connection, username: str) -> Kept | None:
    """Return the account of that name, or None."""
    return next(iter(_kept(conn, _query().where(accounts.c.username == username))), None)


def people_of(conn: sa.Connection, institutions: Iterable[str]) -> list[Kept]:
    """Return the accounts of people of *institutions*, with what proves them, by id."""
    query = _query().where(
        accounts.c.institution.in_(sorted(set(institutions))),
        accounts.c.kind == PrincipalKind.PERSON.value,
    )
    return _kept(conn, query.order_by(accounts.c.id))


def put_copy(conn: sa.Connection, kept: Kept, *, at: dt.datetime) -> None:
    """Make the account of *kept*'s id as *kept* is, adding it where it is not there.

    For an account that another node keeps: no rule is asked and no old password is remembered.
    """
    one = kept.account
    known = conn.scalar(sa.select(accounts.c.id).where(accounts.c.id == one.id))
    if known is None:
        add_account(conn, one, password_hash=kept.password_hash, at=at)
    conn.execute(
        sa.update(accounts)
        .where(accounts.c.id == one.id)
        .values(
            username=one.username,
            display_name=one.display_name,
            institution=one.institution,
            password_hash=kept.password_hash,
            password_changed_at=kept.password_changed_at,
            must_change_password=one.must_change_password,
            disabled_at=at if one.disabled else None,
        )
    )
    set_roles(conn, one.id, one.roles)


def all_accounts(conn: sa.Connection) -> list[Account]:
    """Return every account, by name."""
    return [kept.account for kept in _kept(conn, _query().order_by(accounts.c.username))]


def count_accounts(conn: sa.Connection) -> int:
    """Return how many accounts there are."""
    return conn.scalar(sa.select(sa.func.count()).select_from(accounts)) or 0


def add_account(
    conn: sa.Connection, account: Account, *, password_hash: str | None, at: dt.datetime
) -> None:
    """Add *account*; raises ``IntegrityError`` where its name or institution forbids it."""
    conn.execute(
        sa.insert(accounts).values(
            id=account.id,
            username=account.username,
            display_name=account.display_name,
            institution=account.institution,
            kind=account.kind.value,
            password_hash=password_hash,
            password_changed_at=at if password_hash else None,
            must_change_password=account.must_change_password,
            disabled_at=None,
            created_at=at,
        )
    )
    set_roles(conn, account.id, account.roles)


def set_roles(conn: sa.Connection, account_id: str, roles: frozenset[Role]) -> None:
    """Make *roles* the only ones of the account."""
    conn.execute(sa.delete(account_roles).where(account_roles.c.account_id == account_id))
    if roles:
        conn.execute(
            sa.insert(account_roles),
            [{"account_id": account_id, "role": role.value} for role in sorted(roles)],
        )


def set_disabled(conn: sa.Connection, account_id: str, at: dt.datetime | None) -> None:
    """Close the account from *at* on, or open it again with None."""
    conn.execute(sa.update(accounts).where(accounts.c.id == account_id).values(disabled_at=at))


def set_password(
    conn: sa.Connection, kept: Kept, password_hash: str, *, at: dt.datetime, must_change: bool
) -> None:
    """Replace the account's password and remember the one before."""
    account_id = kept.account.id
    if kept.password_hash is not None:
        columns = old_passwords.c
        newest = conn.scalar(
            sa.select(sa.func.max(columns.replaced_at)).where(columns.account_id == account_id)
        )
        # A clock may stand still or be set back; the order of the old ones must not.
        replaced_at = at if newest is None else max(at, newest + dt.timedelta(microseconds=1))
        conn.execute(
            sa.insert(old_passwords).values(
                account_id=account_id, replaced_at=replaced_at, password_hash=kept.password_hash
            )
        )
    conn.execute(
        sa.update(accounts)
        .where(accounts.c.id == account_id)
        .values(
            password_hash=password_hash, password_changed_at=at, must_change_password=must_change
        )
    )


def recent_passwords(conn: sa.Connection, account_id: str, count: int) -> list[str]:
    """Return the hashes of the last *count* replaced passwords, newest first."""
    columns = old_passwords.c
    query = (
        sa.select(columns.password_hash)
        .where(columns.account_id == account_id)
        .order_by(columns.replaced_at.desc())
        .limit(count)
    )
    return list(conn.scalars(query))


def begin_attempt(
    conn: sa.Connection, username_digest: str, where: str, *, at: dt.datetime, lock: LockTimes
) -> None:
    """Count an attempt before it is checked, so that many at once cannot slip past the limit.

    Raises:
        SignInLocked: too many failures within the period; the attempt is not counted.
    """
    columns = sign_in_attempts.c
    mine = (columns.username_digest == username_digest) & (columns.address_range == where)
    conn.execute(sa.delete(sign_in_attempts).where(columns.last_at <= at - lock.period))
    row = conn.execute(sa.select(columns.failures, columns.last_at).where(mine)).one_or_none()
    if row is None:
        conn.execute(
            sa.insert(sign_in_attempts).values(
                username_digest=username_digest, address_range=where, failures=1, last_at=at
            )
        )
        return
    if row.failures >= lock.failures:
        raise SignInLocked((row.last_at + lock.period - at).total_seconds())
    conn.execute(
        sa.update(sign_in_attempts).where(mine).values(failures=row.failures + 1, last_at=at)
    )


def forget_attempts(conn: sa.Connection, username_digest: str, where: str | None = None) -> None:
    """Open the door again for that name, from *where* or from everywhere."""
    columns = sign_in_attempts.c
    condition = columns.username_digest == username_digest
    if where is not None:
        condition &= columns.address_range == where
    conn.execute(sa.delete(sign_in_attempts).where(condition))


def add_session(
    conn: sa.Connection,
    digest: str,
    account_id: str,
    *,
    address: str,
    at: dt.datetime,
    times: SessionTimes,
) -> None:
    """Open a session; ends the account's oldest when there are too many, and all that expired."""
    columns = sessions.c
    conn.execute(
        sa.delete(sessions).where(
            sa.or_(columns.expires_at <= at, columns.seen_at <= at - times.idle)
        )
    )
    keep = (
        sa.select(columns.digest)
        .where(columns.account_id == account_id)
        .order_by(columns.created_at.desc())
        .limit(times.at_once - 1)
    )
    kept = list(conn.scalars(keep))
    conn.execute(
        sa.delete(sessions).where(columns.account_id == account_id, columns.digest.not_in(kept))
    )
    conn.execute(
        sa.insert(sessions).values(
            digest=digest,
            account_id=account_id,
            address=address,
            created_at=at,
            seen_at=at,
            expires_at=at + times.absolute,
        )
    )


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that has not ended, with its account."""

    kept: Kept
    seen_at: dt.datetime
    expires_at: dt.datetime


def find_session(
    conn: sa.Connection, digest: str, *, at: dt.datetime, times: SessionTimes
) -> LiveSession | None:
    """Return the session when it and its account are still good at *at*."""
    columns = sessions.c
    row = conn.execute(
        sa.select(columns.account_id, columns.seen_at, columns.expires_at).where(
            columns.digest == digest, columns.expires_at > at, columns.seen_at > at - times.idle
        )
    ).one_or_none()
    if row is None:
        return None
    query = _query().where(accounts.c.id == row.account_id, accounts.c.disabled_at.is_(None))
    kept = next(iter(_kept(conn, query)), None)
    return None if kept is None else LiveSession(kept, row.seen_at, row.expires_at)


def touch_session(conn: sa.Connection, digest: str, *, at: dt.datetime) -> None:
    """Note that somebody is there."""
    conn.execute(sa.update(sessions).where(sessions.c.digest == digest).values(seen_at=at))


def end_session(conn: sa.Connection, digest: str) -> None:
    """End one session."""
    conn.execute(sa.delete(sessions).where(sessions.c.digest == digest))


def end_sessions_of(conn: sa.Connection, account_id: str, *, but: str = "") -> None:
    """End every session of the account except the one with digest *but*."""
    conn.execute(
        sa.delete(sessions).where(sessions.c.account_id == account_id, sessions.c.digest != but)
    )


def add_token(conn: sa.Connection, info: TokenInfo, digest: str, account_id: str) -> None:
    """Keep a token's hash."""
    conn.execute(
        sa.insert(tokens).values(
            id=info.id,
            digest=digest,
            account_id=account_id,
            label=info.label,
            created_at=info.created_at,
            expires_at=info.expires_at,
        )
    )


def find_token(conn: sa.Connection, digest: str, *, at: dt.datetime) -> tuple[str, Kept] | None:
    """Return the token's id and its account, when both are still good at *at*."""
    columns = tokens.c
    row = conn.execute(
        sa.select(columns.id, columns.account_id).where(
            columns.digest == digest,
            sa.or_(columns.expires_at.is_(None), columns.expires_at > at),
        )
    ).one_or_none()
    if row is None:
        return None
    query = _query().where(accounts.c.id == row.account_id, accounts.c.disabled_at.is_(None))
    kept = next(iter(_kept(conn, query)), None)
    return None if kept is None else (row.id, kept)


def all_tokens(conn: sa.Connection) -> list[TokenInfo]:
    """Return every token without its secret, oldest first."""
    columns = tokens.c
    query = (
        sa.select(
            columns.id, accounts.c.username, columns.label, columns.created_at, columns.expires_at
        )
        .join(accounts, accounts.c.id == columns.account_id)
        .order_by(columns.id)
    )
    return [TokenInfo(*row) for row in conn.execute(query)]


def remove_token(conn: sa.Connection, token_id: str) -> bool:
    """Forget a token; returns whether there was one."""
    return conn.execute(sa.delete(tokens).where(tokens.c.id == token_id)).rowcount > 0
