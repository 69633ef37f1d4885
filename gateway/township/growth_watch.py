"""Tells the pages when a study stops growing: nothing is written then, only time goes by."""

import asyncio
import datetime as dt
import logging
from typing import Final

import sqlalchemy as sa

from gateway.township.model import ARRIVING_FOR
from gateway.township.queue_news import QueueNews
from gateway.township.tables import studies
from kernel.errors import PlatformError

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 2.0
_TOLD_MAX: Final = 200


class GrowthWatch:
    """Publishes ``queue.updated`` once a study is not arriving any more, and once it is whole."""

    def __init__(self, news: QueueNews) -> None:
        self._news = news
        self._looked_at = news.now().at

    async def run(self) -> None:
        """Look every two seconds until cancelled."""
        while True:
            try:
                await self.look()
            except PlatformError as exc:
                _LOG.warning("growth.later", extra={"code": exc.code})
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Tell of the studies that came of an age since the last look."""
        since, now = self._looked_at, self._news.now().at
        ages = (ARRIVING_FOR, self._news.quiet)
        await self._news.tell(lambda conn: came_of_age(conn, since, now, ages))
        await self._news.catch_up()
        self._looked_at = now


def came_of_age(
    conn: sa.Connection, since: dt.datetime, now: dt.datetime, ages: tuple[dt.timedelta, ...]
) -> list[str]:
    """Return the studies that last grew one of *ages* ago, at an instant in (since, now]."""
    grew = studies.c.last_received_at
    spans = [sa.and_(grew > since - age, grew <= now - age) for age in ages]
    query = (
        sa.select(studies.c.study_instance_uid)
        .where(sa.or_(*spans))
        .order_by(grew.desc())
        .limit(_TOLD_MAX)
    )
    return list(conn.scalars(query))
