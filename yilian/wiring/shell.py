"""The HTTP shell of a node, bound to its database, bus and certificate."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

import gateway
from gateway.accounts.administration import Administration
from gateway.accounts.model import SessionTimes, SignInRules
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import OtherNodes, SignIns
from gateway.http.app import Lifespan, OnPrepare, ShellParts, ShellSettings, build_app
from gateway.http.auth import AuthSettings
from gateway.http.peers import parse_networks
from gateway.http.server import serve
from gateway.http.session import NodeFacts
from kernel.audit.access_log import AccessLog
from kernel.audit.heads import keep_signed
from kernel.events import prune
from kernel.settings import NodeKind, Settings
from yilian.cli import program_version
from yilian.wiring.context import Context, role_probe, room_probe

_CHAIN: Final = "gateway"
_PRUNE_EVERY_S: Final = 3600.0


def ui_folder() -> Path | None:
    """Return the built workstation, None where it has not been built."""
    built = Path(gateway.__file__ or "").parent / "ui" / "dist"
    return built if (built / "index.html").is_file() else None


def http_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS of the HTTP door (1.2 at least), None where the node has no certificate."""
    if not settings.tls.on:
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(settings.tls.cert_file, settings.tls.key_file)
    return made


def _receipt_key(context: Context) -> str:
    return context.home.public_key() if context.kind is NodeKind.COUNTY else ""


async def _prune_outbox(context: Context) -> None:
    """Drop events nobody will ask for any more, once an hour, until cancelled."""
    keep = dt.timedelta(days=context.settings.limits.events_keep_days)
    while True:
        before = context.clock.now() - keep
        await context.database.write(partial(prune, before=before))
        await asyncio.sleep(_PRUNE_EVERY_S)


async def serve_shell(
    context: Context,
    routes: Sequence[web.RouteDef],
    *,
    others: Sequence[str],
    elsewhere: OtherNodes | None = None,
    lifespans: Sequence[Lifespan] = (),
    on_prepare: Sequence[OnPrepare] = (),
) -> None:
    """Serve the inherited door ``http`` until the role is told to stop.

    Args:
        context: this role's process.
        routes: of the rooms.
        others: the node's other roles, which ``/health/ready`` asks for a sign of life.
        elsewhere: what other nodes have to do with signing in here.
        lifespans: entered while the door is open.
        on_prepare: the rooms' own headers.
    """
    settings = context.settings
    hasher = Hasher()
    times = SessionTimes(
        idle=dt.timedelta(seconds=settings.limits.session_idle_s),
        absolute=dt.timedelta(seconds=settings.limits.session_s),
    )
    sign_ins = SignIns(
        context.database,
        hasher,
        context.clock,
        chain=_CHAIN,
        rules=SignInRules(sessions=times),
        others=elsewhere,
    )
    parts = ShellParts(
        database=context.database,
        clock=context.clock,
        bus=context.bus,
        sign_ins=sign_ins,
        access_log=AccessLog(context.database, context.clock, chain=f"{_CHAIN}-access"),
        administration=Administration(context.database, sign_ins, context.clock, chain=_CHAIN),
        probes={
            "room": room_probe(context),
            **{role: role_probe(context, role) for role in others},
        },
    )
    shell = ShellSettings(
        facts=NodeFacts(
            node=str(context.kind),
            name=settings.node.name or context.institution,
            demo=settings.dicom.admit_loopback,
            node_id=await asyncio.to_thread(context.home.node_id),
            receipt_key=await asyncio.to_thread(_receipt_key, context),
        ),
        auth=AuthSettings(
            cookie=f"yilian-{context.institution}",
            public_origins=frozenset(settings.http.public_origins),
            proxies=parse_networks(settings.http.trusted_proxies),
            plain_beyond_loopback=settings.http.allow_unencrypted,
        ),
        ui_folder=await asyncio.to_thread(ui_folder),
        version=program_version(),
    )
    context.owner.keep("outbox", lambda: _prune_outbox(context))
    app = build_app(
        routes=routes, parts=parts, settings=shell, lifespans=lifespans, on_prepare=on_prepare
    )
    key, signed = context.home.secret("audit.pem"), context.home.root / "audit"
    context.owner.keep(
        "audit-heads", lambda: keep_signed(context.database, signed, key, context.clock)
    )
    door = context.inherited.door("http")
    try:
        async with serve(app, [door] if door else [], tls=http_tls(settings)):
            context.inherited.ready()
            await context.stop.wait()
    finally:
        hasher.close()
