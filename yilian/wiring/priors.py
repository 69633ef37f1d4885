"""Studies on the way back: the archive's objects at the county, fetching and showing below."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.report_classes import REPORT_CLASSES
from gateway.exchange.reports_down import StudyReports
from gateway.exchange.return_fetch import (
    FetcherSettings,
    LineShare,
    ReturnFetcher,
    Shelf as ReturnShelf,
)
from gateway.exchange.return_keeping import TidySettings, keep_tidy
from gateway.exchange.return_letters import NamedObject
from gateway.exchange.returns_http import PriorsDoor
from gateway.exchange.send_on import SendOn, SendOnSettings
from gateway.township.ports import ObjectFiles
from imaging.archive.locate import find_study
from imaging.archive.model import InstanceLocation
from imaging.dicomweb.locate import Shelf, instances, report_objects
from kernel.arrival import ContentDigest
from kernel.identifiers import AETitle
from kernel.policy import Reach
from kernel.process.wake import Wake
from yilian.wiring.context import Context
from yilian.wiring.township_exchange import TownshipExchange
from yilian.wiring.township_view import TownshipView


def archived_objects(conn: sa.Connection, study: str, institution: str, /) -> Sequence[NamedObject]:
    """Return the archive's objects of a study (``gateway.exchange.return_letters``)."""
    ref = find_study(conn, study, Reach(institution))
    if ref is None:
        return []
    shelf = Shelf(ref.id, None, ref.subject, ref.patient_id)
    return [_named(each) for each in instances(conn, shelf)]


def archived_reports(conn: sa.Connection, study: str, /) -> StudyReports | None:
    """Return the reports others filed of a study (``gateway.exchange.reports_down``)."""
    found = report_objects(conn, study, REPORT_CLASSES)
    if found is None:
        return None
    institution, reports = found
    named = [_named(each) for each in reports if each.institution != institution]
    return StudyReports(institution, named)


def _named(each: InstanceLocation) -> NamedObject:
    return NamedObject(
        series_instance_uid=each.series_instance_uid,
        sop_instance_uid=each.sop_instance_uid,
        sop_class_uid=each.sop_class_uid,
        transfer_syntax_uid=each.transfer_syntax_uid,
        size_bytes=each.size_bytes,
        digest=ContentDigest(dataset=each.dataset_digest, pixels=each.pixels_digest),
        native=each.native,
    )


def township_priors(
    context: Context,
    exchange: TownshipExchange | None,
    objects: ObjectFiles,
    view: TownshipView,
    share: LineShare,
) -> list[web.RouteDef]:
    """Return the township's routes of priors, and keep running what they stand on."""
    decoder, scratch, to_send = view.decoder, context.home.root / "scratch", Wake.local()
    if exchange is not None:
        fetcher = ReturnFetcher(
            context.database,
            exchange.link,
            ReturnShelf(objects, decoder),
            exchange.urgent,
            share=share,
            clock=context.clock,
            settings=FetcherSettings(
                scratch / "priors", context.institution, on_here=view.grown.notify
            ),
        )
        context.owner.keep("priors", lambda: fetcher.run(exchange.taken))
    send_on = SendOn(
        context.database,
        objects,
        decoder,
        clock=context.clock,
        settings=SendOnSettings(AETitle(context.settings.dicom.ae_title), scratch),
    )
    context.owner.keep("send-on", lambda: send_on.run(to_send))
    keep = dt.timedelta(days=max(1, context.settings.township.keep_days))
    tidy = TidySettings(keep, forget=view.forget)
    context.owner.keep(
        "old-priors", lambda: keep_tidy(context.database, objects, tidy, context.clock)
    )
    door = PriorsDoor(
        context.database,
        context.clock,
        objects,
        context.institution,
        on_asked=exchange.written.notify if exchange is not None else None,
        on_send=to_send.notify,
    )
    return door.routes()
