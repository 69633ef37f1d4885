"""Follow a journal: committed batches in order, from where the last filing ended."""

import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from kernel.journal.frames import (
    SEGMENT_FRAME_BYTES,
    Commit,
    Frame,
    JournalCorrupt,
    Kind,
    Position,
    decode_commit,
)
from kernel.journal.segment import (
    Extent,
    SegmentFile,
    read_chunk,
    segment_numbers,
    segment_path,
)
from kernel.journal.spares import keep_or_delete

_LOG: Final = logging.getLogger(__name__)

# Small reads of a header go to one chunk many times; its CRC needs no second look.
_chunk = functools.lru_cache(maxsize=8)(read_chunk)


@dataclass(frozen=True, slots=True)
class Stored:
    """One object in the journal; readable until its batch is released."""

    meta: bytes
    size: int
    directory: Path
    extents: tuple[Extent | None, ...]

    def read(self, pos: int, n: int) -> bytes:
        """Return up to *n* bytes from *pos*; fewer only at the end.

        Raises:
            JournalCorrupt: a byte of the chunks asked for is not what was written.
        """
        parts = []
        n = min(n, self.size - pos)
        while n > 0:
            # All chunks of an object but its last are of one length.
            index, start = divmod(pos, self._extent(0).length)
            part = _chunk(self.directory, self._extent(index))[start : start + n]
            parts.append(part)
            pos += len(part)
            n -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def chunks(self) -> Iterator[bytes]:
        """Return all bytes in pieces of at most 256 KiB; raises as ``read``."""
        for index in range(len(self.extents)):
            yield read_chunk(self.directory, self._extent(index))

    def _extent(self, index: int) -> Extent:
        found = self.extents[index] if index < len(self.extents) else None
        if found is None:
            raise JournalCorrupt(f"chunk {index} of an object is missing")
        return found


@dataclass(frozen=True, slots=True)
class Committed:
    """What one ``JournalWriter.commit`` made visible, and where it ends."""

    position: Position
    entries: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of an acknowledged journal that cannot be read."""

    at: Position
    reason: str


class JournalReader:
    """Reads what a writer committed, in its process or another; one reader for each folder."""

    def __init__(self, directory: Path, after: Position) -> None:
        self.damage: list[Damage] = []
        """What rot has taken of acknowledged batches, for whoever must tell a person."""
        self._directory = directory
        self._after = after
        self._segment: SegmentFile | None = None
        self._number = 0
        self._run = 0
        self._offset = 0
        self._sealed = False
        self._ends_at: int | None = None
        self._drafts: dict[int, list[Extent | None]] = {}
        self._needed: dict[int, Position] = {}
        numbers = segment_numbers(directory)
        self._unproven = numbers[-1] if numbers else 0
        """The last segment at the start: a power cut may have torn its end in any order."""

    @classmethod
    def open(cls, directory: Path, *, after: Position) -> Self:
        """Return a reader of what was committed after *after*; the folder is made where absent."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(directory, after)

    def close(self) -> None:
        """Give the file back; calling it again is harmless."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def poll(self, limit: int = 256) -> list[Committed]:
        """Return up to *limit* batches after the cursor, in commit order; [] where none are yet.

        Raises:
            OSError: the disk or the system refused; asked again, nothing is left out.
        """
        found: list[Committed] = []
        while len(found) < limit:
            try:
                if (frame := self._next_frame()) is None:
                    break
                assert self._segment is not None  # noqa: S101  # a frame comes from it
                committed = self._take(self._segment, frame)
            except OSError:
                # What was passed is not read again: given away before anybody hears of this.
                if found:
                    break
                raise
            self._offset = frame.end
            if committed is not None:
                self._after = committed.position
                found.append(committed)
        return found

    def _next_frame(self) -> Frame | None:
        while True:
            segment = self._segment or self._step()
            if segment is None:
                return None
            frame = self._believable(segment)
            if frame is not None:
                return frame
            if self._sealed:
                self._skip(segment)
            elif not self._look_for_end():
                return None

    def _believable(self, segment: SegmentFile) -> Frame | None:
        frame = segment.frame(self._offset)
        if frame is None or (self._ends_at is not None and frame.offset >= self._ends_at):
            return None
        # A writer is seen page by page: the header of a commit may be there before its end is.
        # Until a later commit says that it was on the disk it is not there yet, and not damaged.
        # The chunks of a commit were laid before it, and are proven when they are read.
        if (
            not self._sealed
            and (frame.kind is Kind.COMMIT or segment.number == self._unproven)
            and not segment.intact(frame)
            and segment.acknowledged_end(frame.end) < frame.end
        ):
            return None
        return frame

    def _look_for_end(self) -> bool:
        """Return whether a later segment is there; all that will ever be in this one is, then."""
        for number in segment_numbers(self._directory):
            if number <= self._number:
                continue
            following = SegmentFile.open(self._directory, number)
            if following is None:
                continue
            with following:
                previous = following.header.previous
            self._sealed = True
            # Where those between were released, nobody says it: all here was filed before.
            self._ends_at = previous.offset if previous.segment == self._number else None
            return True
        return False

    def _skip(self, segment: SegmentFile) -> None:
        """Go to the next segment, or over what cannot be read in this one."""
        if self._ends_at is not None and self._offset < self._ends_at:
            self._record(f"no frame at {self._offset}")
            found = segment.find(self._offset + 1, self._ends_at)
            if found is not None:
                self._offset = found.offset - found.gap
                return
        self.close()

    def _record(self, reason: str) -> None:
        damage = Damage(Position(self._number, self._offset), reason)
        self.damage.append(damage)
        _LOG.error(
            "journal.damaged",
            extra={"journal": self._directory.name, "segment": self._number, "reason": reason},
        )

    def _step(self) -> SegmentFile | None:
        before = self._number
        for number in segment_numbers(self._directory):
            if number <= self._number:
                continue
            segment = SegmentFile.open(self._directory, number)
            if segment is None:
                # Its header was on the disk before it had its name: this is rot.
                self._number = before = number
                self._offset = 0
                self._record("no segment header")
                continue
            if segment.header.run != self._run:
                # Drafts never outlive their writer.
                self._drafts.clear()
            self._run = segment.header.run
            self._segment = segment
            self._number = number
            self._offset = SEGMENT_FRAME_BYTES
            self._sealed = False
            self._ends_at = None
            # Known before the first look, because what lies behind it may look whole.
            try:
                self._look_for_end()
            except OSError:
                self._number = before
                self.close()
                raise
            return segment
        return None

    def _take(self, segment: SegmentFile, frame: Frame) -> Committed | None:
        match frame.kind:
            case Kind.CHUNK:
                extents = self._drafts.setdefault(frame.draft, [])
                extents.extend([None] * (frame.index + 1 - len(extents)))
                # A chunk that found no room may be laid twice; only the second is whole for sure.
                extents[frame.index] = Extent(
                    segment.number, frame.payload_offset, frame.length, frame.payload_crc
                )
            case Kind.DISCARD:
                self._drafts.pop(frame.draft, None)
            case Kind.COMMIT:
                try:
                    commit = decode_commit(segment.payload(frame))
                except JournalCorrupt as exc:
                    self._record(exc.detail)
                else:
                    return self._visible(commit, Position(segment.number, frame.end))
            case Kind.SEGMENT:
                self._record("a segment header inside a segment")
        return None

    def _visible(self, commit: Commit, position: Position) -> Committed | None:
        entries = []
        for entry in commit.entries:
            extents = self._drafts.pop(entry.draft, [])[: entry.chunks]
            extents.extend([None] * (entry.chunks - len(extents)))
            entries.append(Stored(entry.meta, entry.size, self._directory, tuple(extents)))
        if position <= self._after:
            return None
        self._needed[position.segment] = position
        for stored in entries:
            self._needed.update((one.segment, position) for one in stored.extents if one)
        return Committed(position, tuple(entries))

    def release(self, upto: Position) -> int:
        """Delete the segments that only batches up to *upto* needed; returns the bytes in them.

        Up to two are kept for the writer to write over, which spares it allocating blocks. What
        was polled at or before *upto* may not be read any more. One without a valid header stays.
        """
        open_drafts = {one.segment for chunks in self._drafts.values() for one in chunks if one}
        released = 0
        for number in segment_numbers(self._directory):
            if number >= self._number:
                break
            if number in open_drafts or self._needed.get(number, upto) > upto:
                continue
            self._needed.pop(number, None)
            whole = SegmentFile.open(self._directory, number)
            if whole is None:
                # Rot: somebody may yet get out of it what is in it.
                continue
            whole.close()
            path = segment_path(self._directory, number)
            released += path.stat().st_size
            keep_or_delete(path)
        return released
