"""Is it alive, is it ready, and how is it doing: for supervisors, balancers and Prometheus."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.http.auth import PEER, Auth
from kernel.errors import Forbidden, Unauthenticated
from kernel.identity import Role
from kernel.web import describe, json_response, permit

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Probe = Callable[[], Awaitable[object]]
"""Returns when the part answers, raises or hangs when it does not."""

_PROBE_WITHIN_S: Final = 2.0
_BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts of the shell itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "yilian_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "yilian_http_request_seconds",
            "Time until the answer was whole",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count *request* under its route's pattern; addresses themselves name patients."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        began = time.monotonic()
        status = 499  # the peer went away before there was an answer
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            method = request.method if request.method.isalpha() else "other"
            self._requests.labels(method[:10], route, str(status)).inc()
            self._seconds.labels(route).observe(time.monotonic() - began)


class HealthDoor:
    """``/health/live``, ``/health/ready``, ``/metrics``."""

    def __init__(
        self, probes: Mapping[str, Probe], registry: CollectorRegistry, auth: Auth
    ) -> None:
        self._probes = dict(probes)
        self._registry = registry
        self._auth = auth

    def routes(self) -> list[web.RouteDef]:
        """Return the three routes."""
        return [
            web.get("/health/live", self.live),
            web.get("/health/ready", self.ready),
            web.get("/metrics", self.metrics),
        ]

    @describe("The process answers")
    @permit(public=True)
    async def live(self, _request: web.Request) -> web.StreamResponse:
        """200 whenever the event loop turns."""
        return json_response({"status": "ok"})

    @describe("Everything this node needs answers")
    @permit(public=True)
    async def ready(self, _request: web.Request) -> web.StreamResponse:
        """200 with each part ``ok``, or 503 naming what is not."""
        names = list(self._probes)
        answers = await asyncio.gather(*(self._ask(self._probes[name]) for name in names))
        checks = dict(zip(names, answers, strict=True))
        good = all(answer == "ok" for answer in answers)
        return json_response(
            {"status": "ok" if good else "failed", "checks": checks}, status=200 if good else 503
        )

    async def _ask(self, probe: Probe) -> str:
        try:
            async with asyncio.timeout(_PROBE_WITHIN_S):
                await probe()
        except TimeoutError:
            return "slow"
        except Exception:  # noqa: BLE001  # whatever it is, the part does not answer
            return "failed"
        return "ok"

    @describe("Prometheus metrics, for this machine itself or a system administrator")
    @permit(public=True)
    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer the text exposition format."""
        if request[PEER].address not in {"127.0.0.1", "::1", ""}:
            sign_in = await self._auth.identify(request)
            if sign_in is None:
                raise Unauthenticated
            if not sign_in.principal.has(Role.SYSTEM_ADMINISTRATOR):
                raise Forbidden("not this role")
        text = prometheus_client.generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
