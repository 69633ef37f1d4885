"""A node's whole HTTP door with orders behind it, and people to come through it."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import SignIns
from gateway.http.app import ShellParts, ShellSettings, build_app
from gateway.http.auth import AuthSettings
from gateway.http.server import serve
from gateway.http.session import NodeFacts
from kernel.audit.access_log import AccessLog
from kernel.identity import Institution, InstitutionKind, PrincipalKind, Role
from kernel.process.bus import NullBus
from referrals.orders import http
from referrals.orders.counter import Counter
from referrals.orders.ports import Unread, nobody_reads
from tests.orders.desk import COUNTY, QINGSHAN, Desk

VILLAGE = "xigou"
"""A village house that belongs to qingshan."""
PEOPLE = {
    "luoli": (Role.REGISTRAR, QINGSHAN),
    "lijing": (Role.TECHNICIAN, QINGSHAN),
    "tianshui": (Role.VILLAGE_DOCTOR, QINGSHAN),
    "aying": (Role.VILLAGE_DOCTOR, VILLAGE),
    "yaoshi": (Role.TECHNICIAN, VILLAGE),
    "gaoshan": (Role.MANAGER, QINGSHAN),
    "wanghai": (Role.RADIOLOGIST, COUNTY),
    "sunyu": (Role.TECHNICIAN, COUNTY),
}


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    etag: str
    location: str


@dataclass
class Door:
    """The door of one node."""

    desk: Desk
    url: str
    tokens: dict[str, str] = field(repr=False)
    _client: aiohttp.ClientSession = field(repr=False)
    _count: int = 0

    async def get(self, path: str, who: str = "luoli", **query: str) -> Answer:
        """Ask as *who*."""
        return await self._send("GET", path, who, params=query)

    async def write(  # an act and its conditions
        self,
        method: str,
        path: str,
        body: object = None,
        who: str = "luoli",
        *,
        key: str | None = None,
        etag: str = "",
    ) -> Answer:
        """Write as *who*, under a key of its own unless told; an empty *key* sends none."""
        self._count += 1
        headers = {"Idempotency-Key": f"k{self._count}" if key is None else key, "If-Match": etag}
        kept = {name: value for name, value in headers.items() if value}
        return await self._send(method, path, who, json=body or {}, headers=kept)

    async def _send(self, method: str, path: str, who: str, **more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} | more.pop("headers", {})
        async with self._client.request(
            method, f"{self.url}/api/v1{path}", headers=headers, **more
        ) as answer:
            body = await answer.json(content_type=None)
            return Answer(
                answer.status,
                body,
                answer.headers.get("ETag", ""),
                answer.headers.get("Location", ""),
            )


@asynccontextmanager
async def open_door(
    desk: Desk, more: Sequence[web.RouteDef] = (), *, unread: Unread = nobody_reads
) -> AsyncIterator[Door]:
    """Serve *desk* on an ephemeral port of 127.0.0.1."""
    database, clock, hasher = desk.database, desk.clock, Hasher(memory_kib=64, rounds=1)
    sign_ins = SignIns(database, hasher, clock, chain="gateway")
    admin = Administration(database, sign_ins, clock, chain="gateway")
    kinds = {COUNTY: InstitutionKind.COUNTY, QINGSHAN: InstitutionKind.TOWNSHIP}
    for code, kind in kinds.items():
        await admin.put_institution(OPERATOR, Institution(code, code, kind))
    village = Institution(VILLAGE, VILLAGE, InstitutionKind.VILLAGE, QINGSHAN)
    await admin.put_institution(OPERATOR, village)
    tokens = {}
    for name, (role, code) in PEOPLE.items():
        asked = NewAccount(name, name, code, frozenset({role}), PrincipalKind.MACHINE)
        await admin.create_account(OPERATOR, asked)
        tokens[name] = (await admin.create_token(OPERATOR, name, label="test")).token
    ledger = desk.ledger
    counter = Counter(
        database,
        clock,
        desk.desk,
        ledger.numbers,
        ledger.spellings,
        desk.centre,
        unread=unread,
    )
    app = build_app(
        routes=[*http.routes(counter), *more],
        parts=ShellParts(
            database,
            clock,
            NullBus(),
            sign_ins,
            AccessLog(database, clock, chain="looks"),
            admin,
        ),
        settings=ShellSettings(NodeFacts("township", "青山卫生院"), AuthSettings(), None),
        registry=CollectorRegistry(),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        stack.callback(hasher.close)
        await stack.enter_async_context(serve(app, [listening]))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Door(desk, url, tokens, client)
