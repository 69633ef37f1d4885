"""Who is asking, and may they: the default is no.

A browser comes with a session cookie, a machine with a bearer token. Whatever the cookie can be
made to send from a foreign page must not change anything, so every write by cookie needs a same
origin and the session's own token in a header.
"""

import asyncio
import hmac
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.accounts.model import SignIn
from gateway.accounts.service import SignIns
from gateway.http.peers import Network, Peer, peer_of
from kernel.errors import Forbidden, Unauthenticated
from kernel.identity import PrincipalKind
from kernel.web import ADDRESS, PRINCIPAL, SIGN_IN_ID, Declaration, declaration

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGN_IN: Final = web.RequestKey("sign-in", SignIn)
PEER: Final = web.RequestKey("peer", Peer)

CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES: Final = frozenset({"same-origin", "none"})
_LOOK_FOR_REVOKED_S: Final = 15.0


class ForeignPage(Forbidden):
    """The request was made by another site's page, or without this session's token."""

    code = "foreign-page"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How the door knows its callers."""

    cookie: str = "yilian"
    """Name of the session cookie; over TLS ``__Host-`` comes before it. Nodes that share a host
    need different names, for browsers keep cookies by host and not by port."""
    public_origins: frozenset[str] = frozenset()
    """Origins this node is reached under through a proxy, such as ``https://yilian.example``."""
    proxies: Sequence[Network] = ()
    """Networks whose X-Forwarded-For and -Proto count."""
    plain_beyond_loopback: bool = False
    """Whether people may sign in without TLS from other machines."""


class Auth:
    """The middleware, and the cookie."""

    def __init__(self, sign_ins: SignIns, settings: AuthSettings) -> None:
        self._sign_ins = sign_ins
        self._settings = settings
        self._by_machines: defaultdict[str, set[asyncio.Transport]] = defaultdict(set)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let *request* through when its route's declaration does."""
        peer = request[PEER] = peer_of(request, self._settings.proxies)
        request[ADDRESS] = peer.address
        declared = declaration(request.match_info.handler)
        if declared is None:
            # Only aiohttp's own answers (404, 405) have none: the start-up check saw to that.
            return await handler(request)
        by_page = request.method not in _SAFE and self._check_origin(request)
        if declared.public:
            return await handler(request)
        sign_in = await self.identify(request)
        if sign_in is None:
            raise Unauthenticated
        if by_page and not sign_in.by_token:
            sent = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(sent.encode(), sign_in.csrf.encode()):
                raise ForeignPage("the X-CSRF-Token header is missing or wrong")
        _check(declared, sign_in)
        request[SIGN_IN] = sign_in
        request[SIGN_IN_ID] = sign_in.sign_in_id
        request[PRINCIPAL] = sign_in.principal
        if sign_in.principal.kind is PrincipalKind.MACHINE and request.transport is not None:
            async with self._noted(sign_in.principal.user_id, request.transport):
                return await handler(request)
        return await handler(request)

    @asynccontextmanager
    async def _noted(self, user_id: str, transport: asyncio.Transport) -> AsyncIterator[None]:
        """Know of a machine's request while it runs."""
        self._by_machines[user_id].add(transport)
        try:
            yield
        finally:
            self._by_machines[user_id].discard(transport)
            if not self._by_machines[user_id]:
                del self._by_machines[user_id]

    async def cut_revoked(self) -> None:
        """Cut what nodes that were let go still have running; an upload may last for hours."""
        nodes = self._sign_ins.nodes
        if nodes is None or not self._by_machines:
            return
        for user_id in await nodes.revoked_among(set(self._by_machines)):
            for transport in list(self._by_machines.get(user_id, ())):
                transport.abort()

    async def run(self) -> None:
        """Look for revoked nodes every 15 s until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_FOR_REVOKED_S)
            await self.cut_revoked()

    async def identify(self, request: web.Request, *, active: bool = True) -> SignIn | None:
        """Return who sends *request*, None for nobody.

        Raises:
            Unauthenticated: an Authorization header that proves nothing (``bad-token``).
        """
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("only Bearer", code="bad-token")
            return await self._sign_ins.by_token(token.strip())
        secret = self.secret(request)
        if not secret:
            return None
        return await self._sign_ins.by_session(secret, active=active)

    def secret(self, request: web.Request) -> str:
        """Return what the session cookie holds, or an empty text."""
        return request.cookies.get(self._cookie_name(request[PEER]), "")

    def set_cookie(self, request: web.Request, response: web.StreamResponse, secret: str) -> None:
        """Give the browser its session.

        Raises:
            Forbidden: it would cross a network in clear (``needs-tls``).
        """
        peer = request[PEER]
        self.check_protected(request)
        response.set_cookie(
            self._cookie_name(peer),
            secret,
            path="/",
            httponly=True,
            secure=peer.secure,
            samesite="Lax",
        )

    def check_protected(self, request: web.Request) -> None:
        """Raise ``Forbidden`` (``needs-tls``) where a password would cross a network in clear."""
        peer = request[PEER]
        if not (peer.secure or peer.loopback or self._settings.plain_beyond_loopback):
            raise Forbidden("sign in over https", code="needs-tls")

    def clear_cookie(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the session back from the browser."""
        peer = request[PEER]
        response.del_cookie(
            self._cookie_name(peer), path="/", httponly=True, secure=peer.secure, samesite="Lax"
        )

    def _cookie_name(self, peer: Peer) -> str:
        name = self._settings.cookie
        return f"__Host-{name}" if peer.secure else name

    def _check_origin(self, request: web.Request) -> bool:
        """Raise for a write from a foreign page; returns True, for a write that came through."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None and site not in _OWN_PAGES:
            raise ForeignPage("made by another site's page")
        origin = request.headers.get("Origin")
        if origin is not None:
            scheme = "https" if request[PEER].secure else "http"
            own = f"{scheme}://{request.host}".lower()
            if origin.lower() != own and origin not in self._settings.public_origins:
                raise ForeignPage("made by another site's page")
        return True


def _check(declared: Declaration, sign_in: SignIn) -> None:
    principal = sign_in.principal
    if principal.kind is PrincipalKind.MACHINE and not declared.machines:
        raise Forbidden("for people only")
    if declared.roles is not None and principal.roles.isdisjoint(declared.roles):
        raise Forbidden("not this role")
