"""Puts a good copy in the place of a damaged object: proven first, at once or not at all."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from imaging.archive import integrity
from imaging.archive.integrity import Due, Stands
from imaging.archive.object_truth import Found, is_whole
from imaging.archive.objects import NewObject, pieces
from imaging.archive.objects_fs import FileObjectStore, FileReader
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.dicom.codecs import FrameDecoder
from kernel.errors import Invalid, Missing, Unavailable
from kernel.identifiers import Uid, object_key
from kernel.sql.db import Database

_OBJECTS: Final = "objects"


class Mended(StrEnum):
    """What came of one object."""

    REPAIRED = "repaired"
    ABSENT = "not there"
    """The source has no such object."""
    DIFFERS = "there, but not the same"
    """The source has something of that name that is not what was put here."""
    UNNAMED = "named by no row"
    """Nobody misses it."""


@dataclass(frozen=True, slots=True)
class GoodCopies:
    """A folder that may hold good copies: a node's home, a copy of one, or its objects alone."""

    root: Path

    @classmethod
    def at(cls, folder: Path, *, not_of: Path) -> "GoodCopies":
        """Return the copies in *folder*.

        Raises:
            Missing: there is no such folder (``no-such-folder``).
            Invalid: it is *not_of*, the store that is to be repaired (``same-store``).
        """
        if not folder.is_dir():
            raise Missing(f"{folder} is no folder", code="no-such-folder")
        root = folder / _OBJECTS if (folder / _OBJECTS).is_dir() else folder
        if root.samefile(not_of):
            raise Invalid(f"{root} is the damaged store itself", code="same-store")
        return cls(root)

    def named(self, names: Sequence[str]) -> Iterator[FileReader]:
        """Yield each file of *names*, open; whoever takes it closes it."""
        for name in names:
            try:
                yield FileReader(str(self.root / name))
            except OSError:
                continue


class Mender:
    """Repairs the objects of one store."""

    def __init__(
        self,
        database: Database,
        objects: FileObjectStore,
        decoder: FrameDecoder,
        clock: Clock,
        *,
        chain: str,
    ) -> None:
        """Repair *objects*, whose rows are in *database*; write into *chain* of the trail."""
        self._database = database
        self._objects = objects
        self._decoder = decoder
        self._clock = clock
        self._chain = chain

    async def mend(self, key: str, copies: GoodCopies) -> Mended:
        """Put a good copy in the place of the object *key*; what lay there is kept aside.

        Raises:
            Missing: nothing is known of an object of that name (``object-unknown``).
            StorageFull: no room.
            Unavailable: the store cannot be written, or the decoder is down.
        """
        known = await self._database.read(partial(integrity.known, keys=[key]))
        if not known:
            raise Missing(
                f"nothing is written down of {key}: yilian db verify --objects does",
                code="object-unknown",
            )
        where = await self._database.read(
            partial(integrity.stands, key=key, sop_instance_uid=known[0].sop_instance_uid)
        )
        if where is None:
            return Mended.UNNAMED
        sha256, result = "", Mended.ABSENT
        for reader in copies.named(_names(known[0], where)):
            result = Mended.DIFFERS
            with reader:
                sha256 = self._proven(reader, known[0])
                if sha256:
                    self._replace(reader, key, sha256)
                    result = Mended.REPAIRED
                    break
        if result is Mended.REPAIRED:
            at = self._clock.now()
            write = partial(self._write_down, key=key, sha256=sha256, where=where, at=at)
            await self._database.write(write)
        return result

    def _proven(self, reader: FileReader, known: Due) -> str:
        try:
            return is_whole(reader, known.key, known_sha256=known.sha256, decoder=self._decoder)
        except OSError:
            return ""

    def _replace(self, reader: FileReader, key: str, sha256: str) -> None:
        staged = self._objects.stage(NewObject(key, pieces(reader)))
        try:
            # What goes into its place is read once more, from the disk it will be read from.
            with self._objects.open_staged(staged) as written:
                if not is_whole(written, key, known_sha256=sha256, decoder=self._decoder):
                    raise Unavailable("the copy does not read back", code="object-store-failed")
            self._objects.replace(staged)
        finally:
            staged.discard()

    def _write_down(
        self, conn: sa.Connection, *, key: str, sha256: str, where: Stands, at: dt.datetime
    ) -> None:
        integrity.note_whole(conn, [Found(key, None, sha256)], at=at, by="repair")
        entry = AuditEntry(
            at=at,
            event=AuditEvent.CHANGED,
            institution=where.institution,
            subject=f"object:{key}",
            detail={"act": "object-repaired", "sha256": sha256},
        )
        record(conn, self._chain, entry)


def _names(known: Due, where: Stands) -> list[str]:
    """Return what the object is called in a county's store and in a township's.

    A township names by the content alone, not by its layout.
    """
    names = [known.key]
    if where.content:
        names.append(object_key(Uid(known.sop_instance_uid), where.content))
    return names
