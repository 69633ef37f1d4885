"""The township's own process: pages and uploads, the spool, the forwarder."""

import asyncio
import datetime as dt
from contextlib import AsyncExitStack, closing
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY

from gateway.accounts.service import OtherNodes
from gateway.exchange.completeness_http import CompletenessDoor
from gateway.exchange.node_facts import note_chosen
from gateway.township.compress import Preparer
from gateway.township.growth_watch import GrowthWatch
from gateway.township.http import (
    CountyFacts,
    DicomDoor,
    NamedInstitution,
    QueueDoor,
    TownshipFacts,
)
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.metrics import QueueMetrics
from gateway.township.queue_news import QueueNews
from gateway.township.spool import DoorJournal, Spool
from gateway.township.spool_index import wanted_again
from gateway.uploads.batches_http import BatchDoor
from gateway.uploads.browser_upload import DicomFileSink, ZipSink
from gateway.uploads.intake import Intake
from gateway.uploads.tus import TusServer
from imaging.archive.objects_fs import FileObjectStore
from imaging.pixels.pool import PixelPool
from kernel.dicom.decode_pool import DecodePool
from kernel.identity import find_institution
from kernel.journal.writer import JournalWriter
from kernel.process.wake import Wake
from referrals.orders.http_study import StudyOrderDoor
from yilian.wiring.context import AeCharsets, Context, relay_events
from yilian.wiring.order_ledger import ledger
from yilian.wiring.order_news import watch_order_news
from yilian.wiring.orders import forget_old_asks, order_routes, watch_arrivals
from yilian.wiring.priors import township_priors
from yilian.wiring.shell import ShellHooks, serve_shell
from yilian.wiring.study_looks import archived_look
from yilian.wiring.township_exchange import facts, guard, township_exchange
from yilian.wiring.township_line import forwarder_of, line_of, line_routes
from yilian.wiring.township_objects import TownshipObjects
from yilian.wiring.township_view import TownshipView, township_pages, township_view
from yilian.wiring.urgency import ordered_urgency, watch_queued_urgency, watch_shown_urgency

JOURNAL: Final = "gateway"
"""What people drop onto the page; the name never changes."""


async def run_gateway(context: Context) -> None:
    """Serve, file and forward until the role is told to stop."""
    home, township = context.home, context.settings.township
    store = await asyncio.to_thread(FileObjectStore, home.objects)
    # What a crash left half written; nobody else writes objects before the spool begins.
    await asyncio.to_thread(store.sweep)
    objects = TownshipObjects(store)
    charsets = AeCharsets(context.database)
    await charsets.load()
    line = line_of(context)
    news = line.news
    filed, chosen = Wake.local(), Wake.local()
    journal = JournalWriter.open(
        home.journal(JOURNAL), reserve_bytes=context.settings.journal.reserve_bytes, wake=chosen
    )
    async with AsyncExitStack() as held:
        held.push_async_callback(journal.close)
        decoder = held.enter_context(DecodePool())
        wake = Wake.receiver(context.filer_socket)
        held.callback(wake.close)
        pool = held.enter_context(closing(PixelPool(decoder)))
        view = township_view(store, decoder, charsets)

        def on_filed() -> None:
            filed.notify()
            view.grown.notify()

        spool = Spool(
            context.database,
            objects,
            Preparer(decoder, charsets, home.root / "scratch"),
            news,
            on_filed=on_filed,
            urgency=ordered_urgency,
        )
        doors = [
            DoorJournal("dicom", home.journal("dicom"), wake),
            DoorJournal(JOURNAL, home.journal(JOURNAL), chosen),
        ]
        context.owner.keep("charsets", charsets.run)
        context.owner.keep("spool", lambda: spool.run(doors))
        context.owner.keep("events", lambda: relay_events(context))
        _keep_house(context, objects, news, view)
        context.owner.keep("ordered-urgency", watch_queued_urgency(context, news, filed.notify))
        context.owner.keep("shown-urgency", watch_shown_urgency(context))
        context.owner.keep("order-news", watch_order_news(context))
        exchange = await township_exchange(context, line)
        if township.county_url:
            forwarder = await forwarder_of(
                context, objects, line, exchange.link if exchange else None
            )
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
        queue = QueueDoor(
            context.database,
            news,
            await _facts(context),
            home.objects,
            filed.notify,
            context.settings.journal.reserve_bytes,
        )
        routes: list[web.RouteDef] = [
            *queue.routes(),
            *line_routes(context, objects, line, filed),
            *order_routes(context, ledger(context)),
            *township_priors(context, exchange, objects, view, line.traffic),
            *township_pages(context, view, pool, exchange),
            *StudyOrderDoor(context.database, archived_look).routes(),
            *CompletenessDoor(
                context.database, context.clock, facts(context, news), context.institution
            ).routes(),
            *BatchDoor(
                context.database,
                uploads,
                chosen=lambda conn, chosen: note_chosen(conn, chosen, at=context.clock.now()),
                wanted_again=wanted_again,
            ).routes(),
            *uploads.routes(),
        ]
        await serve_shell(
            context,
            routes,
            others=["dicom"],
            elsewhere=OtherNodes(guard=guard(context)),
            hooks=ShellHooks(lifespans=[uploads.running]),
        )


def _keep_house(
    context: Context, objects: TownshipObjects, news: QueueNews, view: TownshipView
) -> None:
    """Keep running what makes room, counts and watches."""
    database, clock = context.database, context.clock
    keep = KeepSettings(keep=dt.timedelta(days=context.settings.township.keep_days))
    keeper = Keeper(database, objects, context.home.objects, keep, clock=clock, forget=view.forget)
    context.owner.keep("keeper", keeper.run)
    context.owner.keep("growth", GrowthWatch(news).run)
    context.owner.keep("metrics", QueueMetrics(database, news, REGISTRY).run)
    context.owner.keep("order-arrivals", watch_arrivals(context, ledger(context)))
    context.owner.keep("old-asks", lambda: forget_old_asks(context))


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
