"""Whether an object in the store is still what it was when it was put there.

The name of an object is made from its content and layout, so the first look needs nothing but the
name; it also gives the SHA-256 of all bytes, by which every later look goes.
"""

import asyncio
import errno
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, Protocol, runtime_checkable

from imaging.archive.examine import has_name
from imaging.archive.objects import ObjectMissing, ObjectReader
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.part10 import Source
from kernel.errors import Unavailable

PIECE_BYTES: Final = 1 << 20
_DISK_LOST_IT: Final = frozenset(
    {
        *(errno.EIO, errno.ENODATA, errno.EUCLEAN, errno.EBADMSG),
        *(errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP),
    }
)
"""What says that this object cannot be read; anything else is trouble of the whole machine."""


class Damage(StrEnum):
    """What is wrong with an object."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    """The disk or the file system does not give its bytes."""
    DIFFERS = "digest-differs"


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one look."""

    key: str
    damage: Damage | None
    sha256: str = ""
    """Of what was read; empty where nothing whole was."""
    size_bytes: int = 0


class Stored(Protocol):
    """What is looked at: an object store that may be away as a whole."""

    def is_there(self) -> bool:
        """Return whether the store itself can be reached."""
        ...

    def open(self, key: str) -> ObjectReader:
        """Return the object for reading; raises ``ObjectMissing`` or ``Unavailable``."""
        ...


@runtime_checkable
class FromDisk(Protocol):
    """A reader that can pass over what memory holds of the disk."""

    def from_disk(self) -> None:
        """Have the next reads come from the disk itself."""
        ...


Pace = Callable[[int], Awaitable[None]]
"""Told how many bytes were read, returns when more may be."""


async def look(
    objects: Stored, key: str, *, known_sha256: str, decoder: FrameDecoder, pace: Pace
) -> Found:
    """Return what there is under *key*.

    Args:
        objects: the store.
        key: of the object.
        known_sha256: of all bytes, when it was last found whole; empty where it never was read.
        decoder: for the first look.
        pace: holds the reading back.

    Raises:
        Unavailable: the whole store is away (``object-store-away``), or the machine is short of
            something; nothing can be said of the object.
    """
    try:
        sha256, size_bytes = await _read(objects, key, pace)
        if known_sha256:
            whole = sha256 == known_sha256
        else:
            whole = is_named_by_bytes(key, sha256) or await asyncio.to_thread(
                _is_named, objects, key, decoder
            )
    except ObjectMissing:
        if not await asyncio.to_thread(objects.is_there):
            raise Unavailable("is its disk mounted?", code="object-store-away") from None
        return Found(key, Damage.MISSING)
    except OSError as exc:
        if exc.errno in _DISK_LOST_IT:
            return Found(key, Damage.UNREADABLE)
        raise Unavailable("objects cannot be read now", code="object-store-failed") from exc
    except Unavailable as exc:
        if isinstance(exc.__cause__, OSError) and exc.__cause__.errno in _DISK_LOST_IT:
            return Found(key, Damage.UNREADABLE)
        raise
    return Found(key, None if whole else Damage.DIFFERS, sha256, size_bytes)


async def _read(objects: Stored, key: str, pace: Pace) -> tuple[str, int]:
    reader = await asyncio.to_thread(objects.open, key)
    with reader:
        if isinstance(reader, FromDisk):
            # Otherwise memory would be checked, and not the disk behind it.
            await asyncio.to_thread(reader.from_disk)
        digest, at = hashlib.sha256(), 0
        while at < reader.size:
            piece = await asyncio.to_thread(partial(reader.read, at, PIECE_BYTES))
            if not piece:
                break
            digest.update(piece)
            at += len(piece)
            await pace(len(piece))
    return digest.hexdigest(), at


def _is_named(objects: Stored, key: str, decoder: FrameDecoder) -> bool:
    with objects.open(key) as reader:
        return has_name(reader, key, decoder=decoder)


def is_named_by_bytes(key: str, sha256: str) -> bool:
    """Return whether *key* is the name of bytes nobody could read as an object."""
    return key == f"{sha256[:2]}/{sha256[2:4]}/{sha256[:32]}"


def is_whole(source: Source, key: str, *, known_sha256: str, decoder: FrameDecoder) -> str:
    """Return the SHA-256 of *source* where it may lie under *key*, else nothing.

    Reads all of it in this thread; raises as ``kernel.dicom.content`` where the house is short of
    something, and ``OSError`` where it cannot be read.
    """
    digest = hashlib.sha256()
    for at in range(0, source.size, PIECE_BYTES):
        digest.update(source.read(at, PIECE_BYTES))
    sha256 = digest.hexdigest()
    if known_sha256:
        return sha256 if sha256 == known_sha256 else ""
    whole = is_named_by_bytes(key, sha256) or has_name(source, key, decoder=decoder)
    return sha256 if whole else ""
