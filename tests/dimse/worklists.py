"""A worklist in memory behind the real acceptor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from gateway.dimse.acceptor import Door
from gateway.dimse.access import PeerTable
from gateway.dimse.attributes import Attributes
from gateway.dimse.ports import Peer
from gateway.dimse.query_identifier import Query
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.sop_classes import MODALITY_WORKLIST
from gateway.dimse.worklist_scp import WorklistScp
from kernel.errors import PlatformError
from tests.dimse.doors import HERE, MemorySink, open_door

STEP = "ScheduledProcedureStepSequence"


def entry(number: int, name: str, modality: str = "CT", day: str = "20260105") -> Attributes:
    return {
        "PatientName": name,
        "PatientID": f"990000-{number}",
        "PatientSex": "F",
        "AccessionNumber": f"A{number}",
        "StudyInstanceUID": f"2.25.9900{number}",
        STEP: (
            {
                "Modality": modality,
                "ScheduledStationAETitle": "CT1",
                "ScheduledProcedureStepStartDate": day,
                "ScheduledProcedureStepStartTime": "083000",
                "ScheduledProcedureStepDescription": "胸部平扫",
            },
        ),
    }


ENTRIES = (
    entry(1, "Zhang^San=张^三"),
    entry(2, "Li^Si=李^四", "DX"),
    entry(3, "Wang^Cheng=王^誠", "CT", "20260106"),
)


class Book:
    """A worklist in memory, of one institution."""

    def __init__(self, entries: Sequence[Attributes] = ENTRIES) -> None:
        self.entries = entries
        self.asked: list[tuple[Query, Peer]] = []
        self.fails: PlatformError | None = None
        self.read = 0
        self.closed = 0
        self.hold: asyncio.Event | None = None

    async def find(self, query: Query, peer: Peer) -> AsyncIterator[Attributes]:
        self.asked.append((query, peer))
        try:
            if self.fails is not None:
                raise self.fails
            for number, one in enumerate(self.entries):
                if self.hold is not None and number:
                    await self.hold.wait()
                if peer.institution == HERE:
                    self.read += 1
                    yield one
        finally:
            self.closed += 1


@contextlib.asynccontextmanager
async def worklist(
    book: Book | None = None,
    *,
    peers: PeerTable | None = None,
    matches_max: int = 500,
    settings: AcceptorSettings | None = None,
) -> AsyncIterator[Door]:
    scp = WorklistScp(book or Book(), matches_max=matches_max, find_s=5.0)
    async with open_door(
        MemorySink(), settings, peers=peers, services={MODALITY_WORKLIST: scp}
    ) as door:
        yield door
