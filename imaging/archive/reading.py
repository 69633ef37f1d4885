"""A batch of a journal as it was read: each object examined, and the files of new ones staged.

Runs in worker threads. Whatever reading an object ends with, the object is kept: what nobody
knows the reason of is noted beside it, and ``imaging.archive.blame`` decides.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

import msgspec

from imaging.archive.blame import Blame, Suspects, blame, cause
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined, Opaque, StoredObject, opaque
from imaging.archive.filing import Entry
from imaging.archive.objects import NewObject, ObjectStore, Staged
from kernel.arrival import Arrival, decode_arrival
from kernel.journal.frames import Position

Numbered = tuple[Position, int, StoredObject]


@dataclass(slots=True)
class Reading:
    """What is read of one batch; several threads may add to it."""

    examiner: Examiner
    objects: ObjectStore
    suspects: Suspects
    unexamined: dict[tuple[Position, int], str] = field(default_factory=dict)
    """What examining failed over for a reason nobody knows, and what is known of that."""
    _staged: dict[tuple[Position, int], Staged] = field(default_factory=dict)

    def read(self, share: Sequence[Numbered], known: Set[tuple[str, str]]) -> list[Entry]:
        """Return what each of *share* is; the file of each is staged unless its content is *known*.

        Raises:
            PlatformError: the house is in trouble; the same share may be read again later.
            OSError: as above.
        """
        entries: list[Entry] = []
        for position, number, stored in share:
            try:
                each, chunks = self.examiner.examine(stored)
            except Exception as exc:
                if blame(exc) is Blame.HOUSE:
                    raise
                entries.append((position, number, self._unexamined(position, number, stored, exc)))
                continue
            content = each.content if isinstance(each, Examined) else None
            if each.key and content not in known:
                # At once, while the bytes are in the processor's cache and not yet let go.
                self._stage((position, number), each.key, chunks)
            entries.append((position, number, each))
        return entries

    def _unexamined(
        self, position: Position, number: int, stored: StoredObject, exc: Exception
    ) -> Opaque:
        entry, why = (position, number), cause(exc)
        self.unexamined[entry] = why
        each, chunks = opaque(stored, _told(stored), reason="not-examined", detail=why)
        # Only what may be set aside now is kept in this form: the next look may read it.
        if each.key and self.suspects.are_guilty([entry], witnessed=True):
            self._stage(entry, each.key, chunks)
        assert isinstance(each, Opaque)  # noqa: S101  # as which it was made
        return each

    def keep_unread(self, share: Sequence[Numbered]) -> list[Entry]:
        """Return *share* as what is read no more: doing so was the end of the process twice."""
        entries: list[Entry] = []
        for position, number, stored in share:
            each, chunks = opaque(
                stored,
                _told(stored),
                reason="crashed",
                detail="the process died with it, twice",
            )
            if each.key:
                self._stage((position, number), each.key, chunks)
            entries.append((position, number, each))
        return entries

    def wanted(self, entries: Sequence[Entry]) -> list[Staged]:
        """Return what to publish: of one content in several encodings the one that gets the row."""
        seen: set[tuple[str, str]] = set()
        wanted: list[Staged] = []
        for position, number, each in entries:
            if isinstance(each, Examined):
                if each.content in seen:
                    continue
                seen.add(each.content)
            if (position, number) in self._staged:
                wanted.append(self._staged[(position, number)])
        return wanted

    def discard(self) -> None:
        """Give back what was staged and is not published."""
        for each in list(self._staged.values()):
            each.discard()

    def _stage(
        self, entry: tuple[Position, int], key: str, chunks: Iterable[bytes | memoryview]
    ) -> None:
        self._staged[entry] = self.objects.stage(NewObject(key, chunks))


def witness(examiner: Examiner, stored: StoredObject) -> Examined | None:
    """Return *stored* examined, where it is what can be filed."""
    try:
        each = examiner.examine(stored).each
    except Exception as exc:
        if blame(exc) is Blame.HOUSE:
            raise
        return None
    return each if isinstance(each, Examined) else None


def named(stored: StoredObject) -> str:
    """Return the SOP Instance UID the door wrote down, empty where it wrote nothing readable."""
    told = _told(stored)
    return told.sop_instance_uid if told else ""


def _told(stored: StoredObject) -> Arrival | None:
    try:
        return decode_arrival(stored.meta)
    except msgspec.MsgspecError:
        return None
