"""The shell put together: middlewares in their order, the shell's own routes, and the rooms'.

The default is no: a route that does not declare who may call it stops the start.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry

from gateway.accounts.administration import Administration
from gateway.accounts.service import SignIns
from gateway.http.admin import SecurityDoor
from gateway.http.auth import Auth, AuthSettings
from gateway.http.errors import ERROR_FORMS, ErrorForm, errors
from gateway.http.health import HealthDoor, Metrics, Probe
from gateway.http.institutions import InstitutionsDoor
from gateway.http.limits import add_headers, limits
from gateway.http.openapi import OpenApiDoor, describe_routes
from gateway.http.server import request_came
from gateway.http.session import NodeFacts, SessionDoor
from gateway.http.sse import EventFeed, EventStreams, StillGiven, nothing_given
from gateway.http.system import SystemDoor
from gateway.http.trail import TrailDoor
from gateway.http.ui import UiFiles
from kernel.audit.access_log import AccessLog
from kernel.clock import Clock
from kernel.events import last_event_id
from kernel.process.bus import Bus
from kernel.process.owner import Owner
from kernel.sql.db import Database
from kernel.web import ACCESS_LOG, CLOCK, DATABASE, JSON_LIMIT_BYTES, declaration

STREAMS: Final = web.AppKey("event streams", EventStreams)
_HTTPD_LOG: Final = logging.getLogger("aiohttp.server")


class UndeclaredRoute(RuntimeError):
    """A route does not say who may call it; the node does not start with one."""


@dataclass(frozen=True, slots=True)
class ShellSettings:
    """What the shell is told."""

    facts: NodeFacts
    auth: AuthSettings = field(default_factory=AuthSettings)
    ui_folder: Path | None = None
    """The built workstation; None where there is none."""
    version: str = "0"


@dataclass(frozen=True, slots=True)
class ShellParts:
    """What the shell stands on."""

    database: Database
    clock: Clock
    bus: Bus
    sign_ins: SignIns
    access_log: AccessLog
    administration: Administration
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """Further parts ``/health/ready`` asks; the database is always among them."""
    still_given: StillGiven = nothing_given
    """Knows who may hear of something for a time."""
    error_forms: Mapping[str, ErrorForm] = field(default_factory=dict)
    """By root of their paths, doors that answer errors in a language of their own."""


Lifespan = Callable[[], AbstractAsyncContextManager[object]]
OnPrepare = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def build_app(
    *,
    routes: Sequence[web.RouteDef],
    parts: ShellParts,
    settings: ShellSettings,
    registry: CollectorRegistry = REGISTRY,
    lifespans: Sequence[Lifespan] = (),
    on_prepare: Sequence[OnPrepare] = (),
) -> web.Application:
    """Return the application of one node.

    Args:
        routes: of the rooms, each declared with ``kernel.web.permit``.
        parts: what it stands on; their owner closes them.
        settings: what the node is.
        registry: where the shell's metrics go, and what ``/metrics`` shows.
        lifespans: entered at the start of the application and left at its end, in reverse.
        on_prepare: the rooms' own headers; the shell adds those an answer has not.

    Raises:
        UndeclaredRoute: a route has no declaration.
    """
    auth = Auth(parts.sign_ins, settings.auth)
    feed = EventFeed(parts.database, parts.bus)
    streams = EventStreams(feed, auth, parts.database, parts.clock, still_given=parts.still_given)
    probes = {"database": lambda: parts.database.read(last_event_id), **parts.probes}
    every = [
        *SessionDoor(parts.sign_ins, auth, parts.database, parts.clock, settings.facts).routes(),
        *streams.routes(),
        *InstitutionsDoor(parts.database).routes(),
        *HealthDoor(probes, registry, auth).routes(),
        *SystemDoor(parts.administration).routes(),
        *SecurityDoor(parts.administration).routes(),
        *TrailDoor(parts.database, parts.access_log, parts.clock).routes(),
        *routes,
    ]
    every += OpenApiDoor(describe_routes(every, version=settings.version)).routes()
    every += UiFiles(settings.ui_folder, websocket_url=settings.facts.websocket_url).routes()
    check_declared(every)

    app = web.Application(
        middlewares=[
            request_came,
            Metrics(registry).middleware,
            errors,
            limits,
            auth.middleware,
        ],
        logger=_HTTPD_LOG,
        # Of request.read() and its like; kernel.web and what streams count for themselves.
        client_max_size=JSON_LIMIT_BYTES,
    )
    app[DATABASE], app[CLOCK], app[ACCESS_LOG] = parts.database, parts.clock, parts.access_log
    app[STREAMS], app[ERROR_FORMS] = streams, parts.error_forms
    app.add_routes(every)
    app.on_response_prepare.extend((*on_prepare, add_headers))
    app.cleanup_ctx.append(_running(feed, parts.access_log, auth))
    for lifespan in lifespans:
        app.cleanup_ctx.append(_entered(lifespan))
    app.on_shutdown.append(_end_streams)
    return app


def check_declared(routes: Iterable[web.RouteDef]) -> None:
    """Raise ``UndeclaredRoute`` for the first of *routes* that does not say who may call it."""
    for route in routes:
        if declaration(route.handler) is None:
            raise UndeclaredRoute(f"{route.method} {route.path}")


def _running(
    feed: EventFeed, access_log: AccessLog, auth: Auth
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(_app: web.Application) -> AsyncIterator[None]:
        async with Owner() as owner:
            owner.keep("event-feed", feed.run)
            owner.keep("access-counts", access_log.run)
            owner.keep("revoked-nodes", auth.run)
            yield

    return run


def _entered(lifespan: Lifespan) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(_app: web.Application) -> AsyncIterator[None]:
        async with lifespan():
            yield

    return run


async def _end_streams(app: web.Application) -> None:
    app[STREAMS].end_all()
