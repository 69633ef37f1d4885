"""Studies on the way back: the archive's objects at the county, fetching and showing below."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.return_fetch import (
    FetcherSettings,
    LineShare,
    ReturnFetcher,
    Shelf as ReturnShelf,
    keep_tidy,
)
from gateway.exchange.return_letters import NamedObject
from gateway.exchange.returns_http import PriorsDoor
from gateway.exchange.send_on import SendOn, SendOnSettings
from gateway.township.ports import ObjectFiles
from imaging.archive.locate import find_study
from imaging.dicomweb.locate import Shelf, instances
from kernel.arrival import ContentDigest
from kernel.dicom.codecs import FrameDecoder
from kernel.identifiers import AETitle
from kernel.policy import Reach
from kernel.process.wake import Wake
from yilian.wiring.context import Context
from yilian.wiring.township_exchange import TownshipExchange


def archived_objects(conn: sa.Connection, study: str, institution: str, /) -> Sequence[NamedObject]:
    """Return the archive's objects of a study (``gateway.exchange.return_letters``)."""
    ref = find_study(conn, study, Reach(institution))
    if ref is None:
        return []
    return [
        NamedObject(
            series_instance_uid=each.series_instance_uid,
            sop_instance_uid=each.sop_instance_uid,
            sop_class_uid=each.sop_class_uid,
            transfer_syntax_uid=each.transfer_syntax_uid,
            size_bytes=each.size_bytes,
            digest=ContentDigest(dataset=each.dataset_digest, pixels=each.pixels_digest),
            native=each.native,
        )
        for each in instances(conn, Shelf(ref.id, None, ref.subject, ref.patient_id))
    ]


def township_priors(
    context: Context,
    exchange: TownshipExchange | None,
    objects: ObjectFiles,
    decoder: FrameDecoder,
    share: LineShare,
) -> list[web.RouteDef]:
    """Return the township's routes of priors, and keep running what they stand on."""
    scratch, to_send = context.home.root / "scratch", Wake.local()
    if exchange is not None:
        fetcher = ReturnFetcher(
            context.database,
            exchange.link,
            ReturnShelf(objects, decoder),
            exchange.urgent,
            share=share,
            clock=context.clock,
            settings=FetcherSettings(scratch / "priors", context.institution),
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
    context.owner.keep(
        "old-priors", lambda: keep_tidy(context.database, objects, keep, context.clock)
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
