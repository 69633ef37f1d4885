"""The node's side of its county's accounts: people sign in here also while the line is down.

The county stays the one that decides: roles, passwords and closed accounts come from there, and
none of it is good for ever without a word from it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.accounts import store
from gateway.accounts.model import Account, digest
from gateway.accounts.store import Kept
from gateway.exchange.model import Source
from gateway.exchange.outbox import place
from gateway.exchange.tables import accounts_here
from gateway.exchange.taking import ForeignLetter
from kernel.errors import Conflict, Forbidden
from kernel.identity import (
    Institution,
    InstitutionKind,
    PrincipalKind,
    Role,
    find_institution,
    put_institution,
)
from kernel.letter import Letter

OFFLINE_VALID: Final = dt.timedelta(days=30)


class OfflineTooLong(Forbidden):
    """The county has not been heard of for so long that its accounts are no longer good here."""

    code = "offline-too-long"


class AccountOfCounty(Conflict):
    """This account is the county's; it is changed there and comes down by itself."""

    code = "account-of-county"


class UsernameHere(Conflict):
    """An account of that name stands here for somebody else."""

    code = "username-taken-here"


class _House(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: InstitutionKind
    phone: str = ""


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    username: str
    display_name: str
    institution: str
    house: _House
    roles: frozenset[Role]
    disabled: bool
    must_change_password: bool
    password_hash: str | None
    password_changed_at: dt.datetime | None
    created_at: dt.datetime
    village: str = ""
    """Code of the village house they work in, whose township ``institution`` is; empty for people
    of ``institution`` itself."""
    belongs_to: _House | None = None
    """``institution`` itself, where ``house`` is the village's."""

    @property
    def works_in(self) -> str:
        """Code of the house of the account."""
        return self.village or self.institution


def take_account(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
    """Make the county's account true here (``ports.Handler``).

    People of the node's own institution, and of the village houses that belong to it. An account of
    that name that was made here for somebody of the same house becomes the county's. Whoever is
    signed in stays so unless password, roles or the right to be here changed.

    Raises:
        UsernameHere: the name is another house's or a machine's here.
    """
    body = msgspec.convert(letter.body, _Body, strict=False)
    if body.institution != source.institution:
        raise ForeignLetter("an account of another institution")
    columns = accounts_here.c
    known = conn.execute(
        sa.select(columns.account_id, columns.version).where(columns.county_id == body.id)
    ).one_or_none()
    if known is not None and known.version >= letter.version:
        return
    _put_houses(conn, body, source.at)
    account_id = known.account_id if known is not None else _adopted(conn, body)
    before, after = store.by_username(conn, body.username), _kept(body, account_id)
    store.put_copy(conn, after, at=source.at)
    if before is None or _rights(before) != _rights(after):
        store.end_sessions_of(conn, account_id)
        store.forget_attempts(conn, digest(body.username))
    if known is not None:
        conn.execute(
            sa.update(accounts_here)
            .where(columns.county_id == body.id)
            .values(version=letter.version)
        )
    else:
        conn.execute(
            sa.insert(accounts_here).values(
                county_id=body.id, account_id=account_id, version=letter.version
            )
        )


def _put_houses(conn: sa.Connection, body: _Body, at: dt.datetime) -> None:
    """Make the house, and of a village's the one it belongs to, stand here."""
    own = body.house if not body.village else body.belongs_to
    if own is not None and find_institution(conn, body.institution) is None:
        put_institution(conn, Institution(body.institution, own.name, own.kind, None), at=at)
    if not body.village:
        return
    if body.house.kind is not InstitutionKind.VILLAGE:
        raise ForeignLetter("an account of another institution that is no village house")
    there = find_institution(conn, body.village)
    village = Institution(
        body.village, body.house.name, body.house.kind, body.institution, body.house.phone
    )
    if there != village:
        put_institution(conn, village, at=at)


def _rights(kept: Kept) -> tuple[object, ...]:
    """Return what a session stands on."""
    one = kept.account
    return (one.id, one.roles, one.disabled, one.institution, kept.password_hash)


def _adopted(conn: sa.Connection, body: _Body) -> str:
    """Return the id the account has or will have here."""
    found = store.by_username(conn, body.username)
    if found is None:
        return body.id
    if found.account.institution != body.works_in or found.account.kind is not PrincipalKind.PERSON:
        raise UsernameHere("that name is somebody else's here")
    return found.account.id


def _kept(body: _Body, account_id: str) -> Kept:
    account = Account(
        id=account_id,
        username=body.username,
        display_name=body.display_name,
        institution=body.works_in,
        kind=PrincipalKind.PERSON,
        roles=body.roles,
        disabled=body.disabled,
        must_change_password=body.must_change_password,
        created_at=body.created_at,
    )
    return Kept(account, body.password_hash, body.password_changed_at)


@dataclass(frozen=True, slots=True)
class CountyAccounts:
    """What holds here for the county's accounts (``gateway.accounts.service.AccountGuard``)."""

    valid_for: dt.timedelta = OFFLINE_VALID
    """How long after the county was last heard they are good."""

    def may_sign_in(self, conn: sa.Connection, account_id: str, at: dt.datetime) -> None:
        """Raise ``OfflineTooLong`` where the county has not been heard of for too long.

        A clock that was put back counts as now: after a power cut with an empty battery the clinic
        must work.
        """
        if not _is_countys(conn, account_id):
            return
        heard_at = _heard_at(conn)
        if heard_at is None or at - heard_at > self.valid_for:
            error = OfflineTooLong(
                f"the county was not heard of for {self.valid_for.days} days; "
                "mend the line, or sign in with an account of this node"
            )
            since = heard_at.astimezone(dt.UTC).isoformat() if heard_at is not None else None
            error.members = {"heard_at": since, "valid_days": self.valid_for.days}
            raise error

    def good_until(self, conn: sa.Connection, account_id: str) -> dt.datetime | None:
        """Return until when the account is good here without a word from the county.

        None for an account of this node, which always is.
        """
        if not _is_countys(conn, account_id):
            return None
        heard_at = _heard_at(conn)
        return None if heard_at is None else heard_at + self.valid_for

    def may_change(self, conn: sa.Connection, account_id: str) -> None:
        """Raise ``AccountOfCounty`` for an account that is the county's."""
        if _is_countys(conn, account_id):
            raise AccountOfCounty("change it at the county; it comes down by itself")


def _heard_at(conn: sa.Connection) -> dt.datetime | None:
    stands = place(conn)
    return stands.heard_at if stands is not None else None


def _is_countys(conn: sa.Connection, account_id: str) -> bool:
    columns = accounts_here.c
    found = conn.scalar(sa.select(columns.county_id).where(columns.account_id == account_id))
    return found is not None
