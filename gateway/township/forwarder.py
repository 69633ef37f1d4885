"""Sends what is in the spool to the county, for as long as it takes, and believes only receipts.

A few parcels are on the line at a time, as many and as large as the measured line bears. What is
more urgent takes their place at the next piece, and what was sent of them stays sent. Receipts are
awaited beside the sending. An outage is waited out without end; an instance that the county will
not have is set aside, a study with which something is wrong waits by itself, the rest goes on.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.township import parcel_index, parcel_queue, queue_acts
from gateway.township.collector import Collector, ForwarderSettings
from gateway.township.county_client import CountyClient, Sending
from gateway.township.county_session import NotNow, Outage, Unheard
from gateway.township.delivery import Delivery
from gateway.township.fair_turns import FairTurns
from gateway.township.line_plan import LinePlan, line_plan
from gateway.township.model import PRIORITY_OF_RANK, RANK
from gateway.township.parcel_index import NoLongerWaiting
from gateway.township.parcel_maker import InstanceUnreadable, ParcelMaker
from gateway.township.parcel_queue import Board, ParcelRow, Precedence
from gateway.township.queue_news import QueueNews
from gateway.township.schedule import OnTheLine, decide, idle_parcel_of
from gateway.township.spool import Hint
from gateway.township.waits import LINE, REFUSED, Waits
from gateway.uploads.parcel import version_to_write
from gateway.uploads.threads import finish_in_thread
from kernel.arrival import Priority
from kernel.clock import Clock
from kernel.errors import PlatformError, Unavailable
from kernel.process.owner import Owner
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 0.5
_URGENT_LEVEL: Final = 6
"""What is urgent is not held up by thorough compression."""
_URGENT: Final = (RANK[Priority.EMERGENCY], RANK[Priority.URGENT])
_AHEAD: Final = 1
"""Uploads that are made and announced while others send, so that the line does not wait."""
_ANSWERS_MOST: Final = 2
"""So many more may wait for the answer to their last byte; deep buffers on the way hold seconds."""


_SMALL_MOST: Final = 8
_SMALL_BYTES: Final = 192 * 1024
"""Uploads that carry no more together are so many at a time: each is over before the line knows of
the next, and what waits for an emergency is under a second of a bad line."""


@dataclass(eq=False)
class _Upload:
    """One upload of this process."""

    study_key: str
    precedence: Precedence
    sending: Sending
    parcel: ParcelRow | None = None

    def seen(self) -> OnTheLine:
        parcel_id = self.parcel.parcel_id if self.parcel else None
        return OnTheLine(self.study_key, parcel_id, self.precedence)


@dataclass
class _Now:
    """What changes from step to step."""

    uploads: list[_Upload] = field(default_factory=list)
    collecting: set[str] = field(default_factory=set)
    versions: frozenset[int] | None = None
    """Of parcels, that the county takes; None before it was asked, or when it may be others."""
    probing: bool = False


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
        self._traffic = client.traffic
        self._clock = clock
        self._collector = Collector(database, client, maker, news, settings, clock=clock)
        self._delivery = Delivery(database, client, maker, news, self._collector, now=clock.now)
        self._turns = FairTurns()
        self._waits = Waits(settings.backoff, settings.chance)
        self._look = asyncio.Event()
        self._now = _Now()

    async def run(self, hint: Hint) -> None:
        """Send until cancelled; what is half sent goes on from there at the next start.

        Args:
            hint: says early that something was filed or changed in the queue.
        """
        known = await self._database.read(parcel_index.all_parcel_ids)
        await finish_in_thread(lambda: self._maker.sweep(known))
        self._now, self._look = _Now(), asyncio.Event()
        try:
            async with Owner() as owner:
                owner.keep("hearing", partial(self._hear, hint))
                owner.keep("line-back", self._hear_back)
                async with asyncio.TaskGroup() as group:
                    for parcel in await self._database.read(parcel_queue.awaiting_receipt):
                        self._collect_in(group, parcel)
                    await self._schedule(group)
        finally:
            await self._client.close()

    def uploads(self) -> int:
        """Return how many parcels are being made or are on the line."""
        return len(self._now.uploads)

    async def _hear(self, hint: Hint) -> None:
        while True:
            self._look.set()
            await hint.wait(_LOOK_S)

    async def _hear_back(self) -> None:
        while True:
            await self._news.back.wait(None)
            now_s = asyncio.get_running_loop().time()
            self._waits.heard(now_s, spread_s=self._settings.spread_s)
            self._look.set()

    async def _schedule(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self._step(group)
            except PlatformError as exc:  # the database, for a moment
                _LOG.warning("forwarder.later", extra={"code": exc.code})

    # -- one look at everything ----------------------------------------------------------------

    async def _step(self, group: asyncio.TaskGroup) -> None:
        """Stop what must leave off, and start at most one upload; then look again."""
        now_s = asyncio.get_running_loop().time()
        blocked = self._waits.waiting(now_s)
        read = partial(parcel_queue.read_board, now=self._clock.now(), without=blocked)
        board = await self._database.read(read)
        plan = self._plan()
        uploads = self._now.uploads
        seen = [upload.seen() for upload in uploads]
        moves = decide(board, seen, parallel=self._most(plan), blocked=blocked)
        for place in moves.stop:
            uploads[place].sending.stop.set()
        self._delivery.places.hold(plan.parallel)
        self._note_lanes(board)
        await self._news.held(board.held_until, board.held_by)
        if self._waits.keep_off(now_s, emergency=_is_urgent(board)):
            return
        if moves.start and self._has_room(board):
            study_key = self._turns.next_of(moves.start, plan.parcel_bytes)
            self._start(group, board, study_key, plan)
            self._look.set()
        elif (
            not uploads
            and not self._now.probing
            and (self._now.versions is None or self._is_silent())
        ):
            self._now.probing = True
            group.create_task(self._probe())

    def _most(self, plan: LinePlan) -> int:
        uploads = self._now.uploads
        answers = min(sum(upload.sending.handed for upload in uploads), _ANSWERS_MOST)
        most = plan.parallel + _AHEAD + answers
        carried = [upload.parcel.size_bytes for upload in uploads if upload.parcel]
        if len(carried) == len(uploads) and sum(carried) < _SMALL_BYTES:
            return max(most, _SMALL_MOST)
        return most

    def _plan(self) -> LinePlan:
        window = self._news.line_window()
        plan = line_plan(window, parallel_most=self._settings.parallel_most)
        self._client.hold_in_flight(plan.send_buffer_bytes)
        return plan

    def _note_lanes(self, board: Board) -> None:
        """Let what goes on obey what its study has become meanwhile."""
        ranks = {parcel.parcel_id: parcel.rank for parcel in board.parcels}
        urgent = False
        for upload in self._now.uploads:
            if upload.parcel is not None and upload.parcel.parcel_id in ranks:
                rank = ranks[upload.parcel.parcel_id]
                upload.sending.lane = PRIORITY_OF_RANK[rank]
            urgent |= upload.sending.lane is Priority.EMERGENCY
        self._traffic.note(held=board.held_until is not None, emergency=urgent)

    def _has_room(self, board: Board) -> bool:
        """Return whether the county is not too far behind with its receipts for one more."""
        most = self._settings.unreceipted_max * (2 if _is_urgent(board) else 1)
        return len(self._now.collecting) < most

    def _is_silent(self) -> bool:
        return self._clock.monotonic_s() - self._news.heard_s >= self._settings.probe_s

    async def _probe(self) -> None:
        try:
            self._now.versions = await self._client.versions()
            await self._news.reached()
            self._waits.over(LINE, REFUSED)
        except PlatformError as exc:
            await self._failed(LINE, exc)
        finally:
            self._now.probing = False

    # -- one upload ----------------------------------------------------------------------------

    def _start(
        self, group: asyncio.TaskGroup, board: Board, study_key: str, plan: LinePlan
    ) -> None:
        seen = [upload.seen() for upload in self._now.uploads]
        parcel = idle_parcel_of(board, seen, study_key)
        found = [study.precedence for study in board.studies if study.study_key == study_key]
        before = parcel.precedence if parcel else found[0]
        lane = PRIORITY_OF_RANK[before[0]]
        sending = Sending(self._news.sent, asyncio.Event(), lane, on_last=self._look.set)
        upload = _Upload(study_key, before, sending, parcel)
        self._now.uploads.append(upload)
        group.create_task(self._upload(group, upload, plan))

    async def _upload(self, group: asyncio.TaskGroup, upload: _Upload, plan: LinePlan) -> None:
        study = upload.study_key
        try:
            if upload.parcel is None:
                upload.parcel = await self._make(study, upload.precedence[0], plan)
                self._look.set()
            parcel = upload.parcel
            if parcel is None or upload.sending.stop.is_set():
                return
            over = await self._delivery.deliver(
                parcel, upload.sending, partial(self._waits.over, LINE, REFUSED)
            )
            if over:
                self._waits.over(LINE, REFUSED, study)
                self._collect_in(group, parcel)
        except PlatformError as exc:
            await self._failed(study, exc)
        except OSError:
            await self._failed(study, Unavailable("the outbox cannot be read", code="disk"))
        finally:
            self._now.uploads.remove(upload)
            self._look.set()

    async def _failed(self, study_key: str, exc: PlatformError) -> None:
        """Wait a while with the line where it is to blame, else with the study only."""
        line = isinstance(exc, Outage) and not isinstance(exc, NotNow)
        whole = LINE if isinstance(exc, Unheard) else REFUSED
        if exc.code == "parcel-version":
            self._now.versions = None
        loop = asyncio.get_running_loop()
        wait_s = self._waits.add(whole if line else study_key, loop.time())
        loop.call_later(wait_s, self._look.set)
        if line:
            await self._news.lost(exc.code)
        _LOG.info("forwarder.later", extra={"code": exc.code, "wait_s": round(wait_s, 1)})

    async def _make(self, study_key: str, rank: int, plan: LinePlan) -> ParcelRow | None:
        """Return a new parcel of what goes next of a study, None where nothing does."""
        version = await self._version()
        bound = self._settings.parcel_bytes
        choose = partial(
            parcel_queue.next_waiting,
            study_key=study_key,
            parcel_bytes=min(plan.parcel_bytes, bound) if bound else plan.parcel_bytes,
            now=self._clock.now(),
        )
        level = min(plan.level, _URGENT_LEVEL) if rank in _URGENT else plan.level
        chosen = await self._database.read(choose)
        if not chosen:
            return None
        make = partial(self._maker.make, chosen, level=level, version=version, dense=plan.dense)
        try:
            made = await finish_in_thread(make)
        except InstanceUnreadable as exc:
            await self._set_aside(study_key, exc)
            return None
        self._turns.charge(study_key, made.size_bytes)
        row = ParcelRow(made.parcel_id, study_key, made.size_bytes, None, 0, rank)
        # Where this fails the file is nobody's; the sweep at the next start takes it.
        try:
            await self._news.write(
                lambda conn: parcel_index.add_parcel(
                    conn, row, made.instance_ids, at=self._clock.now()
                ),
                lambda _: [study_key],
            )
        except NoLongerWaiting:
            await finish_in_thread(lambda: self._maker.remove(made.parcel_id))
            return None
        return row

    async def _version(self) -> int:
        """Return the version of parcels to write; raises ``Outage``."""
        if self._now.versions is None:
            self._now.versions = await self._client.versions()
            await self._news.reached()
        version = version_to_write(self._now.versions, self._settings.versions)
        if version is None:
            self._now.versions = None
            raise Outage("the county takes no parcel of ours", code="parcel-version")
        return version

    async def _set_aside(self, study_key: str, exc: InstanceUnreadable) -> None:
        _LOG.error("forwarder.unreadable", extra={"id": exc.instance_id, "code": exc.code})
        await self._news.write(
            lambda conn: queue_acts.set_aside(conn, exc.instance_id, exc.code, exc.detail),
            lambda _: [study_key],
        )

    # -- receipts, beside the sending ----------------------------------------------------------

    def _collect_in(self, group: asyncio.TaskGroup, parcel: ParcelRow) -> None:
        if parcel.parcel_id not in self._now.collecting:
            self._now.collecting.add(parcel.parcel_id)
            group.create_task(self._collect(parcel, self._now.collecting))

    async def _collect(self, parcel: ParcelRow, collecting: set[str]) -> None:
        try:
            await self._collector.collect(parcel)
        except Outage as exc:
            await self._failed(parcel.study_key, exc)
        finally:
            collecting.discard(parcel.parcel_id)
            self._look.set()


def _is_urgent(board: Board) -> bool:
    firsts = [*(one.rank for one in board.parcels), *(s.precedence[0] for s in board.studies)]
    return min(firsts, default=RANK[Priority.BACKFILL]) == RANK[Priority.EMERGENCY]
