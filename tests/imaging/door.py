"""The archive's HTTP rooms on a real server, with a sign-in by header."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.http.errors import errors
from kernel.audit.access_log import AccessLog
from kernel.identity import Principal, Role
from kernel.web import ACCESS_LOG, ADDRESS, CLOCK, DATABASE, PRINCIPAL, SIGN_IN_ID, Handler
from tests.imaging.desk import Desk

AS_INSTITUTION = "X-Test-Institution"
AS_ROLE = "X-Test-Role"


@asynccontextmanager
async def serve(desk: Desk, routes: Iterable[web.RouteDef]) -> AsyncIterator[TestServer]:
    """Serve *routes* over *desk*; headers say who asks, a technician of qingshan by default."""

    @web.middleware
    async def sign_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        institution = request.headers.get(AS_INSTITUTION, "qingshan")
        role = Role(request.headers.get(AS_ROLE, "technician"))
        name = f"{role}@{institution}"
        request[PRINCIPAL] = Principal(name, name, name, frozenset({role}), institution)
        request[ADDRESS] = "127.0.0.1"
        request[SIGN_IN_ID] = name
        return await handler(request)

    app = web.Application(middlewares=[errors, sign_in])
    app[DATABASE] = desk.database
    app[CLOCK] = desk.clock
    app[ACCESS_LOG] = AccessLog(desk.database, desk.clock, chain="test")
    app.add_routes(routes)
    server = TestServer(app)
    await server.start_server()
    try:
        yield server
    finally:
        await server.close()
