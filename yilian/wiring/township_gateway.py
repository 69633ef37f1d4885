"""The township's own process: pages and uploads, the spool, the forwarder."""

import asyncio
import datetime as dt
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import REGISTRY

from gateway.accounts.service import OtherNodes
from gateway.exchange.completeness_http import CompletenessDoor
from gateway.township.bandwidth import TokenBucket
from gateway.township.collector import ForwarderSettings
from gateway.township.compress import Preparer
from gateway.township.county_client import CountyClient, CountyDoor, Credential
from gateway.township.forwarder import Forwarder
from gateway.township.http import (
    CountyFacts,
    DicomDoor,
    NamedInstitution,
    QueueDoor,
    TownshipFacts,
)
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.line import LineMeter
from gateway.township.metrics import QueueMetrics
from gateway.township.parcel_maker import ParcelMaker
from gateway.township.queue_news import QueueNews
from gateway.township.spool import DoorJournal, Spool
from gateway.uploads.batches_http import BatchDoor
from gateway.uploads.browser_upload import DicomFileSink, ZipSink
from gateway.uploads.intake import Intake
from gateway.uploads.tus import TusServer
from imaging.archive.objects_fs import FileObjectStore
from kernel.dicom.decode_pool import DecodePool
from kernel.dicom.shown import LEGAL_TIME
from kernel.errors import Invalid
from kernel.identity import find_institution
from kernel.journal.writer import JournalWriter
from kernel.process.wake import Wake
from yilian.wiring.context import AeCharsets, Context, relay_events
from yilian.wiring.orders import forget_old_asks, ledger, order_routes, watch_arrivals
from yilian.wiring.shell import serve_shell
from yilian.wiring.township_exchange import TownshipExchange, facts, guard, township_exchange
from yilian.wiring.township_objects import TownshipObjects

JOURNAL: Final = "gateway"
"""What people drop onto the page; the name never changes."""
_BURST_BYTES: Final = 64 << 10
_BITS: Final = 8


async def run_gateway(context: Context) -> None:
    """Serve, file and forward until the role is told to stop."""
    home, township = context.home, context.settings.township
    store = await asyncio.to_thread(FileObjectStore, home.objects)
    # What a crash left half written; nobody else writes objects before the spool begins.
    await asyncio.to_thread(store.sweep)
    objects = TownshipObjects(store)
    charsets = AeCharsets(context.database)
    await charsets.load()
    meter = LineMeter()
    news = QueueNews(
        context.database, meter, context.clock, institution=context.institution, zone=LEGAL_TIME
    )
    filed, chosen = Wake.local(), Wake.local()
    journal = JournalWriter.open(
        home.journal(JOURNAL), reserve_bytes=context.settings.journal.reserve_bytes, wake=chosen
    )
    async with AsyncExitStack() as held:
        held.push_async_callback(journal.close)
        decoder = held.enter_context(DecodePool())
        wake = Wake.receiver(context.filer_socket)
        held.callback(wake.close)
        spool = Spool(
            context.database,
            objects,
            Preparer(decoder, charsets, home.root / "scratch"),
            news,
            on_filed=filed.notify,
        )
        doors = [
            DoorJournal("dicom", home.journal("dicom"), wake),
            DoorJournal(JOURNAL, home.journal(JOURNAL), chosen),
        ]
        context.owner.keep("charsets", charsets.run)
        context.owner.keep("spool", lambda: spool.run(doors))
        context.owner.keep("events", lambda: relay_events(context))
        keep = KeepSettings(keep=dt.timedelta(days=township.keep_days))
        keeper = Keeper(context.database, objects, home.objects, keep, clock=context.clock)
        context.owner.keep("keeper", keeper.run)
        metrics = QueueMetrics(context.database, news, REGISTRY)
        context.owner.keep("metrics", metrics.run)
        context.owner.keep("order-arrivals", watch_arrivals(context, ledger(context)))
        context.owner.keep("old-asks", lambda: forget_old_asks(context))
        exchange = await township_exchange(context, news)
        if township.county_url:
            forwarder = await _forwarder(context, objects, news, exchange)
            context.owner.keep("forwarder", lambda: forwarder.run(filed))
        intake = Intake(journal, context.clock)
        longest = context.settings.limits.upload_bytes
        uploads = TusServer(
            home.uploads,
            {
                "dicom": DicomFileSink(intake, context.database, max_bytes=longest),
                "zip": ZipSink(intake, context.database, max_bytes=longest),
            },
            clock=context.clock,
        )
        queue = QueueDoor(context.database, news, await _facts(context), home.objects, filed.notify)
        routes: list[web.RouteDef] = [
            *queue.routes(),
            *order_routes(context, ledger(context)),
            *CompletenessDoor(
                context.database, context.clock, facts(context, news), context.institution
            ).routes(),
            *BatchDoor(context.database, uploads).routes(),
            *uploads.routes(),
        ]
        await serve_shell(
            context,
            routes,
            others=["dicom"],
            elsewhere=OtherNodes(guard=guard(context)),
            lifespans=[uploads.running],
        )


async def _facts(context: Context) -> TownshipFacts:
    settings, code = context.settings, context.institution
    known = await context.database.read(lambda conn: find_institution(conn, code))
    named = NamedInstitution(code=code, name=known.name if known else code)
    dicom = settings.dicom
    return TownshipFacts(
        name=settings.node.name or named.name,
        institution=named,
        dicom=DicomDoor(ae_title=dicom.ae_title, host=dicom.host, port=dicom.port),
        county=CountyFacts(
            name=settings.township.county_name, phone=settings.township.county_phone
        ),
    )


async def _forwarder(
    context: Context,
    objects: TownshipObjects,
    news: QueueNews,
    exchange: TownshipExchange | None,
) -> Forwarder:
    home, township, clock = context.home, context.settings.township, context.clock
    token: str | Credential
    if exchange is not None:
        token = exchange.link
    else:
        token = await asyncio.to_thread(_token, home.root, township.token_file)
    bits = township.bandwidth_bits_per_s
    bucket = TokenBucket(
        bits / _BITS if bits else None, burst_bytes=_BURST_BYTES, now_s=clock.monotonic_s()
    )
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
    settings = ForwarderSettings(institution=context.institution, county_key=key)
    client = CountyClient(door, bucket, clock)
    return Forwarder(context.database, client, maker, news, settings, clock=clock)


def _token(root: Path, name: str) -> str:
    try:
        return (root / name).read_text("ascii").strip() if name else ""
    except OSError as exc:
        raise Invalid(f"township.token_file: {exc}", code="settings-refused") from exc


def _county_tls(ca_file: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=ca_file) if ca_file else None
