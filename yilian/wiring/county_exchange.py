"""The exchange with township nodes, at the county."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.accounts_down import AccountsDown
from gateway.exchange.admission_http import AdmissionDoor
from gateway.exchange.asides_down import AsidesDown
from gateway.exchange.audit_up import take_audit
from gateway.exchange.county_http import NodeDoor
from gateway.exchange.enrolment import Enrolment
from gateway.exchange.feed import prune
from gateway.exchange.feed_news import FeedNews
from gateway.exchange.model import Kind, Source
from gateway.exchange.node_records_http import NodeRecordsDoor
from gateway.exchange.nodes import all_nodes
from gateway.exchange.nodes_http import NodesDoor
from gateway.exchange.ports import Handlers
from gateway.exchange.priorities_up import forget_priorities, take_priority
from gateway.exchange.reports_down import ReportsDown
from gateway.exchange.return_letters import answer_request
from gateway.exchange.silence import SilenceWatch
from gateway.exchange.steps_up import take_steps
from gateway.exchange.taking import retry_unknown
from gateway.exchange.urgency_down import UrgencyDown
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.open_asides import open_asides
from kernel.process.bus import Hints
from referrals.orders.retelling import tell_again
from yilian.wiring.context import EVENTS, Context
from yilian.wiring.enrolment import county_enrolment
from yilian.wiring.named_objects import NamedArchive, put_right
from yilian.wiring.order_ledger import ledger
from yilian.wiring.orders_letters import up_handlers
from yilian.wiring.study_arrivals import ArchivedStudies

_CHAIN: Final = "gateway"
_NAMED_FOR: Final = dt.timedelta(days=30)
_REPORTS_NAMED_FOR: Final = dt.timedelta(days=365)
"""A box that was away for so long reads the newest of them at the county."""
_PRUNE_EVERY_S: Final = 3600.0


def handlers(context: Context) -> Handlers:
    """Return who reads the letters that come up."""
    archive = _archive(context)
    return {
        Kind.AUDIT.value: take_audit,
        Kind.PRIOR_REQUEST.value: answer_request(archive.of_study, archive.reports),
        Kind.PROCEDURE_STEP.value: take_steps(context.institution),
        Kind.STUDY_PRIORITY.value: take_priority,
        **up_handlers(ledger(context)),
    }


@dataclass(frozen=True, slots=True)
class CountyExchange:
    """What the county's HTTP door has of it."""

    enrolment: Enrolment
    routes: list[web.RouteDef]


async def county_exchange(context: Context) -> CountyExchange:
    """Return the doors for nodes, and keep running what they stand on."""
    enrolment = await county_enrolment(
        context.home, context.settings, context.database, context.clock, chain=_CHAIN
    )
    news = FeedNews(context.database)
    context.owner.keep("feed-news", news.run)
    door = NodeDoor(
        context.database,
        context.clock,
        enrolment,
        handlers(context),
        news,
        context.institution,
        tells=tell_again,
    )
    pages = NodesDoor(context.database, context.clock, context.institution, ArchivedStudies())
    records = NodeRecordsDoor(context.database, context.clock, context.institution, chain=_CHAIN)
    admission = AdmissionDoor(context.database, context.clock, enrolment, context.institution)
    doors = (door, pages, records, admission)
    return CountyExchange(enrolment, [route for each in doors for route in each.routes()])


async def keep_exchange(context: Context) -> None:
    """Keep running what one process of the county does for all nodes."""
    await context.database.write(partial(_retry, context=context))
    accounts = AccountsDown(context.database, context.clock)
    silence = SilenceWatch(context.database, context.clock, context.institution)
    context.owner.keep("accounts-down", accounts.run)
    context.owner.keep("silent-nodes", silence.run)
    archive = await asyncio.to_thread(_archive, context)
    reports = ReportsDown(
        context.database,
        context.clock,
        archive.reports,
        topic=STUDY_UPDATED,
        put_right=put_right,
    )
    context.owner.keep("reports-down", partial(_hinted, context, reports.run))
    urgency = UrgencyDown(context.database, context.clock, topic=STUDY_UPDATED)
    context.owner.keep("urgency-down", partial(_hinted, context, urgency.run))
    asides = AsidesDown(context.database, context.clock, open_asides)
    context.owner.keep("asides-down", asides.run)
    context.owner.keep("old-letters", lambda: _prune_feed(context))


async def _hinted(context: Context, run: Callable[[Hints], Awaitable[None]]) -> None:
    async with context.bus.listen([EVENTS]) as hints:
        await run(hints)


def _archive(context: Context) -> NamedArchive:
    return NamedArchive(FileObjectStore(context.home.objects))


async def _prune_feed(context: Context) -> None:
    """Drop what nodes have had long ago, once an hour, until cancelled."""
    while True:
        now = context.clock.now()
        reports_before = now - _REPORTS_NAMED_FOR
        await context.database.write(
            partial(prune, before=now - _NAMED_FOR, reports_before=reports_before)
        )
        await context.database.write(partial(forget_priorities, before=now - _REPORTS_NAMED_FOR))
        await asyncio.sleep(_PRUNE_EVERY_S)


def _retry(conn: sa.Connection, *, context: Context) -> None:
    houses = {node.id: node.institution for node in all_nodes(conn) if node.revoked_at is None}
    retry_unknown(conn, handlers(context), houses, Source("", "", context.clock.now()))
