"""Fetches what the county named: WADO-RS, from the byte where it was cut, believed by its content.

One object at a time, and none while an emergency needs the line. A line that drops costs what was
on it; an object that cannot be had waits by itself (``return_verdict``), and the rest goes on.
"""

import asyncio
import datetime as dt
import logging
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import aiohttp
import sqlalchemy as sa

from gateway.exchange import return_turns
from gateway.exchange.county_link import CountyLink, CountyUnreachable, is_bare, refusal
from gateway.exchange.return_turns import WAIT_AT_MOST, Fetched
from gateway.exchange.return_verdict import HERE, TRIES, Outcome, Verdict, outcome_of, verdict
from gateway.exchange.returns import ObjectState, ReturnedObject
from gateway.exchange.sender import BACKOFF, Hint, wait_out
from gateway.township.backoff import Backoff
from gateway.township.keeping import Forget, forget_nothing
from gateway.township.model import KeptObject
from gateway.township.ports import ObjectFiles
from gateway.uploads.parcel_sink import check_instance
from gateway.uploads.threads import finish_in_thread
from kernel.arrival import Arrival, ContentDigest, Door, Sender
from kernel.clock import Clock
from kernel.dicom.codecs import FrameDecoder
from kernel.errors import Category, PlatformError, StorageFull
from kernel.identifiers import Uid, object_key
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 5.0
_PIECE_BYTES: Final = 64 * 1024
_STALL_S: Final = 20.0
_LATER: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE})
_PART: Final = 206
_ASK_AFTER: Final = dt.timedelta(minutes=1)
_OTHER_SIZE: Final = "size-mismatch"
_NEVER: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


_LATER_BACKOFF: Final = Backoff(first_s=5.0, cap_s=900.0)
_ASIDE_BACKOFF: Final = Backoff(first_s=3600.0, cap_s=WAIT_AT_MOST.total_seconds(), at_first=TRIES)


class _LeftOff(Exception):
    """Something more urgent needs the line."""


class LineShare(Protocol):
    """What images going up leave of the line."""

    async def pass_bytes(self, count: int) -> None:
        """Return once *count* more bytes may come, however long that is."""
        ...


@dataclass(frozen=True, slots=True)
class FetcherSettings:
    """How the fetcher behaves."""

    folder: Path
    """For what is half here; survives a restart."""
    institution: str
    backoff: Backoff = BACKOFF
    """Of the line, and of an object that may have been cut by it."""
    later: Backoff = _LATER_BACKOFF
    """Of an object the county fails over, or will not give."""
    aside: Backoff = _ASIDE_BACKOFF
    """Of an object that was set aside: what hinders it may pass all the same."""
    chance: Callable[[], float] = random.random
    back: Hint | None = None
    """Hints that the county is heard again: what waits for the line goes on."""
    spread_s: float = 2.0
    """Within so long, for other nodes are back, too."""
    stall_s: float = _STALL_S
    on_here: Callable[[], None] = lambda: None
    """Called when an object is here."""
    on_asked: Callable[[], None] = lambda: None
    """Called when a letter to the county was written."""
    forget: Forget = forget_nothing
    """Lets an earlier content of an object be found no more, once another stands for it."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where objects go, and what they are checked with."""

    objects: ObjectFiles
    decoder: FrameDecoder


class ReturnFetcher:
    """The one fetcher of a node."""

    def __init__(  # noqa: PLR0913  # all that fetching is done with
        self,
        database: Database,
        link: CountyLink,
        shelf: Shelf,
        urgent: Callable[[], Awaitable[bool]],
        *,
        share: LineShare,
        clock: Clock,
        settings: FetcherSettings,
    ) -> None:
        self._database = database
        self._link = link
        self._shelf = shelf
        self._urgent = urgent
        self._share = share
        self._clock = clock
        self._settings = settings
        self._came = 0
        """Objects that came since the program started."""
        self._came_before: dict[str, int] = {}
        """By object that did not: how many had come when it failed for the first time."""
        self._furthest: dict[str, int] = {}
        """By object that broke off: how much of it was here at most."""
        self._asked: dict[str, dt.datetime] = {}
        """By study: when the county was last asked to name it anew."""

    async def run(self, hint: Hint) -> None:
        """Fetch until cancelled; there is no last attempt."""
        failures = 0
        while True:
            try:
                if not await self.fetch_next():
                    await hint.wait(_LOOK_S)
                failures = 0
            except PlatformError as exc:
                failures += 1
                _LOG.info("return.later", extra={"code": exc.code, "failures": failures})
                chance = self._settings.chance()
                delay_s = self._settings.backoff.delay_s(failures, chance)
                if await wait_out(delay_s, self._settings.back):
                    failures = 0
                    await asyncio.sleep(min(delay_s, self._settings.spread_s * chance))

    async def fetch_next(self) -> bool:
        """Try one object; returns False where there is none to fetch, or not now.

        Raises:
            PlatformError: the line or this machine hinders it; what came of it stays.
        """
        if await self._urgent():
            return False
        now = self._clock.now()
        one = await self._database.read(partial(return_turns.next_object, at=now))
        if one is None:
            return False
        key = _key(one)
        path = self._settings.folder / f"{key.rpartition('/')[2]}.part"
        try:
            # Where a person holds the line, not even the first piece of it comes.
            await self._pass(0)
            outcome, code = await self._attempt(one, path, key)
        except _LeftOff:
            return False
        if outcome is Outcome.COMES:
            self._came += 1
            await asyncio.to_thread(path.unlink, missing_ok=True)
            await self._note(one, Fetched(ObjectState.HERE, object_key=key))
            self._settings.on_here()
        else:
            await self._hold_against(one, outcome, code)
        return True

    async def _attempt(self, one: ReturnedObject, path: Path, key: str) -> tuple[Outcome, str]:
        """Bring the object here; returns what came of it, with a code where it did not come."""
        outcome, code = await self._bring_over(one, path)
        if outcome is Outcome.COMES:
            try:
                await finish_in_thread(lambda: self._put(one, path, key))
            except PlatformError as exc:
                if exc.category in _LATER:
                    raise
                outcome, code = Outcome.OTHERWISE, exc.code
        if outcome is Outcome.OTHERWISE:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return outcome, code

    async def _hold_against(self, one: ReturnedObject, outcome: Outcome, code: str) -> None:
        """Note that the object itself did not come, whatever the line does."""
        failures = one.failures + 1
        before = self._came_before.setdefault(_key(one), self._came)
        found = verdict(outcome, failures, others_came=self._came > before)
        aside = found is Verdict.SET_ASIDE or one.state is ObjectState.SET_ASIDE
        _LOG.warning(
            "return.hindered", extra={"code": code, "tries": failures, "verdict": found.value}
        )
        backoff = self._settings.backoff
        if aside:
            backoff = self._settings.aside
        elif found is Verdict.LATER:
            backoff = self._settings.later
        delay = dt.timedelta(seconds=backoff.delay_s(failures, self._settings.chance()))
        state = ObjectState.SET_ASIDE if aside else ObjectState.WAITING
        not_before = self._clock.now() + delay
        became = Fetched(state, code, failures=failures, not_before=not_before)
        await self._note(one, became, anew=outcome is Outcome.OTHERWISE)

    async def _note(self, one: ReturnedObject, became: Fetched, *, anew: bool = False) -> None:
        at, study = self._clock.now(), one.study_instance_uid
        if became.state is ObjectState.HERE:
            self._came_before.pop(_key(one), None)
            self._furthest.pop(_key(one), None)
        # Once a minute and study, however many of its objects somebody has put right.
        anew = anew and at - self._asked.get(study, _NEVER) > _ASK_AFTER
        if anew:
            self._asked = {
                each: then for each, then in self._asked.items() if at - then < _ASK_AFTER
            } | {study: at}

        def write(conn: sa.Connection) -> Sequence[KeptObject]:
            house = self._settings.institution
            replaced = return_turns.note_object(conn, one, became, institution=house, at=at)
            self._settings.forget(conn, replaced)
            if anew:
                return_turns.ask_anew(conn, study, at=at)
            return replaced

        for each in await self._database.write(write):
            await finish_in_thread(partial(self._shelf.objects.delete, each.key))
        if anew:
            self._settings.on_asked()

    async def _bring_over(self, one: ReturnedObject, path: Path) -> tuple[Outcome, str]:
        """Bring the rest of the object to *path*.

        Raises:
            CountyUnreachable: the line broke, or the moment is wrong.
        """
        begin = await asyncio.to_thread(_size, path)
        if begin >= one.size_bytes:
            return Outcome.COMES, ""
        address = (
            f"/dicom-web/studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
            f"/instances/{one.sop_instance_uid}"
        )
        headers = {"Accept": "application/dicom; transfer-syntax=*"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        size_s = one.size_bytes / 1000  # no line is slower than a kilobyte a second for long
        comes = False
        try:
            async with self._link.ask("GET", address, headers=headers, wait_s=size_s) as answer:
                if answer.status not in HERE:
                    refused = await refusal(answer)
                    outcome = outcome_of(answer.status, of_county=not is_bare(refused))
                    if outcome is Outcome.MOMENT:
                        raise refused
                    return outcome, refused.code
                if _size_told(answer) not in (None, one.size_bytes):
                    # Known before any of it costs the line.
                    return Outcome.OTHERWISE, _OTHER_SIZE
                comes = True
                await self._take(answer, path, begin if answer.status == _PART else 0)
        except CountyUnreachable:
            if not comes or await self._has_grown(one, path):
                raise
            return Outcome.BROKE_OFF, "line-cut"
        return Outcome.COMES, ""

    async def _has_grown(self, one: ReturnedObject, path: Path) -> bool:
        """Tell whether more of the object is here than ever: then the line has cut it."""
        key, size = _key(one), await asyncio.to_thread(_size, path)
        before = self._furthest.get(key, 0)
        self._furthest[key] = max(before, size)
        return size > before

    async def _take(self, answer: aiohttp.ClientResponse, path: Path, begin: int) -> None:
        with await finish_in_thread(partial(_part_file, path, begin)) as file:
            while True:
                async with asyncio.timeout(self._settings.stall_s):
                    piece = await answer.content.read(_PIECE_BYTES)
                if not piece:
                    return
                await finish_in_thread(partial(_write, file, piece))
                if await self._urgent():
                    raise _LeftOff
                await self._pass(len(piece))

    async def _pass(self, count: int) -> None:
        try:
            async with asyncio.timeout(self._settings.stall_s):
                await self._share.pass_bytes(count)
        except TimeoutError:
            # Held for longer than the county keeps an answer open; it goes on from here.
            raise _LeftOff from None

    def _put(self, one: ReturnedObject, path: Path, key: str) -> None:
        with _OpenFile(path) as source:
            check_instance(source, _told(one), self._shelf.decoder)
            self._shelf.objects.put_new([(key, source.chunks())])


def _key(one: ReturnedObject) -> str:
    return object_key(Uid(one.sop_instance_uid), f"{one.dataset_digest}-{one.pixels_digest}")


def _size_told(answer: aiohttp.ClientResponse) -> int | None:
    """Return how long the whole object is by the headers of *answer*; None where none says."""
    if answer.status == _PART:
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(total) if total.isascii() and total.isdigit() else None
    return answer.content_length


def _told(one: ReturnedObject) -> Arrival:
    """Return what the county's letter says of the object, as a parcel would."""
    return Arrival(
        door=Door.PARCEL,
        received_at=_NEVER,
        sender=Sender(institution=""),
        transfer_syntax_uid=one.transfer_syntax_uid,
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        study_instance_uid=one.study_instance_uid,
        series_instance_uid=one.series_instance_uid,
        dataset_offset=0,
        size_bytes=one.size_bytes,
        digest=ContentDigest(dataset=one.dataset_digest, pixels=one.pixels_digest),
    )


def _part_file(path: Path, begin: int) -> BinaryIO:
    """Return the file to write on from *begin*; raises ``StorageFull``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("r+b" if begin else "wb")
        file.seek(begin)
    except OSError as exc:
        raise StorageFull("no room for what comes from the county") from exc
    return file


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
        file.flush()
    except OSError as exc:
        raise StorageFull("no room for what comes from the county") from exc


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _OpenFile:
    """A file as a ``kernel.dicom.dataset.Source``."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    def read(self, pos: int, n: int) -> bytes:
        """Return the bytes at [pos, pos + n)."""
        return os.pread(self._fd, n, pos)

    def chunks(self) -> Iterator[bytes]:
        """Yield all of it."""
        at = 0
        while piece := self.read(at, _PIECE_BYTES * 16):
            at += len(piece)
            yield piece

    def __enter__(self) -> "_OpenFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
