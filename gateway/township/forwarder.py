"""Sends what is in the spool to the county, for as long as it takes, and believes only receipts.

One parcel is on the line at a time, the most urgent first; a more urgent one that comes meanwhile
takes its place at the next piece, and what was sent of the other stays sent. Receipts of parcels
that are over are awaited beside it. An outage is waited out without end; an instance or parcel
that the county will not have is set aside, and the rest goes on.
"""

import asyncio
import logging
from functools import partial
from typing import Final

from gateway.township import parcel_index
from gateway.township.collector import Collector, ForwarderSettings
from gateway.township.county_client import (
    CountyClient,
    Outage,
    ParcelRefused,
    Sending,
    UploadGone,
)
from gateway.township.parcel_index import NoLongerWaiting, ParcelRow, Waiting
from gateway.township.parcel_maker import InstanceUnreadable, ParcelMaker, choose
from gateway.township.queue_news import QueueNews
from gateway.township.spool import Hint
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.process.owner import Owner
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 0.5
_CANDIDATES: Final = 600


class Forwarder:
    """The one sender of a node."""

    def __init__(
        self,
        database: Database,
        client: CountyClient,
        maker: ParcelMaker,
        news: QueueNews,
        settings: ForwarderSettings,
        *,
        clock: Clock,
    ) -> None:
        self._database = database
        self._client = client
        self._maker = maker
        self._news = news
        self._settings = settings
        self._clock = clock
        self._collector = Collector(database, client, maker, news, settings, clock=clock)
        self._collecting: set[str] = set()
        self._collected = asyncio.Event()

    async def run(self, hint: Hint) -> None:
        """Send until cancelled; what is half sent goes on from there at the next start.

        Args:
            hint: says early that something was filed or changed in the queue.
        """
        known = await self._database.read(parcel_index.all_parcel_ids)
        await finish_in_thread(lambda: self._maker.sweep(known))
        try:
            async with asyncio.TaskGroup() as group:
                for parcel in await self._database.read(parcel_index.awaiting_receipt):
                    self._collect_in(group, parcel)
                await self._send_for_ever(group, hint)
        finally:
            await self._client.close()

    async def _send_for_ever(self, group: asyncio.TaskGroup, hint: Hint) -> None:
        failures = 0
        while True:
            try:
                await self._wait_for_room()
                parcel = await self._next()
                if parcel is None:
                    await self._idle(hint)
                elif await self._deliver(parcel, hint):
                    self._collect_in(group, parcel)
                failures = 0
            except PlatformError as exc:
                failures += 1
                if isinstance(exc, Outage):
                    await self._news.lost(exc.code)
                _LOG.info("forwarder.later", extra={"code": exc.code, "failures": failures})
                chance = self._settings.chance()
                await asyncio.sleep(self._settings.backoff.delay_s(failures, chance))

    # -- receipts, beside the sending ----------------------------------------------------------

    def _collect_in(self, group: asyncio.TaskGroup, parcel: ParcelRow) -> None:
        if parcel.parcel_id not in self._collecting:
            self._collecting.add(parcel.parcel_id)
            group.create_task(self._collect(parcel))

    async def _collect(self, parcel: ParcelRow) -> None:
        try:
            await self._collector.collect(parcel)
        finally:
            self._collecting.discard(parcel.parcel_id)
            self._collected.set()

    async def _wait_for_room(self) -> None:
        while len(self._collecting) >= self._settings.unreceipted_max:
            self._collected.clear()
            await self._collected.wait()

    # -- what goes next ------------------------------------------------------------------------

    async def _idle(self, hint: Hint) -> None:
        await hint.wait(_LOOK_S)
        if self._clock.monotonic_s() - self._news.heard_s >= self._settings.probe_s:
            await self._client.probe()
            await self._news.reached()

    async def _next(self) -> ParcelRow | None:
        """Return the parcel to send now, made anew where what waits is more urgent."""
        while True:
            parcel = await self._database.read(parcel_index.next_parcel)
            below = parcel.rank if parcel is not None else None
            waiting = await self._database.read(
                partial(parcel_index.next_waiting, limit=_CANDIDATES, below=below)
            )
            if not waiting:
                return parcel
            try:
                return await self._make(waiting)
            except InstanceUnreadable as exc:
                await self._set_aside(waiting[0].study_key, exc)
            except NoLongerWaiting:
                continue

    async def _make(self, waiting: list[Waiting]) -> ParcelRow:
        chosen = choose(waiting, parcel_bytes=self._settings.parcel_bytes)
        made = await finish_in_thread(lambda: self._maker.make(chosen))
        row = ParcelRow(
            made.parcel_id, chosen[0].study_key, made.size_bytes, None, 0, chosen[0].rank
        )
        # Where this fails the file is nobody's; the sweep at the next start takes it.
        await self._news.write(
            lambda conn: parcel_index.add_parcel(
                conn, row, made.instance_ids, at=self._clock.now()
            ),
            lambda _: [row.study_key],
        )
        return row

    async def _set_aside(self, study_key: str, exc: InstanceUnreadable) -> None:
        _LOG.error("forwarder.unreadable", extra={"id": exc.instance_id, "code": exc.code})
        await self._news.write(
            lambda conn: parcel_index.set_aside(conn, exc.instance_id, exc.code, exc.detail),
            lambda _: [study_key],
        )

    # -- one parcel over the line --------------------------------------------------------------

    async def _deliver(self, parcel: ParcelRow, hint: Hint) -> bool:
        """Bring a parcel over; False where it is not over, but nothing failed either.

        Raises:
            Outage, OffsetDiffers, UploadGone: the same parcel goes on after a while.
        """
        if not await finish_in_thread(lambda: self._maker.is_whole(parcel)):
            await self._collector.take_apart(parcel, alone=False)
            return False
        try:
            if not await self._bring_over(parcel, hint):
                return False
        except UploadGone:
            await self._note_upload(parcel, None)
            raise
        except ParcelRefused as exc:
            await self._collector.refused(parcel, exc)
            return False
        await self._news.write(
            lambda conn: parcel_index.note_sent(conn, parcel.parcel_id, self._clock.now()),
            lambda _: [parcel.study_key],
        )
        return True

    async def _bring_over(self, parcel: ParcelRow, hint: Hint) -> bool:
        offset = 0
        url = parcel.upload_url
        if url is None:
            url = await self._client.create(parcel.parcel_id, parcel.size_bytes)
            # Before its first byte, so that whatever happens now it goes on and does not begin.
            await self._note_upload(parcel, url)
        else:
            offset = await self._client.offset(url)
        await self._news.reached()
        if offset == parcel.size_bytes:
            return True
        sending = Sending(self._news.sent, asyncio.Event())
        path = self._maker.path(parcel.parcel_id)
        async with Owner() as owner:
            owner.once("overtaking", self._watch(parcel.rank, sending.stop, hint))
            return await self._client.send(url, path, offset, parcel.size_bytes, sending)

    async def _watch(self, rank: int, stop: asyncio.Event, hint: Hint) -> None:
        """Set *stop* as soon as something more urgent than *rank* is to be sent."""
        while not stop.is_set():
            await hint.wait(_LOOK_S)
            best = await self._database.read(parcel_index.best_rank)
            if best is not None and best < rank:
                stop.set()

    async def _note_upload(self, parcel: ParcelRow, url: str | None) -> None:
        # Not news to anybody who watches the queue.
        await self._database.write(
            lambda conn: parcel_index.note_upload(conn, parcel.parcel_id, url)
        )
