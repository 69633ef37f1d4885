"""The index made anew from what lies on the objects' disk: the objects, and the register beside.

Contents are filed as they were, in the order they came in; then what does not count is taken out,
and what people decided is written in. An object the register does not know comes last, of an
institution that must be named.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from imaging.archive import filing
from imaging.archive.decisions import decide_again, take_away
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined
from imaging.archive.model import OTHER_PATIENT
from imaging.archive.object_truth import is_named_by_bytes, is_whole
from imaging.archive.objects import ObjectMissing, is_key
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.register import Decisions, Register, Role, Told
from imaging.archive.tables import set_aside, study
from kernel.arrival import Arrival, Door, Sender
from kernel.clock import Clock
from kernel.dicom.codecs import FrameDecoder
from kernel.errors import Conflict, Unavailable
from kernel.sql.db import Database

T = TypeVar("T")

_BATCH: Final = 64
UNREADABLE: Final = "object-store-failed"
_WITHIN_S: Final = 30.0
JOURNAL: Final = "rebuilt"
"""Stands where a journal's name would, at bytes nobody can read."""
_RANKS: Final = {Role.ANSWERS: 0, Role.BESIDE: 1, Role.BYTES: 2}


@dataclass(slots=True)
class Rebuilt:
    """How it went."""

    filed: int = 0
    hidden: int = 0
    """Kept, and not counting, as people had decided."""
    unregistered: int = 0
    """Of them, those the register did not know."""
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    of_nobody: list[str] = field(default_factory=list)
    """Left out: the register does not know them, and no institution was named."""


class Rebuilder:
    """Fills one empty index."""

    def __init__(
        self,
        database: Database,
        store: Path,
        decoder: FrameDecoder,
        clock: Clock,
        *,
        institution: str = "",
    ) -> None:
        """Fill *database*, migrated and empty, from the objects in *store*.

        Args:
            database: where rows go.
            store: folder of the objects.
            decoder: of frames.
            clock: for the instants written down.
            institution: whose the objects are that the register does not know.
        """
        self._database = database
        self._objects = FileObjectStore(store)
        self._store = store
        self._decoder = decoder
        self._clock = clock
        self._institution = institution
        self._register = Register(store)
        self._decisions = self._register.decisions() or Decisions(version=[])
        hints = self._decisions.hints
        self._examiner = Examiner(
            decoder=decoder, charset_hint=lambda arrival: hints.get(arrival.sender.ae_title, "")
        )
        self.done: Final = Rebuilt()

    async def run(self) -> Rebuilt:
        """Make the index.

        Raises:
            Conflict: there are studies in it already (``index-in-use``).
        """
        if await self._database.read(lambda conn: conn.scalar(sa.select(study.c.id).limit(1))):
            raise Conflict("there are studies in that database", code="index-in-use")
        hidden = {row["object_key"] for row in self._decisions.hidden} - {""}
        known: set[str] = set()
        places = await asyncio.to_thread(self._places, hidden, known)
        for part in _parts(iter(places)):
            told = await asyncio.to_thread(self._register.lines_at, part)
            await self._file(told)
        await self._decide()
        for keys in _parts(iter(await asyncio.to_thread(self._strays, known | hidden))):
            await self._file_strays(keys)
        return self.done

    def _places(self, hidden: set[str], known: set[str]) -> list[int]:
        """Return where the lines begin of what is filed, in that order.

        Adds to *known* every object that has one.
        """
        newest: dict[str, tuple[int, int, int]] = {}
        for at, told in self._register.lines():
            # What does not count now may have been its study's first, and said what that says.
            if told.key and (told.role is Role.ANSWERS or told.key not in hidden):
                newest[told.key] = (_RANKS[told.role], told.number, at)
        known.update(newest)
        return [at for _, _, at in sorted(newest.values())]

    def _strays(self, known: set[str]) -> list[str]:
        found = []
        for first in sorted(self._store.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            with os.scandir(first) as entries:
                for entry in entries:
                    key = f"{first.parent.name}/{first.name}/{entry.name}"
                    if is_key(key) and key not in known:
                        found.append((entry.stat().st_mtime_ns, key))
        return [key for _, key in sorted(found)]

    async def _file_strays(self, keys: Sequence[str]) -> None:
        """File objects nobody wrote down; other encodings of what is there are passed over."""
        looked = await asyncio.to_thread(
            lambda: [(told, self._look(told)) for told in map(self._guessed, keys)]
        )
        uids = [found.header.sop_instance_uid for _, found in looked if isinstance(found, Examined)]
        there = await self._database.read(
            partial(filing.known_contents, sop_instance_uids=uids), within_s=_WITHIN_S
        )
        new = [
            (told, found)
            for told, found in looked
            if not (isinstance(found, Examined) and found.content in there)
        ]
        if not self._institution:
            self.done.of_nobody += [told.key for told, found in new if isinstance(found, Examined)]
            new = [(told, found) for told, found in new if not isinstance(found, Examined)]
        self.done.unregistered += sum(1 for _, found in new if found is not None)
        await self._write(new)

    def _guessed(self, key: str) -> Told:
        at = dt.datetime.fromtimestamp((self._store / key).stat().st_mtime, dt.UTC)
        arrival = _arrival(Sender(institution=self._institution), at)
        return Told(key=key, role=Role.ANSWERS, number=0, arrival=arrival, oddities=JOURNAL)

    async def _file(self, told: Sequence[Told]) -> None:
        await self._write(
            await asyncio.to_thread(lambda: [(each, self._look(each)) for each in told])
        )

    async def _write(self, looked: Sequence[tuple[Told, Examined | int | None]]) -> None:
        now = self._clock.now()
        examined = [found for _, found in looked if isinstance(found, Examined)]
        aside = [(each, found) for each, found in looked if isinstance(found, int)]

        def write(conn: sa.Connection) -> None:
            filing.file_kept(conn, examined, at=now)
            for each, size in aside:
                conn.execute(sa.insert(set_aside).values(_aside(each, size, now)))

        if examined or aside:
            await self._database.write(write)
        self.done.filed += len(examined) + len(aside)

    def _look(self, told: Told) -> Examined | int | None:
        """Return what lies there; its size where nobody can read it, None where it is damaged."""
        try:
            with self._objects.open(told.key) as source:
                sha256 = is_whole(source, told.key, known_sha256="", decoder=self._decoder)
                if not sha256:
                    self.done.damaged.append(told.key)
                    return None
                if told.role is Role.BYTES or is_named_by_bytes(told.key, sha256):
                    return source.size
                assert told.arrival is not None  # noqa: S101  # only bytes have none
                found = self._examiner.look(source, told.arrival, told.key)
        except ObjectMissing:
            self.done.missing.append(told.key)
            return None
        except OSError:
            found = None
        except Unavailable as exc:
            if exc.code != UNREADABLE:
                raise
            found = None
        if found is None:
            self.done.damaged.append(told.key)
            return None
        odd = tuple(each for each in told.oddities.split() if each != OTHER_PATIENT)
        known = told.role is Role.ANSWERS or odd
        return replace(found, oddities=odd) if known else found

    async def _decide(self) -> None:
        metadata: dict[str, bytes | None] = {}
        for row in self._decisions.hidden:
            if row["object_key"]:
                metadata[row["object_key"]] = await asyncio.to_thread(self._hidden, row)
        at = self._clock.now()

        def write(conn: sa.Connection) -> int:
            taken = take_away(conn, metadata)
            decide_again(conn, self._decisions, metadata, at=at)
            return taken

        taken = await self._database.write(write)
        self.done.hidden = len(metadata)
        self.done.filed -= taken

    def _hidden(self, row: Mapping[str, Any]) -> bytes | None:
        sender = Sender(
            institution=row["row"].get("institution", ""), ae_title=row["row"].get("ae_title", "")
        )
        arrival = _arrival(sender, self._clock.now())
        told = Told(key=row["object_key"], role=Role.BESIDE, number=0, arrival=arrival)
        found = self._look(told)
        return found.metadata_json if isinstance(found, Examined) else None


def _arrival(sender: Sender, at: dt.datetime) -> Arrival:
    """Return an arrival of which nothing is known but the sender; the object says the rest."""
    return Arrival(
        door=Door.UPLOAD,
        received_at=at,
        sender=sender,
        transfer_syntax_uid="",
        sop_class_uid="",
        sop_instance_uid="",
        study_instance_uid="",
        series_instance_uid="",
        dataset_offset=0,
        size_bytes=0,
    )


def _aside(told: Told, size_bytes: int, at: dt.datetime) -> dict[str, Any]:
    arrival = told.arrival
    return {
        "journal": JOURNAL,
        "segment": 0,
        # Of one object there is one such row.
        "position": int(told.key[-32:][:15], 16),
        "entry": 0,
        "object_key": told.key,
        "size_bytes": size_bytes,
        "sop_instance_uid": arrival.sop_instance_uid if arrival else "",
        "study_instance_uid": arrival.study_instance_uid if arrival else "",
        "institution": arrival.sender.institution if arrival else "",
        "reason": told.reason or JOURNAL,
        "detail": told.detail,
        "arrival": msgspec.to_builtins(arrival) if arrival else None,
        "set_aside_at": at,
    }


def _parts(found: Iterator[T]) -> Iterator[list[T]]:
    while part := list(islice(found, _BATCH)):
        yield part
