"""The object store port: whole Part 10 files under keys nobody outside chooses.

A key is what ``kernel.identifiers.object_key`` makes of an instance and its content. An object
never changes: putting is create-only, so the same content filed twice, by two processes or after
a crash, is one object.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from kernel.dicom.part10 import Source
from kernel.errors import Category, Missing, PlatformError

_KEY: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}", re.ASCII)


class ObjectMissing(Missing):
    """No object has that key."""

    code = "object-missing"


class InvalidObjectKey(PlatformError):
    """The text is not a key of the store; nothing was touched."""

    code = "invalid-object-key"
    category = Category.BROKEN


class ObjectReader(Protocol):
    """One open object; also a ``kernel.dicom.dataset.Source``. Used in one thread at a time."""

    size: int
    """Bytes in all."""

    def read(self, pos: int, n: int) -> bytes:
        """Return the bytes at [pos, pos + n); fewer only where the object ends before."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to be put: its key, and its bytes in order."""

    key: str
    chunks: Iterable[bytes | memoryview]


class Staged(Protocol):
    """An object whose bytes the store has taken, and promised nothing about."""

    @property
    def key(self) -> str:
        """Key it will have."""
        ...

    def discard(self) -> None:
        """Forget it; harmless after publishing, and any number of times."""
        ...


class ObjectStore(Protocol):
    """Where the bytes of instances live. Every call blocks and belongs in a worker thread."""

    def stage(self, new: NewObject) -> Staged:
        """Take the bytes of *new* while they are at hand; safe in several threads at once.

        Raises:
            InvalidObjectKey: a key of another shape.
            StorageFull: no room.
            Unavailable: the store cannot be written (``object-store-failed``).
        """
        ...

    def publish(self, staged: Sequence[Staged]) -> list[bool]:
        """Make *staged* durable; returns, for each, whether its key was free.

        All of them survive a power cut once this returns. A key that is taken keeps what it has.
        After an error any of them may be there, whole, or not at all; never in part.

        Raises:
            StorageFull: no room.
            Unavailable: the store cannot be written (``object-store-failed``).
        """
        ...

    def open(self, key: str) -> ObjectReader:
        """Return the object for reading; raises ``ObjectMissing``."""
        ...

    def size(self, key: str) -> int | None:
        """Return how many bytes the object has; None where there is none."""
        ...

    def delete(self, key: str) -> bool:
        """Remove the object; returns whether it was there."""
        ...


def is_key(text: str) -> bool:
    """Return whether *text* has the shape of ``object_key``."""
    return _KEY.fullmatch(text) is not None


def check_key(key: str) -> str:
    """Return *key* if it has the shape of ``object_key``; raises ``InvalidObjectKey``."""
    if not _KEY.fullmatch(key):
        raise InvalidObjectKey(f"object key of {len(key)} characters")
    return key


def put_new(store: ObjectStore, objects: Iterable[NewObject]) -> list[bool]:
    """Make *objects* durable in *store*; returns, for each, whether its key was free.

    Raises as ``ObjectStore.stage`` and ``publish``; nothing is put where a key has another shape.
    """
    staged: list[Staged] = []
    try:
        staged.extend(store.stage(new) for new in objects)
        return store.publish(staged)
    finally:
        for each in staged:
            each.discard()


def pieces(
    reader: Source, *, start: int = 0, stop: int | None = None, chunk_bytes: int = 1 << 20
) -> Iterator[bytes]:
    """Yield the bytes of *reader* at [start, stop), to its end without *stop*.

    In pieces of at most *chunk_bytes*.
    """
    pos, end = start, reader.size if stop is None else min(stop, reader.size)
    while pos < end:
        piece = reader.read(pos, min(chunk_bytes, end - pos))
        if not piece:
            return
        yield piece
        pos += len(piece)
