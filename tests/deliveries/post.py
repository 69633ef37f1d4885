"""An archive whose studies are sent to real destinations."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.deliveries import queue, views
from gateway.deliveries.courier import Courier, CourierSettings
from gateway.deliveries.model import DestinationLine
from gateway.dimse.outgoing_association import CallTimes
from gateway.routing.engine import RuleSet
from gateway.routing.model import DestinationKind, Matching
from gateway.routing.places import Sending
from kernel.audit.access_log import AccessLog
from kernel.identity import ApplicationEntity, Institution, InstitutionKind, put_ae, put_institution
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT
from yilian.wiring.archive_pixels import ArchivePixels
from yilian.wiring.archive_studies import ArchiveObjects, contents
from yilian.wiring.destinations import CountyLines, KnownDestinations, LineParts

QUICK = CallTimes(connect_s=3, associate_s=1, write_s=3, response_s=1, release_s=1)
SOON = CourierSettings(look_s=0.02, turn_objects=10)


@dataclass
class Post:
    """The archive and its courier."""

    desk: Desk
    places: dict[str, Sending] = field(default_factory=dict)

    def rules(self) -> RuleSet:
        return RuleSet(Matching.FIRST, (), (), self.places)

    def server(self, name: str, url: str, **how: str) -> None:
        """Name a DICOMweb server, as the rules file does."""
        made = Sending(
            DestinationKind.DICOMWEB, name, url=url, token_file=how.get("token_file", "")
        )
        self.places[f"dicomweb:{name}"] = made

    async def knows(self, title: str, port: int) -> None:
        """Write a peer into the table, as an administrator does."""
        at = self.desk.clock.now()
        house = Institution("city", "city", InstitutionKind.COUNTY)

        def write(conn: sa.Connection) -> None:
            put_institution(conn, house, at=at)
            put_ae(conn, ApplicationEntity(title, "city", "127.0.0.1", port), at=at)

        await self.desk.database.write(write)

    async def queue(self, to: str, study: int = 1, *, priority: int | None = None) -> None:
        """Let a study of the archive join the queue of *to*."""
        uid, at = f"{ROOT}.{study}", self.desk.clock.now()

        def join(conn: sa.Connection) -> None:
            found = contents(conn, uid)
            assert found is not None
            queue.join(conn, to, uid, found, rule="test", priority=priority, at=at)

        await self.desk.database.write(join)

    async def line(self, to: str) -> DestinationLine:
        """Return how *to* does."""
        now = self.desk.clock.now()
        lines = await self.desk.database.read(lambda conn: views.destination_lines(conn, [to], now))
        return next(one for one in lines if one.destination == to)

    async def until(
        self, to: str, true: Callable[[DestinationLine], bool], *, within_s: float = 20.0
    ) -> DestinationLine:
        """Return how *to* does as soon as *true* is."""
        async with asyncio.timeout(within_s):
            while not true(line := await self.line(to)):  # noqa: ASYNC110  # rows are looked at
                await asyncio.sleep(0.02)
        return line

    @contextlib.asynccontextmanager
    async def courier(self, settings: CourierSettings = SOON) -> AsyncIterator[None]:
        """Send while the block goes on; what is under way at its end is broken off."""
        database, clock = self.desk.database, self.desk.clock
        pixels = ArchivePixels(self.desk.objects)
        log = AccessLog(database, clock, chain="test-deliveries")
        known = KnownDestinations(database, self.rules)
        parts = LineParts(home=self.desk.folder, our_title="YILIAN", times=QUICK)
        courier = Courier(
            database,
            clock,
            CountyLines(database, clock, known, parts),
            ArchiveObjects(database, log, pixels, institution="county"),
            chance=lambda: 0.5,
            settings=settings,
        )
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(courier.run())
                yield
                running.cancel()
        finally:
            await asyncio.to_thread(pixels.close)


def done(count: int) -> Callable[[DestinationLine], bool]:
    """Return what tells that *count* instances are there and none is left."""
    return lambda line: line.done == count and not line.pending and not line.sending
