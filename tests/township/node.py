"""A township node in one process: journal, spool, forwarder, on real parts."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.township.backoff import Backoff
from gateway.township.clinic_hours import Shares
from gateway.township.collector import ForwarderSettings
from gateway.township.compress import Preparer
from gateway.township.county_client import CountyClient, CountyDoor
from gateway.township.forwarder import Forwarder
from gateway.township.line import LineMeter
from gateway.township.parcel_maker import ParcelMaker
from gateway.township.ports import OrderUrgency, nobody_ordered
from gateway.township.queue_news import QueueNews
from gateway.township.spool import DoorJournal, Spool
from gateway.township.tables import instances, parcels
from gateway.township.traffic import Traffic
from imaging.archive.objects_fs import FileObjectStore
from kernel.arrival import Arrival, Door, Priority, Sender, encode_arrival
from kernel.clock import Clock, SystemClock
from kernel.dicom.codecs import InThread
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.dicom.header import read_header
from kernel.journal.writer import JournalWriter, Wake
from kernel.process.owner import Owner
from kernel.sql.db import Database
from tests.databases import open_filled
from tests.uploads.county_door import KEY
from yilian.wiring.township_objects import TownshipObjects

ZONE = dt.timezone(dt.timedelta(hours=8))
AT = dt.datetime(2026, 3, 1, 0, 30, tzinfo=dt.UTC)
QUICK = Backoff(first_s=0.02, cap_s=0.1)


def arrival_of(
    raw: bytes, *, priority: Priority = Priority.ROUTINE, at: dt.datetime = AT
) -> Arrival:
    """Return what the DICOM door would write beside *raw*."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    header = read_header(source, walked)
    return Arrival(
        door=Door.C_STORE,
        received_at=at,
        sender=Sender(institution="qingshan", ae_title="CT1"),
        transfer_syntax_uid=meta.transfer_syntax_uid,
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        dataset_offset=meta.dataset_offset,
        size_bytes=len(raw),
        priority=priority,
    )


@dataclass
class Node:
    """One running node."""

    home: Path
    database: Database
    journal: JournalWriter
    objects: TownshipObjects
    spool: Spool
    meter: LineMeter
    news: QueueNews
    maker: ParcelMaker
    hint: Wake
    forwarder: Forwarder | None = None

    def changed(self) -> None:
        """Hint that the queue changed, as its door does."""
        self.hint.notify()

    async def store(self, raws: Sequence[bytes], *, priority: Priority = Priority.ROUTINE) -> None:
        """Acknowledge *raws* as a modality's images are."""
        entries = []
        for raw in raws:
            draft = self.journal.begin()
            await draft.write(raw)
            entries.append((draft, encode_arrival(arrival_of(raw, priority=priority))))
        await self.journal.commit(entries)

    async def states(self) -> dict[str, int]:
        """How many instances are in each state."""
        query = sa.select(instances.c.state, sa.func.count()).group_by(instances.c.state)
        return await self.database.read(
            lambda conn: {row[0]: row[1] for row in conn.execute(query)}
        )

    async def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """The named columns of every instance, in order."""
        query = sa.select(*(instances.c[name] for name in columns)).order_by(instances.c.id)
        return await self.database.read(lambda conn: [tuple(row) for row in conn.execute(query)])

    async def parcel_count(self) -> int:
        """Parcels that are not done."""
        query = sa.select(sa.func.count()).select_from(parcels)
        return await self.database.read(lambda conn: conn.scalar(query) or 0)

    async def until(self, *, timeout_s: float = 20, **expected: int) -> None:
        """Wait until the states are exactly *expected* (underscores for hyphens)."""
        wanted = {name.replace("_", "-"): count for name, count in expected.items()}
        seen = await self.states()
        try:
            async with asyncio.timeout(timeout_s):
                while seen != wanted:
                    await asyncio.sleep(0.01)
                    seen = await self.states()
        except TimeoutError:
            raise AssertionError(f"{seen} and not {wanted}") from None


def door_to(port: int, **changed: Any) -> CountyDoor:
    """Return the way to a county on loopback, with short patience."""
    door = CountyDoor(
        base_url=f"http://127.0.0.1:{port}",
        token="a token",  # noqa: S106  # nobody checks it here
        institution="qingshan",
        stall_s=1.0,
        connect_s=2.0,
        receipt_wait_s=5.0,
    )
    return replace(door, **changed)


def settings_for(**changed: Any) -> ForwarderSettings:
    """Return quick settings with the test county's key."""
    plain = ForwarderSettings(
        institution="qingshan", county_key=KEY.public_key(), backoff=QUICK, probe_s=0.2
    )
    return replace(plain, **changed)


@asynccontextmanager
async def node_in(
    home: Path,
    county: CountyDoor | None = None,
    *,
    settings: ForwarderSettings | None = None,
    shares: Shares | None = None,
    clock: Clock | None = None,
    segment_bytes: int = 64 << 20,
    urgency: OrderUrgency = nobody_ordered,
) -> AsyncIterator[Node]:
    """Run a node in *home*; without *county* it only spools."""
    clock = clock or SystemClock()
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    database = await open_filled(f"sqlite:///{home}/node.sqlite")
    wake, changed = Wake.local(), Wake.local()
    journal = JournalWriter.open(
        home / "journal", reserve_bytes=0, segment_bytes=segment_bytes, wake=wake
    )
    objects = TownshipObjects(FileObjectStore(home / "objects"))
    meter = LineMeter()
    news = QueueNews(database, meter, clock, institution="qingshan", zone=ZONE)
    spool = Spool(
        database,
        objects,
        Preparer(InThread(), lambda _: "", home),
        news,
        on_filed=changed.notify,
        urgency=urgency,
    )
    maker = ParcelMaker(home / "outbox", objects, node="qingshan", clock=clock)
    node = Node(home, database, journal, objects, spool, meter, news, maker, changed)
    try:
        async with Owner() as owner:
            doors = [DoorJournal("dicom", home / "journal", wake)]
            owner.keep("spool", lambda: spool.run(doors))
            if county is not None:
                traffic = Traffic(shares or Shares(), meter, clock, zone=ZONE)
                news.traffic = traffic.state
                forwarder = Forwarder(
                    database,
                    CountyClient(county, traffic, meter, clock),
                    maker,
                    news,
                    settings or settings_for(),
                    clock=clock,
                )
                node.forwarder = forwarder
                owner.keep("forwarder", lambda: forwarder.run(changed))
            yield node
            assert owner.faults == {}, owner.faults
    finally:
        await journal.close()
        await database.close()
