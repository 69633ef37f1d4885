"""Coming in: by name and password, by the session that opened, or by a token; and going out."""

import asyncio
import datetime as dt
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.accounts import store
from gateway.accounts.model import (
    DEFAULT_RULES,
    NODE_TOKEN_PREFIX,
    TOKEN_PREFIX,
    SignIn,
    SignInFailed,
    SignInRules,
    address_range,
    csrf_of,
    digest,
    new_secret,
)
from gateway.accounts.passwords import RULES, Hasher, WeakPassword, weaknesses
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.errors import Unauthenticated
from kernel.sql.db import Database

_TOUCH_EVERY: Final = dt.timedelta(seconds=30)
_REMEMBER_S: Final = 0.5
"""Shorter than the second within which an ended session must be dead everywhere."""
_REMEMBER: Final = 5000
_MINOR: Final = 4
_SECRET_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session just opened; the secret goes into the cookie and nowhere else."""

    secret: str
    sign_in: SignIn


@dataclass(frozen=True, slots=True)
class _Remembered:
    sign_in: SignIn | None
    until_s: float


class NodeTokens(Protocol):
    """Knows the nodes that have proven their key to this county."""

    async def by_token(self, token: str) -> SignIn:
        """Return the node whose session *token* is; raises ``Unauthenticated``."""
        ...

    async def revoked_among(self, ids: set[str]) -> set[str]:
        """Return which of *ids* are nodes that may no longer come in."""
        ...


class AccountGuard(Protocol):
    """Knows which accounts are another node's, and how long they are good without it."""

    def may_sign_in(self, conn: sa.Connection, account_id: str, at: dt.datetime) -> None:
        """Raise ``PlatformError`` where the account may not be used here now."""
        ...

    def may_change(self, conn: sa.Connection, account_id: str) -> None:
        """Raise ``PlatformError`` where the account is changed at its own node only."""
        ...

    def good_until(self, conn: sa.Connection, account_id: str) -> dt.datetime | None:
        """Return until when the account may be used here if its node is not heard of again.

        None where that is not so: the account is this node's own.
        """
        ...


@dataclass(frozen=True, slots=True)
class OtherNodes:
    """What other nodes have to do with signing in here."""

    nodes: NodeTokens | None = None
    """At a county."""
    guard: AccountGuard | None = None
    """At a township."""


class SignIns:
    """Every way in, for one process."""

    def __init__(
        self,
        database: Database,
        hasher: Hasher,
        clock: Clock,
        *,
        chain: str,
        rules: SignInRules = DEFAULT_RULES,
        others: OtherNodes | None = None,
    ) -> None:
        self._database = database
        self.nodes = others.nodes if others else None
        self._guard = others.guard if others else None
        self._hasher = hasher
        self._clock = clock
        self._chain = chain
        self.times = rules.sessions
        self.lock = rules.lock
        self._rules = rules.passwords
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    async def sign_in(self, username: str, password: str, *, address: str) -> OpenedSession:
        """Open a session for *username*.

        A name nobody has costs the same work and gives the same answer as a wrong password.

        Raises:
            SignInFailed: they do not belong together, or the account is closed.
            SignInLocked: too many failures of this name from this range of addresses.
            Busy: too many sign-ins at once.
            PlatformError: they do, but the account is not to be used here now (``AccountGuard``).
        """
        name = username.strip().lower()
        name_digest, where = digest(name), address_range(address)
        kept = await self._database.write(lambda conn: self._begin(conn, name, name_digest, where))
        matches = await self._hasher.verify(kept.password_hash if kept else None, password)
        if kept is None or kept.account.disabled or not matches:
            await self._database.write(lambda conn: self._refuse(conn, kept, name_digest, address))
            raise SignInFailed
        secret = new_secret()
        await self._database.write(
            lambda conn: self._open(conn, kept, secret, (name_digest, where), address)
        )
        return OpenedSession(secret, self._sign_in_of(kept, secret))

    async def good_until(self, sign_in: SignIn) -> dt.datetime | None:
        """Return until when they may sign in here without a word from their node; None: always."""
        guard, account = self._guard, sign_in.principal.user_id
        if guard is None:
            return None
        return await self._database.read(lambda conn: guard.good_until(conn, account))

    def _begin(
        self, conn: sa.Connection, name: str, name_digest: str, where: str
    ) -> store.Kept | None:
        store.begin_attempt(conn, name_digest, where, at=self._clock.now(), lock=self.lock)
        return store.by_username(conn, name)

    def _refuse(
        self, conn: sa.Connection, kept: store.Kept | None, name_digest: str, address: str
    ) -> None:
        entry = AuditEntry(
            at=self._clock.now(),
            event=AuditEvent.SIGN_IN_REFUSED,
            outcome=_MINOR,
            username=kept.account.username if kept else "",
            institution=kept.account.institution if kept else "",
            subject=f"name-sha256:{name_digest[:16]}",
            address=address,
        )
        record(conn, self._chain, entry)

    def _open(
        self,
        conn: sa.Connection,
        kept: store.Kept,
        secret: str,
        attempt: tuple[str, str],
        address: str,
    ) -> None:
        at = self._clock.now()
        if self._guard is not None:
            self._guard.may_sign_in(conn, kept.account.id, at)
        store.forget_attempts(conn, *attempt)
        store.add_session(
            conn, digest(secret), kept.account.id, address=address, at=at, times=self.times
        )
        self._audit(conn, AuditEvent.SIGNED_IN, kept.account.principal().user_id, kept, address)

    def _audit(
        self,
        conn: sa.Connection,
        event: AuditEvent,
        user_id: str,
        kept: store.Kept,
        address: str = "",
    ) -> None:
        entry = AuditEntry(
            at=self._clock.now(),
            event=event,
            user_id=user_id,
            username=kept.account.username,
            institution=kept.account.institution,
            address=address,
        )
        record(conn, self._chain, entry)

    def _sign_in_of(self, kept: store.Kept, secret: str) -> SignIn:
        valid_for = RULES[self._rules].valid_for
        changed = kept.password_changed_at
        old = (
            valid_for is not None
            and changed is not None
            and self._clock.now() - changed > valid_for
        )
        return SignIn(
            kept.account.principal(),
            digest(secret)[:16],
            by_token=False,
            csrf=csrf_of(secret),
            password_change_due=old or kept.account.must_change_password,
        )

    async def by_session(self, secret: str, *, active: bool = True) -> SignIn | None:
        """Return who opened the session of *secret*, None once it has ended.

        Args:
            secret: what the cookie holds.
            active: whether a person is doing something; what runs by itself (the event stream)
                does not keep a session alive.
        """
        if len(secret) > _SECRET_MAX:
            return None
        key = digest(secret)
        found, known = self._recall(key)
        if known:
            return found
        at = self._clock.now()
        live = await self._database.read(
            lambda conn: store.find_session(conn, key, at=at, times=self.times)
        )
        if live is None:
            self._remember(key, None)
            return None
        if active and at - live.seen_at >= _TOUCH_EVERY:
            await self._database.write(lambda conn: store.touch_session(conn, key, at=at))
        sign_in = self._sign_in_of(live.kept, secret)
        if active:
            # A look of the event stream must not stand in for somebody's touch.
            self._remember(key, sign_in)
        return sign_in

    async def by_token(self, token: str) -> SignIn:
        """Return whose *token* it is.

        Raises:
            Unauthenticated: nobody's, no longer valid, or its account is closed (``bad-token``).
        """
        key = digest(token) if len(token) <= _SECRET_MAX else ""
        found, known = self._recall(key)
        if not known and self.nodes is not None and token.startswith(NODE_TOKEN_PREFIX):
            # Asked each time: a node that was let go is out with its next request.
            return await self.nodes.by_token(token)
        if not known:
            at = self._clock.now()
            kept = await self._database.read(lambda conn: store.find_token(conn, key, at=at))
            found = None
            if kept is not None:
                token_id, owner = kept
                found = SignIn(owner.account.principal(), token_id, by_token=True)
            self._remember(key, found)
        if found is None:
            raise Unauthenticated("the token is not valid", code="bad-token")
        return found

    async def sign_out(self, secret: str) -> None:
        """End the session of *secret*; nothing happens when it has ended already."""
        key = digest(secret)
        at = self._clock.now()

        def end(conn: sa.Connection) -> None:
            live = store.find_session(conn, key, at=at, times=self.times)
            store.end_session(conn, key)
            if live is not None:
                self._audit(conn, AuditEvent.SIGNED_OUT, live.kept.account.id, live.kept)

        await self._database.write(end)
        self._remembered.pop(key, None)

    async def change_password(self, secret: str, *, old: str, new: str, address: str) -> None:
        """Give the session's account a new password; all its other sessions end.

        Raises:
            Unauthenticated: the session has ended.
            SignInFailed: *old* is not the password; counts as a failed sign-in.
            PlatformError: the account is changed at its own node only (``AccountGuard``).
            WeakPassword: *new* is not good enough, or was used before.
        """
        key, at = digest(secret), self._clock.now()
        where = address_range(address)
        live = await self._database.read(
            lambda conn: store.find_session(conn, key, at=at, times=self.times)
        )
        if live is None:
            raise Unauthenticated
        kept, name_digest = live.kept, digest(live.kept.account.username)
        await self.check_changeable(kept.account.id)
        await self._database.write(
            lambda conn: store.begin_attempt(conn, name_digest, where, at=at, lock=self.lock)
        )
        if not await self._hasher.verify(kept.password_hash, old):
            raise SignInFailed
        new_hash = await self.hash_new_password(kept, new)

        def change(conn: sa.Connection) -> None:
            store.forget_attempts(conn, name_digest, where)
            store.set_password(conn, kept, new_hash, at=at, must_change=False)
            store.end_sessions_of(conn, kept.account.id, but=key)
            self._audit(conn, AuditEvent.ACCOUNT_CHANGED, kept.account.id, kept, address)

        await self._database.write(change)
        self._remembered.clear()

    async def check_changeable(self, account_id: str) -> None:
        """Raise ``PlatformError`` where the account is changed at its own node only."""
        guard = self._guard
        if guard is not None:
            await self._database.read(lambda conn: guard.may_change(conn, account_id))

    async def hash_new_password(self, kept: store.Kept | None, new: str, *names: str) -> str:
        """Return the hash of *new* for the account *kept*, or for a new one called *names*.

        Raises:
            WeakPassword: against the rules, or one of the last ones.
        """
        if kept is not None:
            names = (kept.account.username, kept.account.display_name)
        found = weaknesses(new, names=names, rules=self._rules)
        if found:
            length = RULES[self._rules].length
            said = (f"{code} {length}" if code == "too-short" else code for code in found)
            raise WeakPassword(", ".join(said))
        history = RULES[self._rules].history
        if kept is not None and history:
            account_id = kept.account.id
            before = await self._database.read(
                lambda conn: store.recent_passwords(conn, account_id, history - 1)
            )
            mine = [kept.password_hash] if kept.password_hash else []
            used = await asyncio.gather(
                *(self._hasher.verify(one, new) for one in [*mine, *before])
            )
            if any(used):
                raise WeakPassword("used-before")
        return await self._hasher.hash(new)

    def forget(self) -> None:
        """Look everybody up anew; after an account changed in this process."""
        self._remembered.clear()

    def _recall(self, key: str) -> tuple[SignIn | None, bool]:
        found = self._remembered.get(key)
        if found is None or found.until_s <= self._clock.monotonic_s():
            return None, False
        return found.sign_in, True

    def _remember(self, key: str, sign_in: SignIn | None) -> None:
        self._remembered[key] = _Remembered(sign_in, self._clock.monotonic_s() + _REMEMBER_S)
        self._remembered.move_to_end(key)
        while len(self._remembered) > _REMEMBER:
            self._remembered.popitem(last=False)


def new_token() -> str:
    """Return a new bearer token."""
    return TOKEN_PREFIX + new_secret()
