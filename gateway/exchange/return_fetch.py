"""Fetches what the county named: WADO-RS, from the byte where it was cut, believed by its content.

One object at a time, and none while an emergency needs the line. A line that drops costs what was
on it; an object that is not what was named is set aside and the rest goes on.
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
from gateway.exchange.county_link import CountyLink, refusal
from gateway.exchange.return_turns import Fetched
from gateway.exchange.returns import ObjectState, ReturnedObject
from gateway.exchange.sender import BACKOFF, Hint
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
_GONE: Final = frozenset({404, 406, 410})
_WHOLE, _PART, _BEYOND = 200, 206, 416
_TRIES: Final = 3
_OTHER_SIZE: Final = "size-mismatch"
_NEVER: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _LeftOff(Exception):
    """Something more urgent needs the line."""


class _NotAsNamed(Exception):
    """What the county hands out is not what it named; the code says in what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


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
    chance: Callable[[], float] = random.random
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
        self._damaged = 0

    async def run(self, hint: Hint) -> None:
        """Fetch until cancelled; there is no last attempt for what only the line hinders."""
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
                await asyncio.sleep(self._settings.backoff.delay_s(failures, chance))

    async def fetch_next(self) -> bool:
        """Fetch one object; returns False where there is none to fetch, or not now.

        Raises:
            PlatformError: later; what came of it stays.
        """
        if await self._urgent():
            return False
        one = await self._database.read(return_turns.next_object)
        if one is None:
            return False
        path = self._settings.folder / f"{_key(one).rpartition('/')[2]}.part"
        became: Fetched | None
        try:
            gone = await self._bring_over(one, path)
            became = Fetched(ObjectState.SET_ASIDE, gone) if gone else await self._file(one, path)
        except _LeftOff:
            return False
        except _NotAsNamed as exc:
            became = await self._otherwise(one, path, exc.code)
        if became is not None:
            at = self._clock.now()
            replaced = await self._database.write(
                partial(self._note, one=one, became=became, at=at)
            )
            for each in replaced:
                await finish_in_thread(partial(self._shelf.objects.delete, each.key))
            self._settings.on_here()
        return True

    def _note(
        self, conn: sa.Connection, *, one: ReturnedObject, became: Fetched, at: dt.datetime
    ) -> Sequence[KeptObject]:
        house = self._settings.institution
        replaced = return_turns.note_object(conn, one, became, institution=house, at=at)
        self._settings.forget(conn, replaced)
        return replaced

    async def _bring_over(self, one: ReturnedObject, path: Path) -> str:
        """Bring the rest of the object to *path*; returns why the county has it no more, or ''."""
        begin = await asyncio.to_thread(_size, path)
        if begin >= one.size_bytes:
            return ""
        address = (
            f"/dicom-web/studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
            f"/instances/{one.sop_instance_uid}"
        )
        headers = {"Accept": "application/dicom; transfer-syntax=*"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        size_s = one.size_bytes / 1000  # no line is slower than a kilobyte a second for long
        async with self._link.ask("GET", address, headers=headers, wait_s=size_s) as answer:
            if answer.status in _GONE:
                return (await refusal(answer)).code
            if answer.status == _BEYOND:
                raise _NotAsNamed(_OTHER_SIZE)
            if answer.status not in (_WHOLE, _PART):
                raise await refusal(answer)
            if _size_told(answer) not in (None, one.size_bytes):
                # Known before any of it costs the line.
                raise _NotAsNamed(_OTHER_SIZE)
            await self._take(answer, path, begin if answer.status == _PART else 0)
        return ""

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
                try:
                    async with asyncio.timeout(self._settings.stall_s):
                        await self._share.pass_bytes(len(piece))
                except TimeoutError:
                    # Held for longer than the county keeps an answer open; it goes on from here.
                    raise _LeftOff from None

    async def _file(self, one: ReturnedObject, path: Path) -> Fetched:
        """Put what came among the objects."""
        key = _key(one)
        try:
            await finish_in_thread(lambda: self._put(one, path, key))
        except PlatformError as exc:
            if exc.category in _LATER:
                raise
            raise _NotAsNamed(exc.code) from exc
        self._damaged = 0
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return Fetched(ObjectState.HERE, object_key=key)

    async def _otherwise(self, one: ReturnedObject, path: Path, code: str) -> Fetched | None:
        """Have the county say again what it has; None where it has to come once more."""
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self._damaged += 1
        _LOG.warning("return.damaged", extra={"code": code, "tries": self._damaged})
        at = self._clock.now()
        if self._damaged == 1:
            # Somebody may have put the study right since it was named.
            await self._database.write(
                partial(return_turns.ask_anew, study=one.study_instance_uid, at=at)
            )
            self._settings.on_asked()
        if self._damaged < _TRIES:
            return None
        self._damaged = 0
        return Fetched(ObjectState.SET_ASIDE, code)

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
