"""Makes parcels: the file of the instances that travel together."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import zstandard

from gateway.township.parcel_queue import ParcelRow, Waiting
from gateway.township.ports import ObjectFiles, OpenObject
from gateway.uploads.parcel import (
    DENSE_FROM,
    OLDEST,
    Encoding,
    ParcelHeader,
    ParcelInstance,
    parcel_bytes,
    read_version,
    write_parcel,
)
from kernel.clock import Clock
from kernel.dicom.dense import dense
from kernel.dicom.part10 import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, FileSource, Source
from kernel.errors import Category, Invalid, PlatformError, StorageFull, Unavailable
from kernel.identifiers import new_id

_NATIVE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE})
_CHUNK_BYTES: Final = 1024 * 1024
_IN_MEMORY_BYTES: Final = 32 * 1024 * 1024
_REMEMBERED_MAX: Final = 1_000
_WORTH_IT: Final = 0.97
"""A body is sent compressed when that takes at most this share of its bytes."""


class InstanceUnreadable(Invalid):
    """The object file of one instance is not what was filed; the others can go on."""

    code = "object-unreadable"

    def __init__(self, instance_id: int, code: str) -> None:
        super().__init__("the object file is missing or damaged", code=code)
        self.instance_id = instance_id


@dataclass(frozen=True, slots=True)
class MadeParcel:
    """A parcel whose file is durable."""

    parcel_id: str
    size_bytes: int
    instance_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """How bodies are to stand in a parcel."""

    level: int
    dense: bool
    scratch: Path


@dataclass(frozen=True, slots=True)
class _Body:
    encoding: Encoding
    size: int
    chunks: Iterable[bytes]
    dense_bytes: int = 0


class ParcelMaker:
    """Writes parcel files into the outbox. Blocking; run on a thread."""

    def __init__(self, outbox: Path, objects: ObjectFiles, *, node: str, clock: Clock) -> None:
        self._outbox = outbox
        self._objects = objects
        self._node = node
        self._clock = clock
        self._plainly: deque[str] = deque(maxlen=_REMEMBERED_MAX)
        outbox.mkdir(parents=True, exist_ok=True)

    def path(self, parcel_id: str) -> Path:
        """Return where the file of a parcel is."""
        return self._outbox / f"{parcel_id}.parcel"

    def is_whole(self, parcel: ParcelRow) -> bool:
        """Return whether the file of *parcel* is there with the length it was made with."""
        try:
            return self.path(parcel.parcel_id).stat().st_size == parcel.size_bytes
        except FileNotFoundError:
            return False

    def version(self, parcel_id: str) -> int:
        """Return which version a parcel was written in; raises ``BrokenParcel``, ``OSError``."""
        with self.path(parcel_id).open("rb") as file:
            return read_version(file)

    def send_plainly(self, sop_instance_uid: str) -> None:
        """Make this instance dense no more, until the node starts again."""
        self._plainly.append(sop_instance_uid)

    def sweep(self, known: set[str]) -> None:
        """Remove every file that belongs to none of the parcels *known*."""
        for path in self._outbox.iterdir():
            if path.suffix != ".parcel" or path.stem not in known:
                path.unlink(missing_ok=True)

    def remove(self, parcel_id: str) -> None:
        """Remove the file of a parcel that is done."""
        self.path(parcel_id).unlink(missing_ok=True)

    def make(
        self,
        chosen: Sequence[Waiting],
        *,
        level: int = 3,
        version: int = OLDEST,
        dense: bool = False,
    ) -> MadeParcel:
        """Return a new parcel of *chosen*, its file durable.

        Args:
            chosen: at least one.
            level: of Zstandard, for what is not compressed already.
            version: one the county takes.
            dense: whether bytes are dear and time is not (``kernel.dicom.dense``).

        Raises:
            InstanceUnreadable: one of the object files is missing or has another size.
            StorageFull, Unavailable: the disk cannot hold it now.
        """
        parcel_id = new_id()
        scratch = self._outbox / f"{parcel_id}.bodies"
        try:
            with ExitStack() as held:
                form = _Form(level, dense=dense and version >= DENSE_FROM, scratch=scratch)
                bodies = [self._body(instance, held, form) for instance in chosen]
                header = ParcelHeader(
                    parcel_id=parcel_id,
                    node=self._node,
                    made_at=self._clock.now(),
                    instances=tuple(
                        ParcelInstance(
                            arrival=instance.arrival,
                            encoding=body.encoding,
                            body_bytes=body.size,
                            dense_bytes=body.dense_bytes,
                        )
                        for instance, body in zip(chosen, bodies, strict=True)
                    ),
                )
                self._write(parcel_id, header, [body.chunks for body in bodies], version)
        except OSError as exc:
            raise StorageFull("the parcel could not be written", code="outbox-full") from exc
        finally:
            scratch.unlink(missing_ok=True)
        return MadeParcel(
            parcel_id,
            parcel_bytes(header, version=version),
            tuple(instance.id for instance in chosen),
        )

    def _body(self, instance: Waiting, held: ExitStack, form: _Form) -> _Body:
        try:
            source = held.enter_context(self._objects.open(instance.object_key))
        except PlatformError as exc:
            if exc.category is Category.MISSING:
                raise InstanceUnreadable(instance.id, "object-missing") from exc
            raise Unavailable("object files cannot be read", code=exc.code) from exc
        if source.size != instance.size_bytes:
            raise InstanceUnreadable(instance.id, "object-damaged")
        as_is = _Body(Encoding.IDENTITY, source.size, _pieces(source))
        plainly = instance.arrival.sop_instance_uid in self._plainly
        if form.dense and instance.arrival.native is not None and not plainly:
            return self._dense(source, held, form) or as_is
        if instance.arrival.transfer_syntax_uid not in _NATIVE:
            return as_is
        size, chunks = _packed(source, form)
        return _Body(Encoding.ZSTD, size, chunks) if size <= source.size * _WORTH_IT else as_is

    def _dense(self, source: OpenObject, held: ExitStack, form: _Form) -> _Body | None:
        found = dense(source, directory=self._outbox)
        if found is None:
            return None
        if isinstance(found, FileSource):
            held.enter_context(found)
        size, chunks = _packed(found, form)
        if size > source.size * _WORTH_IT:
            return None
        return _Body(Encoding.DENSE, size, chunks, dense_bytes=found.size)

    def _write(
        self,
        parcel_id: str,
        header: ParcelHeader,
        bodies: Sequence[Iterable[bytes]],
        version: int,
    ) -> None:
        unfinished = self._outbox / f"{parcel_id}.new"
        try:
            with unfinished.open("xb") as out:
                write_parcel(out, header, bodies, version=version)
                out.flush()
                os.fsync(out.fileno())
            unfinished.rename(self.path(parcel_id))
        finally:
            unfinished.unlink(missing_ok=True)
        folder = os.open(self._outbox, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _packed(source: Source, form: _Form) -> tuple[int, Iterator[bytes]]:
    """Return *source* as one Zstandard frame, with its length."""
    if source.size <= _IN_MEMORY_BYTES:
        packed = zstandard.compress(source.read(0, source.size), form.level)
        return len(packed), iter([packed])
    # Only ever one of these in a parcel: it is larger than a parcel and travels alone.
    return _pack_aside(source, form.scratch, form.level)


def _pieces(source: Source) -> Iterator[bytes]:
    pos = 0
    while pos < source.size and (piece := source.read(pos, _CHUNK_BYTES)):
        yield piece
        pos += len(piece)


def _pack_aside(source: Source, scratch: Path, level: int) -> tuple[int, Iterator[bytes]]:
    """Compress a large body into a file of its own, since its length goes before it."""
    engine = zstandard.ZstdCompressor(level).compressobj(size=source.size)
    with scratch.open("wb") as out:
        for piece in _pieces(source):
            out.write(engine.compress(piece))
        out.write(engine.flush())
        size = out.tell()
    return size, _file_pieces(scratch)


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece
