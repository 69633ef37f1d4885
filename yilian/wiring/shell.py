"""The HTTP shell of a node, bound to its database, bus and certificate."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

import gateway
from gateway.accounts.administration import Administration
from gateway.accounts.model import SessionTimes, SignInRules
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import OtherNodes, SignIns
from gateway.dimse.echoing import DeviceEcho
from gateway.http.app import Lifespan, OnPrepare, ShellParts, ShellSettings, build_app
from gateway.http.auth import AuthSettings
from gateway.http.echo import EchoDoor
from gateway.http.errors import ErrorForm
from gateway.http.peers import parse_networks
from gateway.http.server import serve
from gateway.http.session import NodeFacts
from gateway.http.sse import StillGiven, nothing_given
from kernel.audit.access_log import AccessLog
from kernel.audit.heads import keep_signed
from kernel.events import prune
from kernel.identifiers import AETitle
from kernel.settings import NodeKind, Settings
from yilian.cli import program_version
from yilian.wiring.calling_tls import calling_tls
from yilian.wiring.context import Context, role_probe, room_probe

_CHAIN: Final = "gateway"
_PRUNE_EVERY_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellHooks:
    """What a node's rooms add to its shell."""

    lifespans: Sequence[Lifespan] = ()
    """Entered while the door is open."""
    on_prepare: Sequence[OnPrepare] = ()
    """The rooms' own headers."""
    still_given: StillGiven = nothing_given
    """Knows who may hear of something for a time."""
    error_forms: Mapping[str, ErrorForm] = field(default_factory=dict)
    """By root of their paths, doors that answer errors in a language of their own."""


NO_HOOKS: Final = ShellHooks()


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
    hooks: ShellHooks = NO_HOOKS,
) -> None:
    """Serve the inherited door ``http`` until the role is told to stop.

    Args:
        context: this role's process.
        routes: of the rooms.
        others: the node's other roles, which ``/health/ready`` asks for a sign of life.
        elsewhere: what other nodes have to do with signing in here.
        hooks: what the rooms add to it.
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
        still_given=hooks.still_given,
        error_forms=hooks.error_forms,
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
    title = AETitle.parse(settings.dicom.ae_title)
    devices = DeviceEcho(context.database, title, tls=calling_tls(settings))
    context.owner.keep("outbox", lambda: _prune_outbox(context))
    app = build_app(
        routes=[*EchoDoor(devices).routes(), *routes],
        parts=parts,
        settings=shell,
        lifespans=hooks.lifespans,
        on_prepare=hooks.on_prepare,
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
