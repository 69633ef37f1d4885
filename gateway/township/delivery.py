"""One parcel over the line: announced, sent from where the county has it, and noted as sent."""

import datetime as dt
from collections.abc import Callable
from typing import Final

from gateway.township import parcel_index
from gateway.township.collector import Collector
from gateway.township.county_client import CountyClient, ParcelRefused, Sending, UploadGone
from gateway.township.line_places import LinePlaces
from gateway.township.parcel_maker import ParcelMaker
from gateway.township.parcel_queue import ParcelRow
from gateway.township.queue_news import QueueNews
from gateway.uploads.parcel import BrokenParcel
from gateway.uploads.threads import finish_in_thread
from kernel.sql.db import Database

_REMEMBERED_MAX: Final = 64


class Delivery:
    """Brings parcels over, each from where it stands."""

    def __init__(
        self,
        database: Database,
        client: CountyClient,
        maker: ParcelMaker,
        news: QueueNews,
        collector: Collector,
        *,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._database = database
        self._client = client
        self._maker = maker
        self._news = news
        self._collector = collector
        self.places = LinePlaces()
        self._now = now
        self._stood: dict[str, int] = {}

    async def deliver(
        self, parcel: ParcelRow, sending: Sending, on_progress: Callable[[], None]
    ) -> bool:
        """Bring a parcel over; False where it is not over, but nothing failed either.

        Args:
            parcel: made, its row in the queue.
            sending: what the transfer obeys.
            on_progress: called once the county turns out to have more of it than last time.

        Raises:
            Outage, OffsetDiffers, UploadGone: the same parcel goes on after a while.
        """
        version = await finish_in_thread(lambda: self._version(parcel))
        if version is None:
            await self._collector.take_apart(parcel)
            return False
        try:
            if not await self._bring_over(parcel, version, sending, on_progress):
                return False
        except UploadGone:
            await self._note_upload(parcel, None)
            raise
        except ParcelRefused as exc:
            await self._collector.refused(parcel, exc)
            return False
        finally:
            self._news.over(parcel.parcel_id, parcel.study_key, None)
        self._stood.pop(parcel.parcel_id, None)
        await self._news.write(
            lambda conn: parcel_index.note_sent(conn, parcel.parcel_id, self._now()),
            lambda _: [parcel.study_key],
        )
        return True

    async def _bring_over(
        self, parcel: ParcelRow, version: int, sending: Sending, on_progress: Callable[[], None]
    ) -> bool:
        offset = 0
        url = parcel.upload_url
        if url is None:
            url = await self._client.create(parcel.parcel_id, parcel.size_bytes, version)
            # Before its first byte, so that whatever happens now it goes on and does not begin.
            await self._note_upload(parcel, url)
        else:
            offset = await self._client.offset(url)
        await self._news.reached()
        if offset > self._stood.get(parcel.parcel_id, 0):
            on_progress()
        self._remember(parcel.parcel_id, offset)
        if offset == parcel.size_bytes:
            return True
        told = sending.on_sent
        over = offset

        def on_sent(count: int) -> None:
            nonlocal over
            over += count
            self._news.over(parcel.parcel_id, parcel.study_key, over)
            told(count)

        sending.on_sent = on_sent
        path = self._maker.path(parcel.parcel_id)
        async with self.places.place(sending.stop) as give_back:
            if give_back is None:
                return False
            sending.on_last = _both(give_back, sending.on_last)
            return await self._client.send(url, path, offset, parcel.size_bytes, sending)

    def _version(self, parcel: ParcelRow) -> int | None:
        """Return the version of a parcel's file, None where it is not whole."""
        try:
            return self._maker.version(parcel.parcel_id) if self._maker.is_whole(parcel) else None
        except BrokenParcel:
            return None

    def _remember(self, parcel_id: str, offset: int) -> None:
        self._stood[parcel_id] = offset
        while len(self._stood) > _REMEMBERED_MAX:
            self._stood.pop(next(iter(self._stood)))

    async def _note_upload(self, parcel: ParcelRow, url: str | None) -> None:
        # Not news to anybody who watches the queue.
        await self._database.write(
            lambda conn: parcel_index.note_upload(conn, parcel.parcel_id, url)
        )


def _both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    def act() -> None:
        first()
        then()

    return act
