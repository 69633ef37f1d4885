"""Orthanc and DCMTK's archive hold earlier studies; those that are wanted come, and once."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.dimse.outgoing import Peer
from gateway.dimse.store_client import StoreClient
from gateway.priors.fetcher import PriorFetcher
from gateway.priors.tables import questions
from gateway.routing.engine import RuleSet
from gateway.routing.rules_file import read_rules
from gateway.routing.service import Router, RouterPorts
from gateway.routing.store import study_routing
from imaging.archive.tables import instance, study, study_reach
from kernel.dicom.dictionary import keywords
from kernel.dicom.part10 import file_meta_bytes
from kernel.errors import Unavailable
from kernel.identifiers import AETitle
from tests.dimse.doors import MemorySink, open_door
from tests.dimse.test_store_client import QUICK
from tests.imaging.conftest import sqlite_desk  # noqa: F401
from tests.imaging.desk import Desk
from tests.imaging.sample import CT, ROOT, arrival, ct
from tests.ports import free_port
from tests.query_retrieve.orthanc import ORTHANC, running
from yilian.wiring.archive_studies import let_grow, put_where_rules_say
from yilian.wiring.county_priors import CountyPriors, series_here
from yilian.wiring.county_routing import study_facts

RULES = """
fallback = { reading-list = "county" }
[[prior]]
name = "CT of before"
when.Modality = "CT"
when.StudyDate = "20260305"
from = ["OLD"]
modality = ["CT"]
last = 2
"""
OLD_DATES = {11: "20250901", 12: "20251001", 13: "20251101", 14: "20260305"}
pytestmark = pytest.mark.timeout(90)


class Loaded:
    """An object to be stored into an archive."""

    forms = ("1.2.840.10008.1.2.1",)
    sop_class_uid = CT

    def __init__(self, number: int, study_number: int, date: str) -> None:
        self.sop_instance_uid = f"{ROOT}.{study_number}.1.{number}"
        self._raw = ct(number, study=study_number, StudyDate=date)

    async def pieces(self, _syntax: str) -> AsyncIterator[bytes]:
        meta = 132 + 12 + int.from_bytes(self._raw[140:144], "little")
        yield self._raw[meta:]


async def fill(peer: Peer) -> None:
    """Store two slices of each old study into the archive."""
    objects = [Loaded(n, number, date) for number, date in OLD_DATES.items() for n in (1, 2)]
    told: list[int | None] = []

    async def note(_one: object, outcome: object) -> None:
        told.append(outcome.status)  # type: ignore[attr-defined]

    await StoreClient(peer, times=QUICK).send(objects, note)  # type: ignore[arg-type]
    assert told == [0] * len(objects)


async def taken_in(desk: Desk, sink: MemorySink) -> None:
    """File what the archive sent, as the DICOM door does."""
    for one in sink.kept:
        meta = file_meta_bytes(
            sop_class_uid=str(one.request.sop_class_uid),
            sop_instance_uid=str(one.request.sop_instance_uid),
            transfer_syntax_uid=one.request.transfer_syntax_uid,
        )
        await desk.receive(meta + one.data, told=arrival(institution="city"))
    sink.kept.clear()
    await desk.file_all()


def router(desk: Desk, rules: Callable[[], RuleSet]) -> Router:
    ports = RouterPorts(study_facts, put_where_rules_say, let_grow, CountyPriors(rules))
    return Router(desk.database, desk.clock, rules, ports)


@contextlib.asynccontextmanager
async def fetching(desk: Desk, peer: Peer | None) -> AsyncIterator[None]:
    async def peers(_title: str) -> Peer:
        if peer is None:
            raise Unavailable("not there")
        return peer

    fetcher = PriorFetcher(
        desk.database, desk.clock, peers, series_here, chance=lambda: 0.5, look_s=0.02
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(fetcher.run())
        yield
        task.cancel()


async def until(desk: Desk, where: sa.ColumnElement[bool]) -> dict[str, object]:
    """Return the question once *where* holds for it."""
    async with asyncio.timeout(30):
        while not (rows := await desk.rows(sa.select(questions).where(where))):  # noqa: ASYNC110  # rows
            await asyncio.sleep(0.02)
    return rows[0]


async def try_with(desk: Desk, peer: Peer, sink: MemorySink) -> None:
    rules = read_rules(RULES, keywords=keywords())
    await fill(peer)
    # One slice of the newest was here before.
    await desk.file(ct(1, study=13, StudyDate="20251101"))
    route = router(desk, lambda: rules)
    await route.route_new()
    await desk.file(ct(1, study=1))
    await route.route_new()
    question = questions.c.study_instance_uid == f"{ROOT}.1"
    async with fetching(desk, peer):
        await until(desk, question & questions.c.done_at.is_not(None))
    await taken_in(desk, sink)
    while await route.route_new():
        pass
    here = await desk.rows(sa.select(study.c.study_instance_uid, study.c.instance_count))
    assert {row["study_instance_uid"]: row["instance_count"] for row in here} == {
        f"{ROOT}.1": 1,
        f"{ROOT}.13": 2,
        f"{ROOT}.12": 2,
    }
    fetched = study.c.study_instance_uid == f"{ROOT}.12"
    reached = await desk.rows(sa.select(study_reach.c.institution).join(study).where(fetched))
    assert {row["institution"] for row in reached} == {"city", "qingshan", "county"}
    routed = await desk.rows(
        sa.select(study_routing).where(study_routing.c.study_instance_uid == f"{ROOT}.12")
    )
    assert [(row["rules"], row["destinations"]) for row in routed] == [(["prior"], [])]
    asked = await desk.rows(sa.select(questions.c.study_instance_uid))
    assert [row["study_instance_uid"] for row in asked] == [f"{ROOT}.1"]
    assert len(await desk.rows(sa.select(instance.c.id))) == 5


@pytest.mark.skipif(ORTHANC is None, reason="needs Orthanc (Debian: orthanc)")
async def test_orthanc_sends_what_is_wanted(sqlite_desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    sink = MemorySink()
    async with open_door(sink) as door:
        with running(tmp_path, door.addresses[0]) as orthanc:
            titles = AETitle("VIEWER"), AETitle("YILIAN")
            peer = Peer("127.0.0.1", orthanc.dicom_port, *titles, timeout_s=20)
            await try_with(sqlite_desk, peer, sink)


@pytest.mark.skipif(shutil.which("dcmqrscp") is None, reason="needs DCMTK (dcmqrscp)")
async def test_dcmtk_sends_what_is_wanted(sqlite_desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    sink = MemorySink()
    storage = tmp_path / "storage"
    await asyncio.to_thread(storage.mkdir)
    port = free_port()
    async with open_door(sink) as door:
        ours = door.addresses[0][1]
        config = tmp_path / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nours = (YILIAN, 127.0.0.1, {ours})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nOLD {storage} RW (200, 1024mb) ANY\nAETable END\n",
            "ascii",
        )
        process = await asyncio.create_subprocess_exec(
            "dcmqrscp", "-c", str(config),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(10):
                while True:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.close()
                        await writer.wait_closed()
                        break
                    await asyncio.sleep(0.02)
            peer = Peer("127.0.0.1", port, AETitle("OLD"), AETitle("YILIAN"), timeout_s=20)
            await try_with(sqlite_desk, peer, sink)
        finally:
            process.terminate()
            await process.wait()


async def test_a_question_waits_for_an_archive_that_is_not_there(sqlite_desk: Desk) -> None:  # noqa: F811
    rules = read_rules(RULES, keywords=keywords())
    await sqlite_desk.file(ct(1, study=1))
    await router(sqlite_desk, lambda: rules).route_new()
    async with fetching(sqlite_desk, None):
        row = await until(sqlite_desk, questions.c.failures == 1)
    assert (row["reason"], row["done_at"]) == ("not there", None)
