"""How urgent the county holds a township's study goes down, so that the queue says the same.

A rule of the county, an order written there or a person can make it more urgent than its images
came. At the township it then goes before others, unless somebody there has chosen otherwise.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.feed import send_down
from gateway.exchange.model import Kind, Source
from gateway.exchange.nodes import all_nodes
from gateway.exchange.ports import Handler
from gateway.exchange.sender import Hint
from gateway.exchange.tables import event_places, feed
from gateway.township.model import RANK
from gateway.township.queue_places import Now
from gateway.township.queue_view import item_events
from gateway.township.tables import studies
from kernel.arrival import Priority
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.events import Event, events_after, publish_all
from kernel.identifiers import Uid
from kernel.letter import Letter
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_READER: Final = "urgency-down"
_BATCH: Final = 200
_LOOK_S: Final = 5.0
_LATER_S: Final = 5.0
_URGENT: Final = (Priority.URGENT, Priority.EMERGENCY)
"""Those that are told; the version of a letter is the place here, for it only ever rises."""


class UrgencyBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``study-urgency`` says; its key is the Study Instance UID."""

    priority: Priority


class UrgencyDown:
    """The one teller of urgency of a county."""

    def __init__(self, database: Database, clock: Clock, *, topic: str) -> None:
        """Make one that has not begun.

        Args:
            database: of the county.
            clock: for the instants written down.
            topic: of events that say how urgent a study is (``study_instance_uid``, ``priority``).
        """
        self._database = database
        self._clock = clock
        self._topic = topic
        self._after: int | None = None

    async def run(self, hint: Hint) -> None:
        """Tell whatever becomes urgent, until cancelled."""
        while True:
            try:
                if not await self.tell_new():
                    await hint.wait(_LOOK_S)
            except PlatformError as exc:
                _LOG.warning("urgency-down.later", extra={"code": exc.code})
                await asyncio.sleep(_LATER_S)

    async def tell_new(self) -> int:
        """Deal with the events since the last time; returns how many there were.

        Safe to repeat: a crash leaves the place somewhere before.
        """
        news = await self._database.read(self._read)
        if news is None:
            return 0
        if news.letters or news.events == _BATCH:
            at = self._clock.now()
            await self._database.write(lambda conn: _write(conn, news, Source("", "", at)))
        self._after = news.last_id
        return news.events

    def _read(self, conn: sa.Connection) -> "_News | None":
        after = _place(conn) if self._after is None else self._after
        events = events_after(conn, after, limit=_BATCH, topics=[self._topic])
        if not events:
            return None
        houses = {node.institution for node in all_nodes(conn) if node.revoked_at is None}
        found: dict[tuple[str, str], Letter] = {}
        for event in events:
            letter = _letter(event)
            if letter is not None and event.institution in houses:
                found[(event.institution, letter.key)] = letter
        news = {mine: letter for mine, letter in found.items() if not _told(conn, *mine, letter)}
        return _News(len(events), events[-1].id, news)


@dataclass(frozen=True, slots=True)
class _News:
    """What some events came to."""

    events: int
    last_id: int
    letters: Mapping[tuple[str, str], Letter]
    """By institution and study."""


def _letter(event: Event) -> Letter | None:
    said = event.payload.get("priority")
    if said not in {each.value for each in _URGENT}:
        return None
    priority = Priority(str(said))
    body = msgspec.to_builtins(UrgencyBody(priority=priority))
    uid = str(event.payload["study_instance_uid"])
    return Letter(Kind.STUDY_URGENCY.value, uid, _URGENT.index(priority) + 1, body)


def _told(conn: sa.Connection, institution: str, study: str, letter: Letter) -> bool:
    columns = feed.c
    newest = conn.scalar(
        sa.select(sa.func.max(columns.version)).where(
            columns.institution == institution,
            columns.kind == letter.kind,
            columns.key == study,
        )
    )
    return newest is not None and newest >= letter.version


def _write(conn: sa.Connection, news: _News, source: Source) -> None:
    mine = event_places.c.reader == _READER
    moved = conn.execute(sa.update(event_places).where(mine).values(event_id=news.last_id))
    if not moved.rowcount:
        conn.execute(sa.insert(event_places).values(reader=_READER, event_id=news.last_id))
    for (institution, _), letter in news.letters.items():
        send_down(conn, [letter], institution=institution, at=source.at)


def _place(conn: sa.Connection) -> int:
    columns = event_places.c
    return conn.scalar(sa.select(columns.event_id).where(columns.reader == _READER)) or 0


def take_urgency(now: Callable[[], Now]) -> Handler:
    """Return the node's reader of ``study-urgency`` letters.

    Args:
        now: what the queue's page is told with the study.
    """
    return partial(_take, now=now)


def _take(
    conn: sa.Connection, letter: Letter, source: Source, /, *, now: Callable[[], Now]
) -> None:
    study = Uid.parse(letter.key).value
    rank = RANK[msgspec.convert(letter.body, UrgencyBody).priority]
    columns = studies.c
    raised = conn.execute(
        sa.update(studies)
        .where(
            columns.study_instance_uid == study,
            columns.institution == source.institution,
            # What a person chose here stands.
            columns.rank_choices == 0,
            columns.rank > rank,
        )
        .values(rank=rank)
    )
    if raised.rowcount:
        publish_all(conn, item_events(conn, [study], now()), at=source.at)
