"""The exchange with the county, at a township."""

import asyncio
import datetime as dt
import shutil
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from gateway.exchange.accounts_here import CountyAccounts, take_account
from gateway.exchange.asides_down import take_asides
from gateway.exchange.audit_up import keep_collected
from gateway.exchange.county_link import CountyAddress, CountyLink, NodeIdentity
from gateway.exchange.follower import FeedFollower, FollowerSettings
from gateway.exchange.heartbeat import DiskFacts, LineFacts
from gateway.exchange.model import Kind
from gateway.exchange.node_facts import NodeFacts
from gateway.exchange.ports import Handlers
from gateway.exchange.return_letters import take_return
from gateway.exchange.sender import Hint, LetterSender, SenderSettings
from gateway.exchange.urgency_down import take_urgency
from gateway.township.model import RANK
from gateway.township.parcel_index import best_rank
from gateway.township.queue_news import QueueNews
from gateway.township.traffic import Traffic
from kernel.arrival import Priority
from kernel.process.wake import Wake
from kernel.sql.db import Database
from yilian.cli import program_version
from yilian.wiring.context import Context
from yilian.wiring.order_ledger import ledger
from yilian.wiring.orders_letters import down_handlers, keep_numbers, tell_catalogue
from yilian.wiring.pairing import Pairing, pairing_of
from yilian.wiring.township_line import Line


@dataclass(frozen=True, slots=True)
class _Line:
    """What the node knows of its line (``gateway.exchange.sender.LineSide``)."""

    database: Database
    news: QueueNews
    traffic: Traffic

    async def urgent(self) -> bool:
        return await self.database.read(best_rank) == RANK[Priority.EMERGENCY]

    async def reached(self) -> None:
        await self.news.reached()

    async def lost(self, code: str) -> None:
        await self.news.lost(code)

    def held(self) -> bool:
        return self.traffic.held

    def owe(self, count: int, lane: Priority) -> float:
        return self.traffic.owe(count, lane)


@dataclass(frozen=True, slots=True)
class TownshipExchange:
    """What the rest of the node has of it."""

    link: CountyLink
    written: Wake
    """Hint it when a letter was written."""
    taken: Wake
    """Hinted when letters came down."""
    urgent: Callable[[], Awaitable[bool]]
    """Tells whether an emergency needs the line."""
    back: Hint
    """Hints that the county is heard again."""


def handlers(context: Context, news: QueueNews) -> Handlers:
    """Return who reads the letters that come down."""
    return {
        Kind.ACCOUNT.value: take_account,
        Kind.VILLAGE_ACCOUNT.value: take_account,
        Kind.PRIOR.value: take_return,
        Kind.REPORT.value: take_return,
        Kind.INSTANCE_ASIDE.value: take_asides(news.now),
        Kind.STUDY_URGENCY.value: take_urgency(news.now),
        **down_handlers(ledger(context)),
    }


def guard(context: Context) -> CountyAccounts:
    """Return what holds here for the county's accounts."""
    return CountyAccounts(dt.timedelta(days=context.settings.township.offline_days))


async def township_exchange(context: Context, shared: Line) -> TownshipExchange | None:
    """Keep running the exchange with the county; None where this node is enrolled nowhere."""
    pairing = await asyncio.to_thread(pairing_of, context.home)
    if pairing is None:
        return None
    link = await _link(context, pairing)
    await tell_catalogue(context)
    news = shared.news
    line = _Line(context.database, news, shared.traffic)
    sender = LetterSender(
        context.database,
        link,
        facts(context, news),
        line,
        clock=context.clock,
        settings=SenderSettings(back=news.back),
    )
    written, taken = Wake.local(), Wake.local()
    follower = FeedFollower(
        context.database,
        link,
        handlers(context, news),
        clock=context.clock,
        settings=FollowerSettings(
            on_taken=taken.notify,
            back=news.back,
            on_heard=news.reached,
            owe=partial(line.owe, lane=Priority.URGENT),
        ),
    )
    context.owner.keep("letters", lambda: sender.run(written))
    context.owner.keep("feed", follower.run)
    context.owner.keep("accession-numbers", lambda: keep_numbers(context))
    context.owner.keep("audit-up", lambda: keep_collected(context.database, context.clock))
    return TownshipExchange(link, written, taken, line.urgent, news.back)


async def _link(context: Context, pairing: Pairing) -> CountyLink:
    key = await asyncio.to_thread(context.home.signing_key)
    township = context.settings.township
    ca_file = township.county_ca_file
    tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
    address = CountyAddress(township.county_url.rstrip("/"), tls=tls)
    told = pairing.enrolled
    return CountyLink(address, NodeIdentity(told.node, told.institution, key), context.clock)


def facts(context: Context, news: QueueNews) -> NodeFacts:
    """Return what a heartbeat is made of."""
    return NodeFacts(
        program=program_version(),
        started_at=context.clock.now(),
        line=partial(_line_facts, news),
        disk=partial(_disk_facts, context),
        quiet=dt.timedelta(seconds=context.settings.township.quiet_s),
    )


def _line_facts(news: QueueNews) -> LineFacts:
    line = news.line()
    return LineFacts(
        state=line.state.value,
        since=line.since,
        rate_bits_per_s=line.rate_bits_per_s,
        code=line.code,
        held_until=line.held_until,
        held_by=line.held_by,
    )


def _disk_facts(context: Context) -> DiskFacts:
    found = shutil.disk_usage(context.home.objects)
    return DiskFacts(total_bytes=found.total, free_bytes=found.free)
