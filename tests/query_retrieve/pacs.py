"""A county's archive behind the real DICOM door, served from a thread of its own.

So the clients, which block, are asked from plain tests, and one archive serves a whole table of
them.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from gateway.dimse.access import PeerTable
from gateway.dimse.destinations import TableDestinations
from gateway.dimse.find_scp import FindScp
from gateway.dimse.get_scp import GetScp
from gateway.dimse.move_scp import MoveScp
from gateway.dimse.outgoing_association import CallTimes
from gateway.dimse.service import Performer, Service
from gateway.dimse.sop_classes import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from imaging.query.attributes import Level
from imaging.query.parse_find import MOST
from kernel.arrival import Arrival
from kernel.audit.access_log import AccessLog
from kernel.identifiers import InstitutionCode
from kernel.identity import (
    ApplicationEntity,
    Institution,
    InstitutionKind,
    put_ae,
    put_institution,
)
from kernel.sql.db import Database
from tests.databases import open_filled
from tests.dimse.doors import OUR_TITLE, MemorySink, open_door
from tests.dimse.wire_bytes import EXPLICIT_LE
from tests.imaging.desk import Desk, open_desk
from tests.imaging.sample import ct
from yilian.wiring.archive_find import ArchiveFind
from yilian.wiring.archive_pixels import ArchivePixels
from yilian.wiring.archive_retrieve import ArchiveRetrieve

QINGSHAN = "qingshan"
BAIHE = "baihe"
START_S = 20.0
MODELS = {"P": PATIENT_ROOT_FIND, "S": STUDY_ROOT_FIND}
MOVES = {"P": PATIENT_ROOT_MOVE, "S": STUDY_ROOT_MOVE}
GETS = {"P": PATIENT_ROOT_GET, "S": STUDY_ROOT_GET}
IMPATIENT = CallTimes(connect_s=3, associate_s=3, write_s=5, response_s=5, release_s=2)

PEERS = (
    ApplicationEntity("VIEWER", QINGSHAN, may_query=True),
    ApplicationEntity("BAIHE", BAIHE, may_query=True),
    ApplicationEntity("GBK", QINGSHAN, may_query=True, charset_hint="GBK"),
    ApplicationEntity("CT1", QINGSHAN, may_query=False),
    ApplicationEntity("READER", QINGSHAN, may_query=True, may_store=False),
)

Filed = Sequence[tuple[bytes, Arrival | None]]


@dataclass
class Asked:
    """What a peer heard: statuses, comments, the entries."""

    statuses: list[int] = field(default_factory=list)
    comment: str = ""
    offending: int | None = None
    entries: list[Dataset] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.statuses[-1]

    def said(self, keyword: str) -> list[str]:
        return [str(getattr(entry, keyword)) for entry in self.entries]


@dataclass
class Pacs:
    """The door's address, and what is behind it."""

    address: tuple[str, int]
    desk: Desk
    loop: asyncio.AbstractEventLoop

    def knows(
        self,
        title: str,
        port: int,
        *,
        institution: str = QINGSHAN,
        host: str = "127.0.0.1",
        tls: bool = False,
    ) -> None:
        """Write a peer into the table, as an administrator does."""
        told = ApplicationEntity(title, institution, host=host, port=port, tls_required=tls)
        at = self.desk.clock.now()

        def write(conn: sa.Connection) -> None:
            kind = InstitutionKind.TOWNSHIP
            put_institution(conn, Institution(institution, institution, kind), at=at)
            put_ae(conn, told, at=at)

        writing = self.desk.database.write(write)
        asyncio.run_coroutine_threadsafe(writing, self.loop).result(10)

    def ask(
        self,
        level: str,
        *,
        model: str = "S",
        title: str = "VIEWER",
        extended: bytes = b"",
        charset: str = "",
        **keys: Any,
    ) -> Asked:
        """Ask as pynetdicom does; keys that are None are left out."""
        ds = Dataset()
        if level:
            ds.QueryRetrieveLevel = level
        if charset:
            ds.SpecificCharacterSet = charset
        for keyword, value in keys.items():
            setattr(ds, keyword, value)
        return self.send(ds, model=model, title=title, extended=extended)

    def send(
        self,
        ds: Dataset,
        *,
        model: str = "S",
        title: str = "VIEWER",
        extended: bytes = b"",
        syntax: str = EXPLICIT_LE,
    ) -> Asked:
        sop_class = MODELS[model]
        ae = AE(ae_title=title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        ae.add_requested_context(sop_class, syntax)
        items: list[Any] = []
        if extended:
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid = sop_class
            item.service_class_application_information = extended
            items.append(item)
        host, port = self.address
        assoc = ae.associate(host, port, ae_title=OUR_TITLE.value, ext_neg=items)
        assert assoc.is_established
        heard = Asked()
        try:
            for status, entry in assoc.send_c_find(ds, sop_class):
                heard.statuses.append(status.Status)
                heard.comment = str(status.get("ErrorComment", ""))
                heard.offending = status.get("OffendingElement")
                if entry is not None:
                    heard.entries.append(entry)
        finally:
            assoc.release()
        return heard


class _Running:
    def __init__(
        self, folder: Path, files: Filed, postgres_url: str, most: Mapping[Level, int]
    ) -> None:
        self._most = most
        self._folder = folder
        self._files = files
        self._url = postgres_url
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self.pacs: Pacs | None = None
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Pacs:
        self.thread.start()
        assert self._ready.wait(START_S)
        if self.failure is not None:
            raise self.failure
        assert self.pacs is not None
        return self.pacs

    def end(self) -> None:
        assert self.pacs is not None
        self.pacs.loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(START_S)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # told to the test, on its own thread
            self.failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        database = await self._open()
        try:
            async with open_desk(database, self._folder) as desk:
                for file, told in self._files:
                    await desk.receive(file, told=told)
                await desk.file_all()
                log = AccessLog(database, desk.clock, chain="dicom-test")
                scp = FindScp(ArchiveFind(database, log, desk.clock, most=self._most))
                peers = PeerTable(OUR_TITLE, PEERS, loopback=InstitutionCode("nobody"))
                services: dict[str, Service | Performer] = dict.fromkeys(MODELS.values(), scp)
                pixels = ArchivePixels(desk.objects)
                archive = ArchiveRetrieve(database, log, pixels, desk.clock)
                destinations = TableDestinations(database)
                move = MoveScp(archive, destinations, times=IMPATIENT, pending_every_s=0.05)
                services |= dict.fromkeys(MOVES.values(), move)
                services |= dict.fromkeys(GETS.values(), GetScp(archive, pending_every_s=0))
                async with open_door(MemorySink(), peers=peers, services=services) as door:
                    self.pacs = Pacs(door.addresses[0], desk, asyncio.get_running_loop())
                    self._ready.set()
                    await self._stop.wait()
                await asyncio.to_thread(pixels.close)
        finally:
            await database.close()

    async def _open(self) -> Database:
        if self._url:
            return await Database.open(self._url)
        return await open_filled(f"sqlite:///{self._folder / 'yilian.sqlite'}")


@contextlib.contextmanager
def serving(
    folder: Path,
    files: Filed,
    *,
    postgres_url: str = "",
    most: Mapping[Level, int] = MOST,
) -> Iterator[Pacs]:
    """Serve an archive that holds *files*, each with how it came; on SQLite, or where told."""
    running = _Running(folder, files, postgres_url, most)
    pacs = running.start()
    try:
        yield pacs
    finally:
        running.end()


def slice_of(study: int, **more: Any) -> bytes:
    """Return one object of the study numbered *study*."""
    number, series = more.pop("number", 1), more.pop("series", 1)
    return ct(number, study=study, series=series, **more)
