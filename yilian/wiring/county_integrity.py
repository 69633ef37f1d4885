"""The county's scrub and register, bound to its worker; list and numbers, bound to the web door."""

import datetime as dt

import sqlalchemy as sa
from aiohttp import web
from prometheus_client import REGISTRY

from imaging.archive.filing_metrics import FilingMetrics
from imaging.archive.http_integrity import StorageDoor
from imaging.archive.integrity_metrics import IntegrityMetrics
from imaging.archive.object_truth import Stored
from imaging.archive.register import Register
from imaging.archive.registering import Registrar
from imaging.archive.scrubbing import Scrubber, SteadyPace
from kernel.dicom.codecs import FrameDecoder
from kernel.identity import ae_table
from yilian.wiring.context import Context
from yilian.wiring.homes import COUNTY_JOURNALS


def keep_scrubbing(context: Context, objects: Stored, decoder: FrameDecoder) -> None:
    """Keep looking at *objects* in this role, unless the settings say not to."""
    asked = context.settings.integrity
    if not asked.scrub_bytes_per_s:
        return
    scrubber = Scrubber(
        context.database,
        objects,
        decoder,
        context.clock,
        pace=SteadyPace(asked.scrub_bytes_per_s, context.clock),
        every=dt.timedelta(days=asked.scrub_days),
        chain=f"{context.role}-integrity",
    )
    context.owner.keep("scrub", scrubber.run)


def keep_registering(context: Context) -> None:
    """Keep the register beside the objects up to date in this role."""
    registrar = Registrar(
        context.database, Register(context.home.objects), context.clock, hints=charset_hints
    )
    context.owner.keep("register", registrar.run)


def charset_hints(conn: sa.Connection) -> dict[str, str]:
    """Return what the text of each AE really is, where an administrator wrote it down."""
    return {peer.ae_title: peer.charset_hint for peer in ae_table(conn) if peer.charset_hint}


def integrity_routes(context: Context) -> list[web.RouteDef]:
    """Return the routes of the store's health; keep counting it and the filing for ``/metrics``."""
    context.owner.keep("integrity-metrics", IntegrityMetrics(context.database, REGISTRY).run)
    journals = {name: context.home.journal(name) for name in COUNTY_JOURNALS}
    filing = FilingMetrics(context.database, journals, REGISTRY)
    context.owner.keep("filing-metrics", filing.run)
    return StorageDoor().routes()
