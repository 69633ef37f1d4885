"""The parts of one STOW-RS request on their way into the journal: bounded, and each by itself.

A part streams into a draft, is walked when it is whole, and waits for the next commit; a commit
takes what has come since the last one, so that memory does not grow with the request. What is
wrong with a part, or with the disk, is that part's answer and nobody else's.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from imaging.dicomweb.stow_answer import Kept, Refused, refused
from imaging.dicomweb.stow_check import (
    BEYOND_THE_LOOP,
    ON_THE_LOOP,
    Named,
    ObjectRefused,
    check,
)
from kernel.arrival import Arrival, Door, Sender, encode_arrival
from kernel.clock import Clock
from kernel.dicom.place import placed
from kernel.errors import PlatformError, TooLarge, Unsupported
from kernel.identifiers import Uid
from kernel.journal.writer import Draft, JournalFailed, JournalFull, JournalWriter, Position

COMMIT_OBJECTS: Final = 64
COMMIT_BYTES: Final = 32 << 20
_PLAIN_ENCODINGS: Final = frozenset({"", "binary", "8bit", "7bit", "identity"})


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit made durable."""

    position: Position
    kept: tuple[Kept, ...]
    known_before: Mapping[str, int]
    """Which UIDs were there before, and how often another content had come under each."""


@dataclass(slots=True)
class _Part:
    draft: Draft
    number: int
    trouble: PlatformError | None = None


Known = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]
"""Gives which SOP Instance UIDs are there, and how often another content came under each."""


class StowBatch:
    """Takes parts one after another; ``finish`` or ``discard`` it."""

    def __init__(  # noqa: PLR0913  # what every object of the request has in common
        self,
        journal: JournalWriter,
        sender: Sender,
        clock: Clock,
        *,
        study: Uid | None,
        object_bytes: int,
        walks: asyncio.Semaphore,
        known: Known,
    ) -> None:
        """Put parts into *journal*.

        Args:
            journal: where they become durable.
            sender: who hands them over.
            clock: for the time of receipt.
            study: the study all must belong to, None for any.
            object_bytes: largest part.
            walks: how many large headers this process walks at once.
            known: asked before each commit.
        """
        self._journal = journal
        self._sender = sender
        self._clock = clock
        self._study = study
        self._object_bytes = object_bytes
        self._walks = walks
        self._known = known
        self._part: _Part | None = None
        self._parts = 0
        self._waiting: list[tuple[_Part, Named]] = []
        self._waiting_bytes = 0
        self.committed: list[Committed] = []
        self.failed: list[Refused] = []

    def begin(self, headers: dict[str, str]) -> None:
        """Begin a part with the *headers* (names in lower case) it came with."""
        self._parts += 1
        self._part = _Part(self._journal.begin(), self._parts, _trouble(headers))

    async def write(self, data: bytes | memoryview) -> None:
        """Add *data* to the part; where that fails the rest of the part is passed over."""
        part = self._part
        if part is None or part.trouble is not None:
            return
        try:
            if part.draft.size + len(data) > self._object_bytes:
                raise TooLarge(f"at most {self._object_bytes} bytes an object")
            await part.draft.write(data)
        except PlatformError as exc:
            part.trouble = exc
            part.draft.discard()

    async def end(self) -> None:
        """Walk the part, which is whole, and commit what waits once that is enough."""
        part, self._part = self._part, None
        if part is None:
            return
        try:
            named = await self._check(part)
            with contextlib.suppress(JournalFull, JournalFailed):
                # Its commit will say so.
                await part.draft.lay()
        except ObjectRefused as exc:
            part.draft.discard()
            self.failed.append(_refused(exc, part.number))
            return
        except BaseException:
            part.draft.discard()
            raise
        self._waiting.append((part, named))
        self._waiting_bytes += part.draft.size
        if len(self._waiting) >= COMMIT_OBJECTS or self._waiting_bytes >= COMMIT_BYTES:
            await self._commit()

    def drop(self, why: Refused) -> None:
        """Forget the part that was begun, and answer *why* for it."""
        self._forget_part()
        self.failed.append(why)

    async def finish(self) -> None:
        """Commit what waits; a part that has not ended is forgotten."""
        self._forget_part()
        if self._waiting:
            await self._commit()

    def discard(self) -> None:
        """Forget all that is not committed; harmless after ``finish``."""
        self._forget_part()
        for part, _ in self._waiting:
            part.draft.discard()
        self._waiting = []

    def _forget_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.draft.discard()

    async def _check(self, part: _Part) -> Named:
        if part.trouble is not None:
            raise ObjectRefused(part.trouble)
        draft = part.draft
        try:
            return check(draft, study=self._study, limits=ON_THE_LOOP)
        except ObjectRefused as exc:
            if exc.code not in BEYOND_THE_LOOP:
                raise
        async with self._walks:
            return await asyncio.to_thread(partial(check, draft, study=self._study))

    async def _commit(self) -> None:
        before = await self._known([named.sop_instance_uid for _, named in self._waiting])
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        entries = [
            (part.draft, encode_arrival(self._arrival(part.draft, named)))
            for part, named in waiting
        ]
        try:
            position = await self._journal.commit(entries)
        except PlatformError as exc:
            self.failed += [
                refused(
                    exc,
                    part=part.number,
                    sop_class_uid=named.sop_class_uid,
                    sop_instance_uid=named.sop_instance_uid,
                )
                for part, named in waiting
            ]
        else:
            kept = tuple(_kept(named) for _, named in waiting)
            self.committed.append(Committed(position, kept, before))
        finally:
            for part, _ in waiting:
                part.draft.discard()

    def _arrival(self, draft: Draft, named: Named) -> Arrival:
        return Arrival(
            door=Door.STOW,
            received_at=self._clock.now(),
            sender=self._sender,
            transfer_syntax_uid=named.transfer_syntax_uid,
            sop_class_uid=named.sop_class_uid,
            sop_instance_uid=named.sop_instance_uid,
            study_instance_uid=named.study_instance_uid,
            series_instance_uid=named.series_instance_uid,
            dataset_offset=named.dataset_offset,
            size_bytes=draft.size,
            note=named.note,
        )


def _trouble(headers: dict[str, str]) -> PlatformError | None:
    """Return what the part's own headers forbid, None for nothing."""
    for name in ("content-encoding", "content-transfer-encoding"):
        if headers.get(name, "").strip().lower() not in _PLAIN_ENCODINGS:
            return Unsupported("send parts as they are", code="unsupported-encoding")
    essence = headers.get("content-type", "application/dicom").partition(";")[0].strip().lower()
    if essence not in {"application/dicom", "application/octet-stream"}:
        return Unsupported("parts are application/dicom", code="unsupported-part")
    return None


def _kept(named: Named) -> Kept:
    place = placed(
        named.sop_instance_uid, study=named.study_instance_uid, series=named.series_instance_uid
    )
    return Kept(
        sop_class_uid=named.sop_class_uid,
        sop_instance_uid=named.sop_instance_uid,
        study_instance_uid=place.study_instance_uid,
        series_instance_uid=place.series_instance_uid,
    )


def _refused(exc: ObjectRefused, part: int) -> Refused:
    return refused(
        exc.cause, part=part, sop_class_uid=exc.sop_class_uid, sop_instance_uid=exc.sop_instance_uid
    )
