"""What is here is found and forgotten alike on both databases."""

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from gateway.exchange.report_classes import REPORT_CLASSES
from gateway.here.showing import Showing
from gateway.here.store import WhatIsHere, forget
from gateway.township import spool_index
from gateway.township.model import Filed, KeptObject
from gateway.township.tables import instances
from imaging.archive.examine import Examiner
from imaging.archive.objects import NewObject, put_new
from imaging.archive.objects_fs import FileObjectStore
from imaging.dicomweb.locate import report_objects
from kernel.clock import SystemClock
from kernel.dicom.codecs import InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.dicom.header import read_header
from kernel.identifiers import Uid, object_key
from kernel.journal.writer import Position
from kernel.sql.db import Database
from tests.township.node import arrival_of
from tests.uploads.dicom_files import ROOT, ct_slice, encapsulated_pdf
from yilian.wiring.township_view import ArchiveIndex

pytestmark = pytest.mark.timeout(60)
STUDY = f"{ROOT}.1"


def filed(raw: bytes) -> Filed:
    """Return *raw* as the spool enters it."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    digest = content_digest(walked, decoder=InThread())
    header = read_header(source, walked)
    arrival = msgspec.structs.replace(arrival_of(raw), digest=digest)
    key = object_key(Uid(header.sop_instance_uid), digest.whole)
    return Filed(arrival=arrival, header=header, object_key=key)


async def test_objects_are_found_and_forgotten(database: Database, tmp_path: Path) -> None:
    raws = [ct_slice(1), ct_slice(2), ct_slice(1, seed=5), encapsulated_pdf(b"%PDF-1.4\n")]
    batch = [filed(raw) for raw in raws]
    store = FileObjectStore(tmp_path)
    put_new(
        store,
        [NewObject(one.object_key, [raw]) for one, raw in zip(batch, raws, strict=True)],
    )
    index = ArchiveIndex(store, Examiner(decoder=InThread(), charset_hint=lambda _: ""))
    clock = SystemClock()
    showing: Showing[Any] = Showing(database, index, institution="qingshan", clock=clock)
    here = WhatIsHere(index)
    position = Position(1, 5)
    await database.write(
        partial(spool_index.file_batch, journal="d", position=position, batch=batch)
    )
    assert await showing.show_next() == 4
    assert await showing.show_next() == 0
    [one] = await database.read(partial(here.of, studies=[STUDY]))
    # Two contents of one image are one image.
    assert (one.images, one.gone, one.reports) == (3, 0, [])
    found = await database.read(
        partial(report_objects, study_instance_uid=STUDY, sop_classes=REPORT_CLASSES)
    )
    assert found is not None
    assert (found[0], [each.sop_instance_uid for each in found[1]]) == (
        "qingshan",
        [f"{ROOT}.1.8.1"],
    )

    gone = [KeptObject(each.arrival.sop_instance_uid, each.object_key) for each in batch[:2]]
    at = clock.now() - dt.timedelta(seconds=1)

    def delete(conn: sa.Connection) -> None:
        mine = instances.c.object_key.in_([each.key for each in gone])
        conn.execute(sa.update(instances).where(mine).values(deleted_at=at))
        forget(conn, gone, index)

    await database.write(delete)
    # The other content of the first image takes its place.
    assert await showing.show_next() == 1
    [one] = await database.read(partial(here.of, studies=[STUDY]))
    assert (one.images, one.gone) == (2, 2)
