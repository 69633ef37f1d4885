"""The DICOMweb door over real HTTP on loopback, before an archive with real parts."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from gateway.http.errors import errors
from gateway.http.limits import add_headers, limits
from imaging.dicomweb import qido
from imaging.dicomweb.routes import DicomWebParts, routes
from imaging.dicomweb.stow import StowJournal
from imaging.pixels.frames import FramePlans
from imaging.pixels.pool import PixelPool
from imaging.query.paging import PagingMemory
from imaging.query.service import Search
from kernel.audit.access_log import AccessLog
from kernel.dicom.decode_pool import DecodePool
from kernel.errors import Unauthenticated
from kernel.identity import Principal, PrincipalKind, Role
from kernel.process.owner import Owner
from kernel.web import ACCESS_LOG, ADDRESS, CLOCK, DATABASE, PRINCIPAL, SIGN_IN_ID
from tests.imaging.desk import Desk
from yilian.wiring.web_commitments import WebCommitments

Body = bytes | AsyncIterator[bytes]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PEOPLE = {
    **{
        role.value: Principal(f"r-{role}", role, role, frozenset({role}), "qingshan")
        for role in Role
    },
    "own": Principal("u1", "li", "李", frozenset({Role.TECHNICIAN}), "qingshan"),
    "other": Principal("u2", "wu", "吴", frozenset({Role.RADIOLOGIST}), "baihe"),
    "centre": Principal("u4", "zhou", "周", frozenset({Role.RADIOLOGIST}), "county-hospital"),
    "manager": Principal("u3", "he", "何", frozenset({Role.MANAGER}), "qingshan"),
    "machine": Principal(
        "m1", "node", "node", frozenset({Role.TECHNICIAN}), "qingshan", PrincipalKind.MACHINE
    ),
}


@web.middleware
async def sign_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the bearer's name as who they are."""
    name = request.headers.get("Authorization", "Bearer own").removeprefix("Bearer ")
    if name not in PEOPLE:
        raise Unauthenticated
    request[PRINCIPAL] = PEOPLE[name]
    request[ADDRESS], request[SIGN_IN_ID] = "127.0.0.1", f"session-{name}"
    return await handler(request)


@dataclass(slots=True)
class WebDoor:
    """The door, and a client that knocks at it."""

    url: str
    """Of the service: ``http://host:port/dicom-web``."""
    host: str
    port: int
    client: aiohttp.ClientSession
    plans: FramePlans
    paths: list[str]
    """Every address that answers GET, with its placeholders."""

    async def get(
        self, path: str, accept: str = "", *, who: str = "own", **headers: str
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """Return status, headers and body of one GET."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Authorization"] = f"Bearer {who}"
        if accept:
            sent["Accept"] = accept
        url = path if path.startswith("http") else self.url + path
        async with self.client.get(url, headers=sent) as answer:
            return answer.status, answer.headers, await answer.read()

    async def post(
        self, path: str, body: Body, content_type: str, *, who: str = "own", **headers: str
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """Return status, headers and body of the answer to one POST."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Authorization": f"Bearer {who}", "Content-Type": content_type}
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.client.post(self.url + path, data=data, headers=sent) as answer:
            return answer.status, answer.headers, await answer.read()


@asynccontextmanager
async def open_door(
    desk: Desk, *, filing: bool = True, stow_idle_s: float = 30.0
) -> AsyncIterator[WebDoor]:
    """Serve the archive of *desk* on an ephemeral port of 127.0.0.1.

    Args:
        desk: the archive.
        filing: file what comes by STOW at once.
        stow_idle_s: how long a body may stand still.
    """
    app = web.Application(middlewares=[errors, limits, sign_in])
    plans = FramePlans()
    with DecodePool(workers=1) as decoder:
        pool = PixelPool(decoder)
        journal = StowJournal(desk.writer, "dicom", desk.filer.progress)
        parts = DicomWebParts(
            database=desk.database,
            objects=desk.objects,
            pool=pool,
            clock=desk.clock,
            journal=journal,
            plans=plans,
            stow_idle_s=stow_idle_s,
            # So long as a machine with much else to do may need.
            filed_within_s=20.0 if filing else 0.1,
            commitments=WebCommitments(desk.database, desk.clock),
        )
        searches = qido.routes(Search(desk.database, PagingMemory(desk.clock)))
        app.add_routes(routes(parts, searches))
        app[DATABASE], app[CLOCK] = desk.database, desk.clock
        app[ACCESS_LOG] = AccessLog(desk.database, desk.clock, chain="web-test")
        app.on_response_prepare.append(add_headers)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        try:
            timeout = aiohttp.ClientTimeout(total=20)
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as client,
                Owner() as owner,
            ):
                if filing:
                    owner.keep("filer", partial(_file, desk))
                url = server.make_url("/dicom-web")
                paths = [
                    route.resource.canonical
                    for route in app.router.routes()
                    if route.method == "GET" and route.resource is not None
                ]
                yield WebDoor(str(url), str(url.host), url.port or 0, client, plans, paths)
        finally:
            await server.close()
            pool.close()


async def _file(desk: Desk) -> None:
    while True:
        if not await desk.filer.file_waiting():
            await asyncio.sleep(0.01)


def parts_of(headers: CIMultiDictProxy[str], body: bytes) -> list[tuple[str, bytes]]:
    """Return content type and body of each part, by the rules of RFC 2046 and nobody's parser."""
    _, _, boundary = headers["Content-Type"].partition("boundary=")
    delimiter = b"--" + boundary.encode()
    assert body.startswith(delimiter + b"\r\n")
    assert body.endswith(b"\r\n" + delimiter + b"--\r\n")
    found = []
    for part in body[len(delimiter) : -len(delimiter) - 6].split(b"\r\n" + delimiter):
        head, blank, content = part.partition(b"\r\n\r\n")
        assert blank
        (kind,) = (
            line.removeprefix(b"Content-Type: ").decode()
            for line in head.split(b"\r\n")
            if line.startswith(b"Content-Type: ")
        )
        found.append((kind, content))
    return found
