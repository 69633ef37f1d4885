"""C-STORE into the ingest journal: streamed in, walked within bounds, durable, then answered.

What goes into the journal is a whole Part 10 file with its ``Arrival``. Broken objects are
refused before the commit; odd ones are kept with a note, and somebody else looks at them later.
"""

import asyncio
import dataclasses
from typing import Final

from gateway.dimse.ports import Incoming, StoreOutcome, StoreRequest
from kernel.arrival import Arrival, Door, Priority, Sender, encode_arrival
from kernel.clock import Clock
from kernel.dicom.dataset import DEFAULT, BrokenDataset, Limits, Scan, file_meta_bytes, scan
from kernel.dicom.status import Status
from kernel.errors import Invalid
from kernel.identifiers import InvalidIdentifier, Uid
from kernel.journal.frames import Position
from kernel.journal.writer import Draft, JournalWriter

_ON_THE_LOOP: Final = dataclasses.replace(
    DEFAULT,
    elements=4000,
    elements_per_frame=0,
    header_bytes=256 << 10,
    inflated_min_bytes=1 << 20,
    inflated_ratio=1,
)
"""A walk within these takes a few milliseconds at most; beyond them it goes to a thread."""
_BEYOND_THE_LOOP: Final = frozenset({"too-many-elements", "too-large-header", "deflate-bomb"})
_WALKS_AT_ONCE: Final = 2
_SOP_CLASS_UID: Final = 0x00080016
_SOP_INSTANCE_UID: Final = 0x00080018
_STUDY_INSTANCE_UID: Final = 0x0020000D
_SERIES_INSTANCE_UID: Final = 0x0020000E


class JournalSink:
    """Puts objects into one journal."""

    def __init__(self, journal: JournalWriter, *, clock: Clock, limits: Limits = DEFAULT) -> None:
        """Commit to *journal*.

        Args:
            journal: of this process; whoever opened it closes it, after the acceptor.
            clock: for the time of receipt.
            limits: how much structure an object may have.
        """
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._walks = asyncio.Semaphore(_WALKS_AT_ONCE)
        self.newest: Position | None = None
        """Where the newest object lies that this sink committed, None before the first."""

    async def begin(self, request: StoreRequest) -> Incoming:
        """Return a draft for the object of *request* (see ``ObjectSink``).

        Raises:
            StorageFull: below the journal's reserve.
            Unavailable: the journal is down.
        """
        prefix = file_meta_bytes(
            sop_class_uid=request.sop_class_uid.value,
            sop_instance_uid=request.sop_instance_uid.value,
            transfer_syntax_uid=request.transfer_syntax_uid,
            source_ae=request.peer.calling_ae.value,
        )
        draft = self._journal.begin()
        try:
            await draft.write(prefix)
        except BaseException:
            draft.discard()
            raise
        return _JournalIncoming(self, request, draft, len(prefix))

    async def keep(self, request: StoreRequest, draft: Draft, dataset_offset: int) -> None:
        """Commit the whole *draft* once it is sure to be the object *request* announced.

        Raises:
            Invalid: it is broken, or another object.
            StorageFull: there is no room.
            Unavailable: the journal is down.
        """
        walked = await self._walk(request, draft, dataset_offset)
        if _uid(walked, _SOP_INSTANCE_UID) != request.sop_instance_uid.value:
            raise Invalid("SOP instance is not the announced one", code="sop-instance-mismatch")
        if _uid(walked, _SOP_CLASS_UID) != request.sop_class_uid.value:
            raise Invalid("SOP class is not the announced one", code="sop-class-mismatch")
        peer = request.peer
        arrival = Arrival(
            door=Door.C_STORE,
            received_at=self._clock.now(),
            sender=Sender(
                institution=peer.institution.value,
                ae_title=peer.calling_ae.value,
                called_ae_title=peer.called_ae.value,
                address=peer.address,
            ),
            transfer_syntax_uid=request.transfer_syntax_uid,
            sop_class_uid=request.sop_class_uid.value,
            sop_instance_uid=request.sop_instance_uid.value,
            study_instance_uid=_uid(walked, _STUDY_INSTANCE_UID),
            series_instance_uid=_uid(walked, _SERIES_INSTANCE_UID),
            dataset_offset=dataset_offset,
            size_bytes=draft.size,
            priority=Priority.URGENT if request.high_priority else Priority.ROUTINE,
            note=request.note or next(iter(walked.oddities), ""),
        )
        position = await self._journal.commit([(draft, encode_arrival(arrival))])
        self.newest = position if self.newest is None else max(self.newest, position)

    async def _walk(self, request: StoreRequest, draft: Draft, dataset_offset: int) -> Scan:
        if draft.size == dataset_offset:
            raise BrokenDataset("empty-file", "the data set has no bytes")
        try:
            return _walk(request, draft, dataset_offset, _ON_THE_LOOP)
        except BrokenDataset as broken:
            if broken.code not in _BEYOND_THE_LOOP:
                raise
        async with self._walks:
            return await asyncio.to_thread(_walk, request, draft, dataset_offset, self._limits)


class _JournalIncoming:
    def __init__(
        self, sink: JournalSink, request: StoreRequest, draft: Draft, dataset_offset: int
    ) -> None:
        self._sink = sink
        self._request = request
        self._draft = draft
        self._dataset_offset = dataset_offset
        self.write = draft.write
        self.discard = draft.discard

    async def commit(self) -> StoreOutcome:
        await self._sink.keep(self._request, self._draft, self._dataset_offset)
        return StoreOutcome(Status.SUCCESS)


def _walk(request: StoreRequest, draft: Draft, dataset_offset: int, limits: Limits) -> Scan:
    return scan(
        draft,
        offset=dataset_offset,
        transfer_syntax_uid=request.transfer_syntax_uid,
        limits=limits,
    )


def _uid(walked: Scan, tag: int) -> str:
    """Return the UID in *tag*; empty where there is none, as a study has none in a palette."""
    text = walked.text(tag)
    if not text:
        if tag in {_SOP_CLASS_UID, _SOP_INSTANCE_UID}:
            raise BrokenDataset("no-sop-uid", "SOP class or SOP instance UID is missing")
        return ""
    try:
        return Uid.parse(text).value
    except InvalidIdentifier as error:
        raise BrokenDataset("bad-uid", f"{tag:08x}: {error.detail}") from error
