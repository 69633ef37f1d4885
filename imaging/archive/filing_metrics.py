"""What the filing has left, as Prometheus sees it."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from imaging.archive import backlog
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 30.0


class FilingMetrics:
    """Gauges brought up to date every half minute."""

    def __init__(
        self, database: Database, journals: Mapping[str, Path], registry: CollectorRegistry
    ) -> None:
        """Show in *registry* what waits in *journals* and what *database* has set aside."""
        self._database = database
        self._journals = dict(journals)
        self._aside = Gauge(
            "yilian_filing_set_aside",
            "Objects the filing set aside",
            ("reason",),
            registry=registry,
        )
        self._waiting = Gauge(
            "yilian_filing_waiting_objects",
            "Acknowledged objects that are not filed yet",
            ("journal",),
            registry=registry,
        )
        self._oldest = Gauge(
            "yilian_filing_oldest_timestamp_seconds",
            "When the one that waits longest was received; 0 where none waits",
            ("journal",),
            registry=registry,
        )
        self._filed = Gauge(
            "yilian_filing_last_timestamp_seconds",
            "When something was last filed; 0 where nothing was",
            ("journal",),
            registry=registry,
        )

    async def run(self) -> None:
        """Keep the numbers fresh until cancelled."""
        while True:
            try:
                await self.refresh()
            except (PlatformError, OSError) as error:
                _LOG.warning("metrics.later", extra={"code": type(error).__name__})
            await asyncio.sleep(_EVERY_S)

    async def refresh(self) -> None:
        """Count now."""
        aside = await self._database.read(backlog.aside_counts)
        self._aside.clear()
        for reason, count in aside.by_reason.items():
            self._aside.labels(reason).set(count)
        for name, folder in self._journals.items():
            filed = await self._database.read(partial(backlog.filed, journal=name))
            left = await asyncio.to_thread(backlog.waiting, folder, filed.upto)
            self._waiting.labels(name).set(left.objects)
            self._oldest.labels(name).set(left.received_at.timestamp() if left.received_at else 0)
            self._filed.labels(name).set(filed.at.timestamp() if filed.at else 0)
