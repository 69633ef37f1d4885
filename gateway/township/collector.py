"""Waits for the county's receipt of one parcel after the other, and does what it says."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.township import parcel_index
from gateway.township.backoff import Backoff
from gateway.township.county_client import CountyClient, Outage, ParcelRefused, UploadGone
from gateway.township.parcel_index import ParcelRow
from gateway.township.parcel_maker import PARCEL_BYTES, ParcelMaker
from gateway.township.queue_news import QueueNews
from gateway.township.refusals import AfterRefusal, after_refusal
from gateway.uploads.receipts import Receipt, UntrustedReceipt, open_receipt
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForwarderSettings:
    """How the node sends."""

    institution: str
    county_key: Ed25519PublicKey
    """Pinned when the node was paired; no other signature counts."""
    backoff: Backoff = field(default_factory=Backoff)
    parcel_bytes: int = PARCEL_BYTES
    unreceipted_max: int = 8
    """Parcels that may be over the line without receipt before no more are sent."""
    damaged_max: int = 3
    """Damaged transfers of one parcel before it is made anew."""
    probe_s: float = 30.0
    """Silence after which the line is tried although nothing is to be sent."""
    chance: Callable[[], float] = random.random
    """At least 0 and below 1; spreads the waits after failures."""


class Collector:
    """Turns receipts into rows. Nothing else ever says that an instance is at the county."""

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

    async def collect(self, parcel: ParcelRow) -> None:
        """Return once the parcel is receipted, refused, or must be sent again."""
        failures = 0
        while True:
            try:
                raw = await self._client.receipt(parcel.parcel_id)
                await self._news.reached()
                if raw is not None:
                    await self._apply(parcel, open_receipt(raw, self._settings.county_key))
                    return
            except UploadGone:
                await self._send_anew(parcel)
                return
            except ParcelRefused as exc:
                if await self.refused(parcel, exc):
                    return
                failures += 1
            except PlatformError as exc:
                failures += 1
                await self._note_trouble(parcel, exc)
            if failures:
                chance = self._settings.chance()
                await asyncio.sleep(self._settings.backoff.delay_s(failures, chance))

    async def refused(self, parcel: ParcelRow, exc: ParcelRefused) -> bool:
        """Act on a refusal of the whole parcel; False when all there is to do is to wait."""
        count = await self._database.read(
            lambda conn: parcel_index.instances_in(conn, parcel.parcel_id)
        )
        step = after_refusal(
            exc.code,
            instances=count,
            damaged=parcel.damaged,
            damaged_max=self._settings.damaged_max,
        )
        _LOG.warning(
            "parcel.refused",
            extra={"parcel_id": parcel.parcel_id, "code": exc.code, "step": step.value},
        )
        match step:
            case AfterRefusal.SEND_ANEW:
                await self._news.write(
                    lambda conn: parcel_index.note_damaged(conn, parcel.parcel_id),
                    lambda _: [parcel.study_key],
                )
            case AfterRefusal.SPLIT:
                await self.take_apart(parcel, alone=True)
            case AfterRefusal.SET_ASIDE:
                await self._news.write(
                    lambda conn: parcel_index.refuse_parcel(
                        conn, parcel.parcel_id, exc.code, exc.detail, self._clock.now()
                    ),
                    lambda _: [parcel.study_key],
                )
                await self._forget_file(parcel)
            case AfterRefusal.WAIT:
                await self._news.lost(exc.code)
                await self._send_anew(parcel)
        return True

    async def take_apart(self, parcel: ParcelRow, *, alone: bool) -> None:
        """Let what a parcel held wait again, to be packed anew."""
        await self._news.write(
            lambda conn: parcel_index.dissolve(
                conn, parcel.parcel_id, self._clock.now(), alone=alone
            ),
            lambda _: [parcel.study_key],
        )
        await self._forget_file(parcel)

    async def _apply(self, parcel: ParcelRow, receipt: Receipt) -> None:
        if (receipt.parcel_id, receipt.institution) != (
            parcel.parcel_id,
            self._settings.institution,
        ):
            raise UntrustedReceipt("the receipt is for another parcel")
        await self._news.write(
            lambda conn: parcel_index.apply_outcomes(
                conn, parcel.parcel_id, receipt.instances, self._clock.now()
            ),
            lambda _: [parcel.study_key],
        )
        await self._forget_file(parcel)

    async def _send_anew(self, parcel: ParcelRow) -> None:
        await self._news.write(
            lambda conn: parcel_index.note_upload(conn, parcel.parcel_id, None),
            lambda _: [parcel.study_key],
        )

    async def _forget_file(self, parcel: ParcelRow) -> None:
        await finish_in_thread(lambda: self._maker.remove(parcel.parcel_id))

    async def _note_trouble(self, parcel: ParcelRow, exc: PlatformError) -> None:
        if isinstance(exc, UntrustedReceipt):
            _LOG.error("receipt.untrusted", extra={"parcel_id": parcel.parcel_id})
        if isinstance(exc, Outage | UntrustedReceipt):
            await self._news.lost(exc.code)
