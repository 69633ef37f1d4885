"""A whole node's HTTP door on loopback, and people to come through it."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import SignIns
from gateway.http.app import OnPrepare, ShellParts, ShellSettings, build_app
from gateway.http.auth import AuthSettings
from gateway.http.server import DEFAULT_LIMITS, ConnectionBook, ConnectionLimits, serve
from gateway.http.session import NodeFacts
from kernel.audit.access_log import AccessLog
from kernel.clock import FrozenClock
from kernel.identity import Institution, InstitutionKind, PrincipalKind, Role
from kernel.process.bus import NullBus
from kernel.sql.db import Database
from kernel.web import PRINCIPAL, json_response, permit, read_json, saw
from tests.databases import open_filled

AT = dt.datetime(2025, 5, 12, 8, 0, tzinfo=dt.UTC)
GOOD = "Kf7ma-x3Tpq-w9Rnc"
PEOPLE = {
    "wang": (Role.RADIOLOGIST, "county"),
    "zhao": (Role.TECHNICIAN, "qingshan"),
    "qian": (Role.TECHNICIAN, "shiqiao"),
    "sun": (Role.PRIVACY_OFFICER, "county"),
    "sys": (Role.SYSTEM_ADMINISTRATOR, "county"),
    "sec": (Role.SECURITY_ADMINISTRATOR, "county"),
    "aud": (Role.AUDIT_ADMINISTRATOR, "county"),
}


class Note(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    more: Any = None


@permit()
async def who(request: web.Request) -> web.StreamResponse:
    return json_response({"username": request[PRINCIPAL].username})


@permit(body_bytes=2000)
async def note(request: web.Request) -> web.StreamResponse:
    body = await read_json(request, Note, limit=2000)
    return json_response({"length": len(body.text)}, status=201)


@permit(roles={Role.RADIOLOGIST}, machines=False)
async def reading(request: web.Request) -> web.StreamResponse:
    uid = request.match_info["uid"]
    await saw(request, subject=f"study:{uid}", patient="p1", reason="routed-here")
    return json_response({})


@permit(public=True)
async def broken(_request: web.Request) -> web.StreamResponse:
    raise RuntimeError("张伟 must not come out")


@permit(public=True)
async def broken_half_way(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    await response.write(b"half")
    raise RuntimeError("half")


ROUTES = [
    web.get("/api/v1/who", who),
    web.post("/api/v1/notes", note),
    web.get("/api/v1/reading/{uid}", reading),
    web.get("/api/v1/broken", broken),
    web.get("/api/v1/half", broken_half_way),
]


@dataclass
class Door:
    """The door and what stands behind it."""

    url: str
    port: int
    database: Database
    clock: FrozenClock
    sign_ins: SignIns
    admin: Administration
    access_log: AccessLog
    bus: NullBus
    book: ConnectionBook
    app: web.Application
    _stack: AsyncExitStack = field(repr=False)

    async def visitor(self, **headers: str) -> aiohttp.ClientSession:
        """A browser or program that has not signed in."""
        session = aiohttp.ClientSession(
            self.url,
            headers=headers,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            # The test's own certificate; who is behind it is not the question here.
            connector=aiohttp.TCPConnector(ssl=False),
        )
        return await self._stack.enter_async_context(session)

    async def page(self, username: str) -> aiohttp.ClientSession:
        """A browser page somebody has signed in at."""
        session = await self.visitor()
        async with session.post(
            "/api/v1/session", json={"username": username, "password": GOOD}
        ) as answer:
            assert answer.status == 200, await answer.text()
            session.headers["X-CSRF-Token"] = (await answer.json())["csrf"]
        return session

    async def machine(self, username: str) -> aiohttp.ClientSession:
        """A program with somebody's token."""
        made = await self.admin.create_token(OPERATOR, username, label="test")
        return await self.visitor(Authorization=f"Bearer {made.token}")


@pytest.fixture(scope="session")
def hasher() -> Iterator[Hasher]:
    made = Hasher(memory_kib=64, rounds=1)
    yield made
    made.close()


OpenDoor = Callable[..., Awaitable[Door]]


@asynccontextmanager
async def door_on(
    database: Database,
    hasher: Hasher,
    *,
    ui_folder: Path | None = None,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    auth: AuthSettings | None = None,
    routes: Sequence[web.RouteDef] = ROUTES,
    websocket_url: str | None = None,
    tls: ssl.SSLContext | None = None,
    on_prepare: Sequence[OnPrepare] = (),
) -> AsyncIterator[Door]:
    """Open the door on *database*, with the people and houses of this file."""
    clock = FrozenClock(AT)
    sign_ins = SignIns(database, hasher, clock, chain="gateway")
    admin = Administration(database, sign_ins, clock, chain="gateway")
    access_log = AccessLog(database, clock, chain="gateway-looks")
    bus = NullBus()
    for institution in (
        Institution("county", "县人民医院", InstitutionKind.COUNTY),
        Institution("qingshan", "青山镇卫生院", InstitutionKind.TOWNSHIP, "county"),
        Institution("shiqiao", "石桥镇卫生院", InstitutionKind.TOWNSHIP, "county"),
    ):
        await admin.put_institution(OPERATOR, institution)
    for username, (role, institution_code) in PEOPLE.items():
        asked = NewAccount(username, username, institution_code, frozenset({role}), password=GOOD)
        await admin.create_account(OPERATOR, asked)
    await admin.create_account(
        OPERATOR,
        NewAccount("pacs", "PACS", "county", frozenset({Role.RADIOLOGIST}), PrincipalKind.MACHINE),
    )
    app = build_app(
        routes=routes,
        parts=ShellParts(database, clock, bus, sign_ins, access_log, admin),
        settings=ShellSettings(
            NodeFacts("county", "县人民医院", websocket_url=websocket_url),
            auth or AuthSettings(),
            ui_folder,
        ),
        registry=CollectorRegistry(),
        on_prepare=on_prepare,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    async with AsyncExitStack() as stack, serve(app, [listening], tls=tls, limits=limits) as book:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield Door(url, port, database, clock, sign_ins, admin, access_log, bus, book, app, stack)
        await stack.aclose()


@pytest_asyncio.fixture
async def open_door(sqlite_url: str, hasher: Hasher) -> AsyncIterator[OpenDoor]:
    """Opens the door with settings of one's own."""
    database = await open_filled(sqlite_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)

        async def opener(**settings: Any) -> Door:
            return await stack.enter_async_context(door_on(database, hasher, **settings))

        yield opener


@pytest_asyncio.fixture
async def door(open_door: OpenDoor) -> Door:
    """The door as it is by default."""
    return await open_door()


async def raw(port: int, data: bytes, *, within_s: float = 10.0) -> bytes:
    """Send bytes as they are and return what comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(within_s):
            return await reader.read()
    finally:
        writer.close()
