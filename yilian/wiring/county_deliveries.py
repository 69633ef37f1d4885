"""The county's queues of other nodes: what keeps them moving, and their doors."""

import random
from collections.abc import Callable

from aiohttp import web
from prometheus_client import REGISTRY

from gateway.deliveries.courier import Courier
from gateway.deliveries.http import DeliveriesDoor
from gateway.deliveries.metrics import DeliveryMetrics
from gateway.routing.engine import RuleSet
from imaging.archive.objects import ObjectStore
from kernel.audit.access_log import AccessLog
from yilian.wiring.archive_pixels import ArchivePixels
from yilian.wiring.archive_studies import ArchiveObjects, contents
from yilian.wiring.calling_tls import calling_tls
from yilian.wiring.context import Context
from yilian.wiring.county_routing import rules_in_force
from yilian.wiring.destinations import CountyLines, KnownDestinations, LineParts


def rules_of(context: Context) -> Callable[[], RuleSet]:
    """Return what gives the rules in force at this node.

    Raises:
        RulesFileError: the file is broken.
    """
    named = context.settings.routing.rules
    return rules_in_force(context.home.root / named if named else None, context.institution)


def keep_deliveries(
    context: Context, objects: ObjectStore, rules: Callable[[], RuleSet]
) -> ArchivePixels:
    """Keep the queues moving in this role; return what reads for them, to be closed in the end."""
    database, clock = context.database, context.clock
    pixels = ArchivePixels(objects)
    trail = AccessLog(database, clock, chain=f"{context.role}-deliveries")
    parts = LineParts(
        home=context.home.root,
        our_title=context.settings.dicom.ae_title,
        calling_tls=calling_tls(context.settings),
    )
    courier = Courier(
        database,
        clock,
        CountyLines(database, clock, KnownDestinations(database, rules), parts),
        ArchiveObjects(database, trail, pixels, institution=context.institution),
        chance=random.random,
    )
    context.owner.keep("deliveries-trail", trail.run)
    context.owner.keep("deliveries", courier.run)
    return pixels


def delivery_routes(context: Context) -> list[web.RouteDef]:
    """Return the routes of the queues, and keep counting them for ``/metrics``."""
    known = KnownDestinations(context.database, rules_of(context))
    metrics = DeliveryMetrics(context.database, context.clock, REGISTRY)
    context.owner.keep("delivery-metrics", metrics.run)
    return DeliveriesDoor(context.database, context.clock, contents, known).routes()
