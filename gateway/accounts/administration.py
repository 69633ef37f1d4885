"""What administrators do, whether at ``yilian admin`` or at their page.

Who may do it is the door's business: the command line belongs to whoever runs the machine, the
pages ask the policy. Every act is one transaction with its line in the trail.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from gateway.accounts import store
from gateway.accounts.model import (
    Account,
    TokenInfo,
    UsernameTaken,
    check_roles,
    digest,
    parse_username,
)
from gateway.accounts.overview import AccountState, account_states
from gateway.accounts.passwords import random_password
from gateway.accounts.peers import checked_peer
from gateway.accounts.service import SignIns, new_token
from gateway.accounts.versions import Seen, check_seen
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.errors import Forbidden, Invalid, Missing
from kernel.identifiers import InstitutionCode, new_id
from kernel.identity import (
    ApplicationEntity,
    Institution,
    Principal,
    PrincipalKind,
    Role,
    ae_table,
    all_institutions,
    find_ae,
    find_institution,
    put_ae,
    put_institution,
    remove_ae,
)
from kernel.sql.db import Database

T = TypeVar("T")

OPERATOR: Final = Principal("", "operator", "", frozenset(), "")
"""Whoever runs the command line on the machine itself."""
_FIRST: Final = "admin"
_VALID_MAX: Final = dt.timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What is asked for."""

    username: str
    display_name: str
    institution: str
    roles: frozenset[Role]
    kind: PrincipalKind = PrincipalKind.PERSON
    password: str | None = None
    """None for a random one (a person) or none at all (a machine)."""
    must_change_password: bool = False


@dataclass(frozen=True, slots=True)
class MadeAccount:
    """What was made; the password is shown this once and kept nowhere."""

    account: Account
    password: str


@dataclass(frozen=True, slots=True)
class MadeToken:
    """What was made; the token is shown this once and kept nowhere."""

    info: TokenInfo
    token: str


class Administration:
    """Institutions, DICOM peers, accounts and tokens of one node."""

    def __init__(self, database: Database, sign_ins: SignIns, clock: Clock, *, chain: str) -> None:
        self._database = database
        self._sign_ins = sign_ins
        self._clock = clock
        self._chain = chain

    # Institutions and DICOM peers: the system administrator's.

    async def institutions(self) -> list[Institution]:
        """Return every institution, by code."""
        return await self._database.read(all_institutions)

    async def put_institution(
        self, by: Principal, institution: Institution, *, seen: Seen | None = None
    ) -> None:
        """Add *institution* or change the one of that code, as *seen* allows (``check_seen``).

        Raises:
            InvalidIdentifier: the code is not one.
            Missing: its parent does not exist (``no-such-institution``).
            Invalid: it would stand above itself (``institution-circle``).
        """
        InstitutionCode.parse(institution.code)
        if not institution.name.strip():
            raise Invalid("an institution has a name", code="empty-name")

        def put(conn: sa.Connection) -> None:
            check_seen(seen, find_institution(conn, institution.code))
            above, code = institution.parent, institution.code
            while above is not None:
                if above == code:
                    raise Invalid(code="institution-circle")
                above = self._institution(conn, above).parent
            put_institution(conn, institution, at=self._clock.now())

        await self._change(by, AuditEvent.NETWORK_CHANGED, f"institution:{institution.code}", put)

    async def peers(self) -> list[ApplicationEntity]:
        """Return every DICOM peer, by title."""
        return await self._database.read(ae_table)

    async def put_peer(
        self, by: Principal, peer: ApplicationEntity, *, seen: Seen | None = None
    ) -> None:
        """Add *peer* or change the one of that title, as *seen* allows (``check_seen``).

        Raises:
            InvalidIdentifier, Invalid: it cannot be so (``peers.checked_peer``).
            Missing: its institution does not exist.
        """
        clean = checked_peer(peer)

        def put(conn: sa.Connection) -> None:
            check_seen(seen, find_ae(conn, clean.ae_title))
            self._institution(conn, clean.institution)
            put_ae(conn, clean, at=self._clock.now())

        await self._change(by, AuditEvent.NETWORK_CHANGED, f"ae:{clean.ae_title}", put)

    async def remove_peer(
        self, by: Principal, ae_title: str, *, version: str | None = None
    ) -> None:
        """Forget a peer.

        Raises:
            Missing: there is none of that title.
            Stale: it is not *version* any more; None does not ask.
        """

        def remove(conn: sa.Connection) -> None:
            found = find_ae(conn, ae_title)
            if found is not None and version is not None:
                check_seen(Seen(version), found)
            if not remove_ae(conn, ae_title):
                raise Missing

        await self._change(by, AuditEvent.NETWORK_CHANGED, f"ae:{ae_title}", remove)

    # Accounts and tokens: the security administrator's.

    async def accounts(self) -> list[Account]:
        """Return every account, by name."""
        return await self._database.read(store.all_accounts)

    async def account_states(self) -> list[AccountState]:
        """Return every account, by name, as it stands now."""
        at, times, lock = self._clock.now(), self._sign_ins.times, self._sign_ins.lock
        return await self._database.read(
            lambda conn: account_states(conn, at=at, times=times, lock=lock)
        )

    async def create_account(self, by: Principal, asked: NewAccount) -> MadeAccount:
        """Make an account.

        Raises:
            Invalid: the name is not one. UsernameTaken: somebody has it.
            RolesCollide: an administrator's role among others.
            WeakPassword: against the rules.
            Missing: no such institution.
        """
        username = parse_username(asked.username)
        check_roles(asked.roles)
        password = asked.password
        if password is None:
            password = random_password() if asked.kind is PrincipalKind.PERSON else ""
        names = (username, asked.display_name)
        kept = await self._sign_ins.hash_new_password(None, password, *names) if password else None
        at = self._clock.now()
        account = Account(
            id=new_id(),
            username=username,
            display_name=asked.display_name or username,
            institution=asked.institution,
            kind=asked.kind,
            roles=asked.roles,
            disabled=False,
            must_change_password=asked.must_change_password,
            created_at=at,
        )

        def add(conn: sa.Connection) -> None:
            self._institution(conn, asked.institution)
            if store.by_username(conn, username) is not None:
                raise UsernameTaken(f"there is an account {username} already")
            store.add_account(conn, account, password_hash=kept, at=at)

        detail = {"roles": sorted(asked.roles), "act": "create"}
        await self._change(by, AuditEvent.ACCOUNT_CHANGED, f"account:{username}", add, detail)
        return MadeAccount(account, password)

    async def set_password(
        self, by: Principal, username: str, password: str | None = None, *, must_change: bool = True
    ) -> str:
        """Give an account a new password, a random one by default; all its sessions end.

        Returns:
            The password, to be shown once.
        """
        kept = await self._database.read(lambda conn: self._kept(conn, username))
        self._not_oneself(by, kept.account)
        await self._sign_ins.check_changeable(kept.account.id)
        new = random_password() if password is None else password
        hashed = await self._sign_ins.hash_new_password(kept, new)
        at = self._clock.now()

        def change(conn: sa.Connection) -> None:
            fresh = self._kept(conn, username)
            store.set_password(conn, fresh, hashed, at=at, must_change=must_change)
            store.end_sessions_of(conn, fresh.account.id)
            store.forget_attempts(conn, digest(username))

        await self._on_account(by, username, "set-password", change)
        return new

    async def set_roles(
        self,
        by: Principal,
        username: str,
        roles: frozenset[Role],
        *,
        version: str | None = None,
    ) -> None:
        """Make *roles* the account's only ones; all its sessions end.

        Raises:
            RolesCollide: an administrator's role among others.
            Stale: the roles are not *version* any more; None does not ask.
        """
        check_roles(roles)
        await self._check_changeable(username)

        def change(conn: sa.Connection) -> None:
            account = self._kept(conn, username).account
            self._not_oneself(by, account)
            if version is not None:
                check_seen(Seen(version), sorted(account.roles))
            store.set_roles(conn, account.id, roles)
            store.end_sessions_of(conn, account.id)

        await self._on_account(by, username, "set-roles", change, {"roles": sorted(roles)})

    async def disable(self, by: Principal, username: str) -> None:
        """Close an account: its sessions end and its tokens stop working."""

        def change(conn: sa.Connection) -> None:
            account = self._kept(conn, username).account
            self._not_oneself(by, account)
            store.set_disabled(conn, account.id, self._clock.now())
            store.end_sessions_of(conn, account.id)

        await self._on_account(by, username, "disable", change)

    async def end_sessions(self, by: Principal, username: str) -> None:
        """End every session of the account; its tokens stay good."""

        def change(conn: sa.Connection) -> None:
            store.end_sessions_of(conn, self._kept(conn, username).account.id)

        await self._on_account(by, username, "end-sessions", change)

    async def enable(self, by: Principal, username: str) -> None:
        """Open a closed account again."""
        await self._check_changeable(username)

        def change(conn: sa.Connection) -> None:
            account = self._kept(conn, username).account
            self._not_oneself(by, account)
            store.set_disabled(conn, account.id, None)

        await self._on_account(by, username, "enable", change)

    async def unlock(self, by: Principal, username: str) -> None:
        """Forget the failed sign-ins of that name, from everywhere."""
        name = parse_username(username)
        await self._on_account(
            by, name, "unlock", lambda conn: store.forget_attempts(conn, digest(name))
        )

    async def tokens(self) -> list[TokenInfo]:
        """Return every token without its secret, oldest first."""
        return await self._database.read(store.all_tokens)

    async def create_token(
        self, by: Principal, username: str, *, label: str, valid_for: dt.timedelta | None = None
    ) -> MadeToken:
        """Make a bearer token for an account; shown once.

        Raises:
            Invalid: *valid_for* is nothing, or longer than ten years (``invalid-days``).
            Missing: no such account.
        """
        if valid_for is not None and not dt.timedelta() < valid_for <= _VALID_MAX:
            raise Invalid(f"1 to {_VALID_MAX.days} days", code="invalid-days")
        token, at = new_token(), self._clock.now()
        info = TokenInfo(
            new_id(), username, label, at, None if valid_for is None else at + valid_for
        )

        def add(conn: sa.Connection) -> None:
            account = self._kept(conn, username).account
            store.add_token(conn, info, digest(token), account.id)

        await self._on_account(by, username, "create-token", add, {"token": info.id})
        return MadeToken(info, token)

    async def revoke_token(self, by: Principal, token_id: str) -> None:
        """Make a token invalid; raises ``Missing`` when there is none of that id."""

        def remove(conn: sa.Connection) -> None:
            if not store.remove_token(conn, token_id):
                raise Missing

        await self._change(by, AuditEvent.ACCOUNT_CHANGED, f"token:{token_id}", remove)

    async def first_start(self, head: Institution) -> MadeAccount | None:
        """Make the node's own institution and its first administrator, once.

        Returns:
            A security administrator called ``admin`` with a random password, or None when there is
            any account already.
        """
        if await self._database.read(lambda conn: find_institution(conn, head.code)) is None:
            await self.put_institution(OPERATOR, head)
        if await self._database.read(store.count_accounts):
            return None
        roles = frozenset({Role.SECURITY_ADMINISTRATOR})
        try:
            return await self.create_account(
                OPERATOR,
                NewAccount(_FIRST, _FIRST, head.code, roles, must_change_password=True),
            )
        except UsernameTaken:  # another process started at the same moment
            return None

    def _institution(self, conn: sa.Connection, code: str) -> Institution:
        found = find_institution(conn, code)
        if found is None:
            raise Missing("no institution of that code", code="no-such-institution")
        return found

    def _kept(self, conn: sa.Connection, username: str) -> store.Kept:
        found = store.by_username(conn, username)
        if found is None:
            raise Missing("no account of that name", code="no-such-account")
        return found

    async def _check_changeable(self, username: str) -> None:
        kept = await self._database.read(lambda conn: self._kept(conn, username))
        await self._sign_ins.check_changeable(kept.account.id)

    @staticmethod
    def _not_oneself(by: Principal, account: Account) -> None:
        if by.user_id == account.id:
            raise Forbidden("ask another administrator", code="not-oneself")

    async def _on_account(
        self,
        by: Principal,
        username: str,
        act: str,
        fn: Callable[[sa.Connection], T],
        detail: dict[str, Any] | None = None,
    ) -> T:
        return await self._change(
            by,
            AuditEvent.ACCOUNT_CHANGED,
            f"account:{username}",
            fn,
            {"act": act} | (detail or {}),
        )

    async def _change(
        self,
        by: Principal,
        event: AuditEvent,
        subject: str,
        fn: Callable[[sa.Connection], T],
        detail: dict[str, Any] | None = None,
    ) -> T:
        entry = AuditEntry(
            at=self._clock.now(),
            event=event,
            user_id=by.user_id,
            username=by.username,
            institution=by.institution,
            subject=subject,
            detail=detail or {},
        )

        def run(conn: sa.Connection) -> T:
            value = fn(conn)
            record(conn, self._chain, entry)
            return value

        value = await self._database.write(run)
        self._sign_ins.forget()
        return value
