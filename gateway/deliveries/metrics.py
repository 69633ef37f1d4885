"""The queues as Prometheus sees them."""

import asyncio
import logging
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from gateway.deliveries.model import State
from gateway.deliveries.views import destination_lines
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 15.0


class DeliveryMetrics:
    """Gauges of each destination's queue, brought up to date every 15 seconds."""

    def __init__(self, database: Database, clock: Clock, registry: CollectorRegistry) -> None:
        """Show what *database* holds in *registry*."""
        self._database = database
        self._clock = clock
        self._instances = Gauge(
            "yilian_delivery_instances",
            "Instances on their way to a destination",
            ("destination", "state"),
            registry=registry,
        )
        self._failures = Gauge(
            "yilian_delivery_failures",
            "Failures in a row of a destination",
            ("destination",),
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
        count = partial(destination_lines, known=(), now=self._clock.now())
        for line in await self._database.read(count):
            counts = {
                State.PENDING: line.pending,
                State.SENDING: line.sending,
                State.DONE: line.done,
                State.SET_ASIDE: line.quarantined,
            }
            for state, many in counts.items():
                self._instances.labels(line.destination, state.value).set(many)
            self._failures.labels(line.destination).set(line.failures)
