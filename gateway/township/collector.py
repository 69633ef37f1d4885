"""Waits for the county's receipt of one parcel after the other, and does what it says."""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.township import parcel_index
from gateway.township.backoff import Backoff
from gateway.township.county_client import CountyClient, ParcelRefused, UploadGone
from gateway.township.county_session import NotNow, Outage, Unheard
from gateway.township.line_plan import PARALLEL_MOST
from gateway.township.parcel_maker import ParcelMaker
from gateway.township.parcel_queue import ParcelRow
from gateway.township.queue_news import QueueNews
from gateway.township.refusals import AfterRefusal, Refused, after_refusal
from gateway.uploads.parcel import VERSIONS, version_to_write
from gateway.uploads.receipts import Outcome, Receipt, UntrustedReceipt, open_receipt
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.dicom.dense import NotDense
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LATELY_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class ForwarderSettings:
    """How the node sends."""

    institution: str
    county_key: Ed25519PublicKey
    """Pinned when the node was paired; no other signature counts."""
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.5, at_first=3))
    """Most lines that drop are back within seconds; a wait that doubles at once sleeps over it."""
    parcel_bytes: int | None = None
    """Most bytes of one parcel; None leaves it to the plan of the line."""
    parallel_most: int = PARALLEL_MOST
    """Uploads at a time."""
    versions: frozenset[int] = VERSIONS
    """Of parcels, that this side writes."""
    unreceipted_max: int = 8
    """Parcels that may be over the line without receipt before no more are sent."""
    damaged_max: int = 3
    """Damaged transfers of one parcel before it is made anew."""
    probe_s: float = 30.0
    """Silence after which the line is tried although nothing is to be sent."""
    chance: Callable[[], float] = random.random
    """At least 0 and below 1; spreads the waits after failures."""
    spread_s: float = 2.0
    """Once the line is back, what is no emergency begins within so long: other nodes are, too."""


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
        self._accepted_s = -math.inf
        """When the county last accepted an instance, on the clock's monotonic seconds."""

    async def collect(self, parcel: ParcelRow) -> None:
        """Return once the parcel is receipted, refused, or must be sent again.

        Raises:
            Outage: it was refused, and nothing but waiting helps.
        """
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
                await self.refused(parcel, exc)
                return
            except PlatformError as exc:
                failures += 1
                await self._note_trouble(parcel, exc)
                delay_s = self._settings.backoff.delay_s(failures, self._settings.chance())
                if not isinstance(exc, Unheard):
                    await asyncio.sleep(delay_s)
                elif await self._news.back.wait(delay_s):
                    failures = 0

    async def refused(self, parcel: ParcelRow, exc: ParcelRefused) -> None:
        """Act on a refusal of the whole parcel.

        Raises:
            Outage: all there is to do is to wait; ``NotNow`` where only its study has to.
        """
        count = await self._database.read(
            lambda conn: parcel_index.instances_in(conn, parcel.parcel_id)
        )
        told = Refused(
            exc.code,
            count,
            damaged=parcel.damaged,
            other_version=exc.code == "parcel-version" and await self._has_other_version(parcel),
            others_pass=self._clock.monotonic_s() - self._accepted_s < _LATELY_S,
        )
        step = after_refusal(told, damaged_max=self._settings.damaged_max)
        _LOG.warning(
            "parcel.refused",
            extra={"parcel_id": parcel.parcel_id, "code": exc.code, "step": step.value},
        )
        match step:
            case AfterRefusal.SEND_ANEW:
                await self._change(parcel, parcel_index.note_damaged)
            case AfterRefusal.MAKE_ANEW:
                await self.take_apart(parcel)
            case AfterRefusal.HALVE:
                await self._change(parcel, partial(parcel_index.halve, at=self._clock.now()))
                await self._forget_file(parcel)
            case AfterRefusal.SET_ASIDE:
                refuse = partial(
                    parcel_index.refuse_parcel,
                    code=exc.code,
                    detail=exc.detail,
                    at=self._clock.now(),
                )
                await self._change(parcel, refuse)
                await self._forget_file(parcel)
            case AfterRefusal.WAIT:
                await self._send_anew(parcel)
                raise Outage(exc.detail, code=exc.code)
            case AfterRefusal.WAIT_APART:
                await self._send_anew(parcel)
                raise NotNow(exc.detail, code=exc.code)

    async def take_apart(self, parcel: ParcelRow) -> None:
        """Let what a parcel held wait again, to be packed anew."""
        await self._change(parcel, partial(parcel_index.dissolve, at=self._clock.now()))
        await self._forget_file(parcel)

    async def _has_other_version(self, parcel: ParcelRow) -> bool:
        """Return whether the county knows a version of parcels this side writes, and this is not.

        Raises:
            Outage: it cannot be asked now.
        """
        found = version_to_write(await self._client.versions(), self._settings.versions)
        written = await finish_in_thread(lambda: self._maker.version(parcel.parcel_id))
        return found is not None and found != written

    async def _change(
        self, parcel: ParcelRow, change: Callable[[sa.Connection, str], None]
    ) -> None:
        await self._news.write(
            lambda conn: change(conn, parcel.parcel_id), lambda _: [parcel.study_key]
        )

    async def _apply(self, parcel: ParcelRow, receipt: Receipt) -> None:
        if (receipt.parcel_id, receipt.institution) != (
            parcel.parcel_id,
            self._settings.institution,
        ):
            raise UntrustedReceipt("the receipt is for another parcel")
        if any(told.outcome is Outcome.ACCEPTED for told in receipt.instances):
            self._accepted_s = self._clock.monotonic_s()
        outcomes = [told for told in receipt.instances if told.code != NotDense.code]
        for told in receipt.instances:
            if told.code == NotDense.code:
                # The county's decoder is to blame, not the image: it waits again, as it is.
                self._maker.send_plainly(told.sop_instance_uid)
        await self._news.write(
            # By the county's clock: how long an image is kept must not hang on one that jumped.
            lambda conn: parcel_index.apply_outcomes(
                conn, parcel.parcel_id, outcomes, receipt.issued_at
            ),
            lambda _: [parcel.study_key],
        )
        await self._forget_file(parcel)

    async def _send_anew(self, parcel: ParcelRow) -> None:
        await self._change(parcel, partial(parcel_index.note_upload, upload_url=None))

    async def _forget_file(self, parcel: ParcelRow) -> None:
        await finish_in_thread(lambda: self._maker.remove(parcel.parcel_id))

    async def _note_trouble(self, parcel: ParcelRow, exc: PlatformError) -> None:
        if isinstance(exc, UntrustedReceipt):
            _LOG.error("receipt.untrusted", extra={"parcel_id": parcel.parcel_id})
        if isinstance(exc, Outage | UntrustedReceipt):
            await self._news.lost(exc.code)
