"""``/api/v1/admin``: accounts and tokens, the security administrator's part and no more (三员)."""

import datetime as dt
from typing import Final

import msgspec
from aiohttp import web

from gateway.accounts.administration import Administration, NewAccount
from gateway.accounts.overview import AccountState
from gateway.accounts.versions import version_of
from kernel.identity import PrincipalKind, Role
from kernel.policy import Act, roles_for
from kernel.web import PRINCIPAL, describe, json_response, permit, read_json, read_version

_ROOT: Final = "/api/v1/admin"
_SECURITY: Final = roles_for(Act.MANAGE_ACCOUNTS)
_DAYS_MAX: Final = 3660


class AccountBody(msgspec.Struct, frozen=True, kw_only=True):
    """A new account; its random password is answered once."""

    username: str
    display_name: str
    institution: str
    roles: list[Role]
    kind: PrincipalKind = PrincipalKind.PERSON


class RolesBody(msgspec.Struct, frozen=True, kw_only=True):
    """All roles of an account."""

    roles: list[Role]


class TokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; without days it lasts until revoked."""

    username: str
    label: str
    days: int | None = None


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the security administrator sees it."""

    username: str
    display_name: str
    institution: str
    kind: PrincipalKind
    roles: list[Role]
    disabled: bool
    must_change_password: bool
    created_at: dt.datetime
    signed_in_at: dt.datetime | None
    """When somebody last signed in with it at this node."""
    sessions: int
    """Open now."""
    locked_until: dt.datetime | None
    """Until when failed tries keep it out from where they came."""
    tokens: int
    """Good now."""
    version: str
    """What to send as If-Match to change its roles."""


class PasswordView(msgspec.Struct, frozen=True, kw_only=True):
    """A password, shown this once."""

    username: str
    password: str


class TokenView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token; the secret itself only in the answer that makes it."""

    id: str
    username: str
    label: str
    created_at: dt.datetime
    expires_at: dt.datetime | None
    token: str | None = None


def _account_view(state: AccountState) -> AccountView:
    account = state.account
    return AccountView(
        username=account.username,
        display_name=account.display_name,
        institution=account.institution,
        kind=account.kind,
        roles=sorted(account.roles),
        disabled=account.disabled,
        must_change_password=account.must_change_password,
        created_at=account.created_at,
        signed_in_at=state.signed_in_at,
        sessions=state.sessions,
        locked_until=state.locked_until,
        tokens=state.tokens,
        version=version_of(sorted(account.roles)),
    )


class SecurityDoor:
    """Accounts and tokens: the security administrator's part."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{_ROOT}/accounts/{{username}}"
        return [
            web.get(f"{_ROOT}/accounts", self.accounts),
            web.post(f"{_ROOT}/accounts", self.create),
            web.put(f"{one}/roles", self.set_roles),
            web.post(f"{one}/password", self.set_password),
            web.post(f"{one}/disable", self.disable),
            web.post(f"{one}/enable", self.enable),
            web.post(f"{one}/unlock", self.unlock),
            web.post(f"{one}/sign-out", self.end_sessions),
            web.get(f"{_ROOT}/tokens", self.tokens),
            web.post(f"{_ROOT}/tokens", self.create_token),
            web.delete(f"{_ROOT}/tokens/{{token_id}}", self.revoke_token),
        ]

    @describe("Every account", answer=list[AccountView])
    @permit(roles=_SECURITY)
    async def accounts(self, _request: web.Request) -> web.StreamResponse:
        """Answer them by name."""
        found = await self._administration.account_states()
        return json_response([_account_view(state) for state in found])

    @describe("Make an account; answers its password once", body=AccountBody, answer=PasswordView)
    @permit(roles=_SECURITY)
    async def create(self, request: web.Request) -> web.StreamResponse:
        """201."""
        body = await read_json(request, AccountBody)
        asked = NewAccount(
            body.username,
            body.display_name,
            body.institution,
            frozenset(body.roles),
            body.kind,
            must_change_password=body.kind is PrincipalKind.PERSON,
        )
        made = await self._administration.create_account(request[PRINCIPAL], asked)
        view = PasswordView(username=made.account.username, password=made.password)
        return json_response(view, status=201)

    @describe("Give an account these roles and no others", body=RolesBody)
    @permit(roles=_SECURITY)
    async def set_roles(self, request: web.Request) -> web.StreamResponse:
        """204; with If-Match only while the roles are that version."""
        body = await read_json(request, RolesBody)
        version = read_version(request) if "If-Match" in request.headers else None
        await self._administration.set_roles(
            request[PRINCIPAL],
            request.match_info["username"],
            frozenset(body.roles),
            version=version,
        )
        return web.Response(status=204)

    @describe("Give an account a new random password, answered once", answer=PasswordView)
    @permit(roles=_SECURITY)
    async def set_password(self, request: web.Request) -> web.StreamResponse:
        """200."""
        username = request.match_info["username"]
        password = await self._administration.set_password(request[PRINCIPAL], username)
        return json_response(PasswordView(username=username, password=password))

    @describe("Close an account")
    @permit(roles=_SECURITY)
    async def disable(self, request: web.Request) -> web.StreamResponse:
        """204."""
        await self._administration.disable(request[PRINCIPAL], request.match_info["username"])
        return web.Response(status=204)

    @describe("Open a closed account")
    @permit(roles=_SECURITY)
    async def enable(self, request: web.Request) -> web.StreamResponse:
        """204."""
        await self._administration.enable(request[PRINCIPAL], request.match_info["username"])
        return web.Response(status=204)

    @describe("Forget the failed sign-ins of an account")
    @permit(roles=_SECURITY)
    async def unlock(self, request: web.Request) -> web.StreamResponse:
        """204."""
        await self._administration.unlock(request[PRINCIPAL], request.match_info["username"])
        return web.Response(status=204)

    @describe("End every session of an account")
    @permit(roles=_SECURITY)
    async def end_sessions(self, request: web.Request) -> web.StreamResponse:
        """204."""
        await self._administration.end_sessions(request[PRINCIPAL], request.match_info["username"])
        return web.Response(status=204)

    @describe("Every token, without its secret", answer=list[TokenView])
    @permit(roles=_SECURITY)
    async def tokens(self, _request: web.Request) -> web.StreamResponse:
        """Answer them, oldest first."""
        found = await self._administration.tokens()
        return json_response(
            [
                TokenView(
                    id=info.id,
                    username=info.username,
                    label=info.label,
                    created_at=info.created_at,
                    expires_at=info.expires_at,
                )
                for info in found
            ]
        )

    @describe("Make a token; answers its secret once", body=TokenBody, answer=TokenView)
    @permit(roles=_SECURITY)
    async def create_token(self, request: web.Request) -> web.StreamResponse:
        """201."""
        body = await read_json(request, TokenBody)
        days = None if body.days is None else min(max(body.days, 1), _DAYS_MAX)
        made = await self._administration.create_token(
            request[PRINCIPAL],
            body.username,
            label=body.label,
            valid_for=None if days is None else dt.timedelta(days=days),
        )
        view = TokenView(
            id=made.info.id,
            username=made.info.username,
            label=made.info.label,
            created_at=made.info.created_at,
            expires_at=made.info.expires_at,
            token=made.token,
        )
        return json_response(view, status=201)

    @describe("Make a token invalid")
    @permit(roles=_SECURITY)
    async def revoke_token(self, request: web.Request) -> web.StreamResponse:
        """204, or 404."""
        await self._administration.revoke_token(request[PRINCIPAL], request.match_info["token_id"])
        return web.Response(status=204)
