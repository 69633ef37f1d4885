"""The health of the object store as Prometheus sees it."""

import asyncio
import logging
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from imaging.archive.damaged import health
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 60.0


class IntegrityMetrics:
    """Gauges brought up to date every minute."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        """Show what *database* holds in *registry*."""
        self._database = database
        self._damaged = Gauge(
            "yilian_objects_damaged",
            "Stored objects that are damaged",
            ("kind",),
            registry=registry,
        )
        self._known = Gauge(
            "yilian_objects_written_down", "Stored objects the scrub knows", registry=registry
        )
        self._longest = Gauge(
            "yilian_objects_longest_unchecked_timestamp_seconds",
            "When the object that waits longest for the scrub was last known whole",
            registry=registry,
        )

    async def run(self) -> None:
        """Keep the numbers fresh until cancelled."""
        while True:
            try:
                await self.refresh()
            except PlatformError as error:
                _LOG.warning("metrics.later", extra={"code": error.code})
            await asyncio.sleep(_EVERY_S)

    async def refresh(self) -> None:
        """Count now."""
        found = await self._database.read(health)
        for kind, count in found.damaged.items():
            self._damaged.labels(kind.value).set(count)
        self._known.set(found.objects)
        if found.longest_unchecked is not None:
            self._longest.set(found.longest_unchecked.timestamp())
