"""The county's worker: files the journals, relays events, routes what is new."""

import asyncio
from functools import partial

from gateway.routing.service import Router, RouterPorts
from imaging.archive.examine import Examiner
from imaging.archive.ingest import Filer
from imaging.archive.objects_fs import FileObjectStore
from kernel.dicom.decode_pool import DecodePool
from kernel.process.wake import Wake
from yilian.wiring.access import watch_treating
from yilian.wiring.archive_studies import let_grow, put_where_rules_say
from yilian.wiring.context import AeCharsets, Context, follow_outbox, relay_events
from yilian.wiring.county_deliveries import keep_deliveries, rules_of
from yilian.wiring.county_exchange import keep_exchange
from yilian.wiring.county_integrity import keep_registering, keep_scrubbing
from yilian.wiring.county_priors import CountyPriors, keep_priors
from yilian.wiring.county_routing import study_facts
from yilian.wiring.homes import COUNTY_JOURNALS
from yilian.wiring.order_ledger import ledger
from yilian.wiring.order_news import watch_order_news
from yilian.wiring.orders import watch_arrivals
from yilian.wiring.persons import watch_persons
from yilian.wiring.urgency import watch_shown_urgency


async def run_worker(context: Context) -> None:
    """File, relay and route until the role is told to stop."""
    charsets = AeCharsets(context.database)
    await charsets.load()
    objects = await asyncio.to_thread(FileObjectStore, context.home.objects)
    # What a crash left half written; nobody else writes objects before the filer begins.
    await asyncio.to_thread(objects.sweep)
    wake = Wake.receiver(context.filer_socket)
    with DecodePool() as decoder:
        filer = Filer(
            context.database,
            objects,
            Examiner(decoder=decoder, charset_hint=lambda arrival: charsets(arrival.sender)),
            journals={name: context.home.journal(name) for name in COUNTY_JOURNALS},
            clock=context.clock,
            wake=wake,
            unhurried={"dicom"},
        )
        rules = rules_of(context)
        router = Router(
            context.database,
            context.clock,
            rules,
            RouterPorts(study_facts, put_where_rules_say, let_grow, CountyPriors(rules)),
        )

        context.owner.keep("charsets", charsets.run)
        context.owner.keep("filer", filer.run)
        context.owner.keep("events", lambda: relay_events(context))
        context.owner.keep("router", partial(follow_outbox, context, router.route_new))
        context.owner.keep("order-arrivals", watch_arrivals(context, ledger(context)))
        context.owner.keep("shown-urgency", watch_shown_urgency(context))
        context.owner.keep("order-news", watch_order_news(context))
        if context.settings.access.orders_open_patients:
            context.owner.keep("treating", watch_treating(context))
        context.owner.keep("persons", watch_persons(context))
        deliveries = keep_deliveries(context, objects, rules)
        keep_priors(context)
        keep_scrubbing(context, objects, decoder)
        keep_registering(context)
        await keep_exchange(context)
        context.inherited.ready()
        await context.stop.wait()
        await asyncio.to_thread(deliveries.close)
    wake.close()
