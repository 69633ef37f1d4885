"""A township's line to its county: what may be taken of it, and the one sender on it."""

import asyncio
import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.exchange.node_facts import read_expected
from gateway.township.clinic_hours import ClinicHours, Shares
from gateway.township.collector import ForwarderSettings
from gateway.township.county_client import CountyClient, CountyDoor, Credential
from gateway.township.forwarder import Forwarder
from gateway.township.line import LineMeter
from gateway.township.line_http import LineDoor
from gateway.township.parcel_maker import ParcelMaker
from gateway.township.queue_news import QueueNews
from gateway.township.set_aside_http import SetAsideDoor
from gateway.township.traffic import Traffic
from kernel.dicom.shown import LEGAL_TIME
from kernel.errors import Invalid
from kernel.process.wake import Wake
from yilian.wiring.context import Context
from yilian.wiring.study_orders import ordered_person
from yilian.wiring.township_objects import TownshipObjects

_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Line:
    """What the node knows and tells of its line, and what may be taken of it."""

    meter: LineMeter
    traffic: Traffic
    """The one bucket; letters and fetched objects take from it, too."""
    news: QueueNews


def line_of(context: Context) -> Line:
    """Return the line as the settings describe it."""
    settings = context.settings
    bits = settings.township.bandwidth_bits_per_s
    shares = Shares(
        ClinicHours.parse(settings.line.clinic_hours),
        settings.line.share_in_clinic_hours,
        bits / _BITS if bits else None,
    )
    meter = LineMeter()
    traffic = Traffic(shares, meter, context.clock, zone=LEGAL_TIME)
    news = QueueNews(
        context.database, meter, context.clock, institution=context.institution, zone=LEGAL_TIME
    )
    news.traffic = traffic.state
    news.expected = read_expected
    news.people = ordered_person
    news.quiet = dt.timedelta(seconds=settings.township.quiet_s)
    return Line(meter, traffic, news)


def line_routes(
    context: Context, objects: TownshipObjects, line: Line, changed: Wake
) -> list[web.RouteDef]:
    """Return the routes of the line and of what is set aside."""
    code = context.institution
    aside = SetAsideDoor(context.database, line.news, objects, code, changed.notify)
    return [*LineDoor(line.news, code, changed.notify).routes(), *aside.routes()]


async def forwarder_of(
    context: Context,
    objects: TownshipObjects,
    line: Line,
    credential: Credential | None,
) -> Forwarder:
    """Return the node's sender.

    Args:
        context: of the process.
        objects: what is sent.
        line: of this node.
        credential: what an enrolled node signs in with; None for the token file.

    Raises:
        Invalid: the county's key or the token file is not what the settings say.
    """
    home, township, clock = context.home, context.settings.township, context.clock
    token: str | Credential | None = credential
    if token is None:
        token = await asyncio.to_thread(_token, home.root, township.token_file)
    door = CountyDoor(
        township.county_url.rstrip("/"),
        token,
        context.institution,
        tls=_county_tls(township.county_ca_file),
    )
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(township.county_public_key))
    except ValueError as exc:
        raise Invalid(
            "township.county_public_key is what `yilian admin key` prints at the county",
            code="settings-refused",
        ) from exc
    maker = ParcelMaker(home.root / "outbox", objects, node=context.institution, clock=clock)
    settings = ForwarderSettings(
        institution=context.institution,
        county_key=key,
        parallel_most=township.parallel_uploads,
    )
    client = CountyClient(door, line.traffic, line.meter, clock)
    return Forwarder(context.database, client, maker, line.news, settings, clock=clock)


def _token(root: Path, name: str) -> str:
    try:
        return (root / name).read_text("ascii").strip() if name else ""
    except OSError as exc:
        raise Invalid(f"township.token_file: {exc}", code="settings-refused") from exc


def _county_tls(ca_file: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=ca_file) if ca_file else None
