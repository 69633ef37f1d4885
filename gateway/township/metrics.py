"""The queue and the line as Prometheus sees them."""

import asyncio
import datetime as dt
import logging
import math
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.township.line import LineState
from gateway.township.model import InstanceState
from gateway.township.queue_news import QueueNews
from gateway.township.tables import instances
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 15.0
_ON_THE_WAY: Final = (InstanceState.WAITING, InstanceState.PACKED, InstanceState.SENT)
_COUNTED: Final = (*_ON_THE_WAY, InstanceState.SET_ASIDE)
_UP: Final = {LineState.UP: 1.0, LineState.DOWN: 0.0, LineState.UNKNOWN: math.nan}


@dataclass(frozen=True, slots=True)
class _Backlog:
    """What is not at the county, by state, and when the county last signed."""

    counts: dict[str, int]
    sizes: dict[str, int]
    oldest: dt.datetime | None
    last_receipt: dt.datetime | None


class QueueMetrics:
    """Gauges of the queue, brought up to date every 15 seconds."""

    def __init__(self, database: Database, news: QueueNews, registry: CollectorRegistry) -> None:
        self._database = database
        self._news = news
        self._told_bytes = 0

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"yilian_{name}", text, labels, registry=registry)

        self._instances = gauge("spool_instances", "Contents not at the county yet", "state")
        self._bytes = gauge("spool_bytes", "Their bytes", "state")
        self._oldest = gauge(
            "spool_oldest_timestamp_seconds", "When the oldest on its way was received"
        )
        self._up = gauge("forwarder_line_up", "Whether the county answered last time")
        self._changed = gauge("forwarder_line_changed_timestamp_seconds", "Since when")
        self._rate = gauge("forwarder_line_bits_per_second", "Rate of the last seconds of sending")
        self._receipt = gauge(
            "forwarder_last_receipt_timestamp_seconds", "When the county last signed"
        )
        self._sent = Counter(
            "yilian_forwarder_sent_bytes", "Bytes handed to the line", registry=registry
        )

    async def run(self) -> None:
        """Keep the numbers fresh until cancelled."""
        while True:
            try:
                await self.refresh()
            except PlatformError as exc:
                _LOG.warning("metrics.later", extra={"code": exc.code})
            await asyncio.sleep(_EVERY_S)

    async def refresh(self) -> None:
        """Count now."""
        backlog = await self._database.read(_backlog)
        for state in _COUNTED:
            self._instances.labels(state.value).set(backlog.counts.get(state, 0))
            self._bytes.labels(state.value).set(backlog.sizes.get(state, 0))
        self._oldest.set(_seconds(backlog.oldest))
        self._receipt.set(_seconds(backlog.last_receipt))
        line = self._news.line()
        self._up.set(_UP[line.state])
        self._changed.set(_seconds(line.since))
        self._rate.set(line.rate_bits_per_s or 0)
        total = self._news.sent_bytes()
        self._sent.inc(total - self._told_bytes)
        self._told_bytes = total


def _backlog(conn: sa.Connection) -> _Backlog:
    columns = instances.c
    rows = conn.execute(
        sa.select(
            columns.state,
            sa.func.count(),
            sa.func.sum(columns.size_bytes),
            sa.func.min(columns.received_at),
        )
        .where(columns.state.in_(_COUNTED))
        .group_by(columns.state)
    ).all()
    here = [row[3] for row in rows if row[0] in _ON_THE_WAY]
    receipted = sa.select(columns.county_at).where(columns.state == InstanceState.AT_COUNTY)
    kept, gone = columns.deleted_at.is_(None), columns.deleted_at.is_not(None)
    # One step in the index each: what goes first was receipted first.
    newest = (
        conn.scalar(receipted.where(kept).order_by(columns.county_at.desc()).limit(1)),
        conn.scalar(
            receipted.where(gone)
            .order_by(columns.deleted_at.desc(), columns.county_at.desc())
            .limit(1)
        ),
    )
    return _Backlog(
        counts={row[0]: int(row[1]) for row in rows},
        sizes={row[0]: int(row[2]) for row in rows},
        oldest=min(here, default=None),
        last_receipt=max((at for at in newest if at is not None), default=None),
    )


def _seconds(at: dt.datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
