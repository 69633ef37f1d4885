"""Studies on the way back, at a township: fetched, shown, sent on."""

import datetime as dt

from aiohttp import web

from gateway.exchange.return_fetch import (
    FetcherSettings,
    LineShare,
    ReturnFetcher,
    Shelf as ReturnShelf,
)
from gateway.exchange.return_keeping import TidySettings, keep_tidy
from gateway.exchange.returns_http import PriorsDoor
from gateway.exchange.send_on import SendOn, SendOnSettings
from gateway.township.ports import ObjectFiles
from kernel.identifiers import AETitle
from kernel.process.wake import Wake
from yilian.wiring.context import Context
from yilian.wiring.township_exchange import TownshipExchange
from yilian.wiring.township_view import TownshipView


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
                scratch / "priors",
                context.institution,
                on_here=view.grown.notify,
                on_asked=exchange.written.notify,
                forget=view.forget,
                back=exchange.back,
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
        on_retry=exchange.taken.notify if exchange is not None else (lambda: None),
    )
    return door.routes()
