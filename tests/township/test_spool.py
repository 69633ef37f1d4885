"""The spool: what was acknowledged becomes one row and one file per content."""

import random
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import config

from gateway.township.queue_view import queue_items
from gateway.township.tables import studies
from kernel.arrival import Priority, encode_arrival
from kernel.dicom.bounds import bounded
from kernel.dicom.codecs import InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.events import events_after
from tests.imaging.sample import ct
from tests.township.node import AT, arrival_of, node_in
from tests.uploads.dicom_files import ct_slice, structured_report
from tests.uploads.tus_door import until

HTJ2K = "1.2.840.10008.1.2.4.202"


async def test_images_are_compressed_proven_equal_and_the_rest_stays_as_it_is(
    tmp_path: Path,
) -> None:
    image, report = ct_slice(side=128), structured_report()
    async with node_in(tmp_path) as node:
        await node.store([image, report])
        await node.until(waiting=2)
        rows = await node.rows("object_key", "size_bytes", "content", "arrival")
        for raw, (key, size, content, arrival) in zip([image, report], rows, strict=True):
            with node.objects.open(key) as file:
                kept = file.read(0, file.size)
            assert size == len(kept)
            source = BytesSource(raw)
            meta = read_file_meta(source)
            walked = scan(
                source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
            )
            assert content == content_digest(walked, decoder=InThread()).whole
            if raw is image:
                assert arrival["transfer_syntax_uid"] == HTJ2K
                assert arrival["native"]["transfer_syntax_uid"] == meta.transfer_syntax_uid
                assert size < len(image) / 2
            else:
                assert kept == report


async def test_the_same_image_is_one_and_other_content_under_its_uid_is_kept_beside_it(
    tmp_path: Path,
) -> None:
    image = ct_slice(1)
    changed = ct_slice(1, PatientName="Other^Name")
    async with node_in(tmp_path) as node:
        await node.store([image, image])
        await node.store([image])
        await node.until(waiting=1)
        await node.store([changed])
        await node.until(waiting=2)
        uids = await node.rows("sop_instance_uid")
        assert uids[0] == uids[1]
        conflicts = await node.database.read(
            lambda conn: conn.scalar(sa.select(studies.c.conflicts))
        )
        assert conflicts == 1


async def test_a_node_that_ended_anywhere_files_the_rest_at_the_next_start(tmp_path: Path) -> None:
    images = [ct_slice(number) for number in range(1, 9)]
    async with node_in(tmp_path) as node:
        await node.store(images[:3])
        await node.until(waiting=3)
        await node.store(images[3:])  # acknowledged, perhaps not filed
    async with node_in(tmp_path) as node:
        await node.until(waiting=8)
        assert len({key for (key,) in await node.rows("object_key")}) == 8


async def test_an_object_no_door_should_have_let_in_is_kept_and_set_aside(tmp_path: Path) -> None:
    good = ct_slice(1)
    async with node_in(tmp_path) as node:
        draft = node.journal.begin()
        await draft.write(good[:-50])
        await node.journal.commit([(draft, encode_arrival(arrival_of(good)))])
        await node.until(set_aside=1)
        [(code, key)] = await node.rows("reason_code", "object_key")
        assert code == "truncated"
        with node.objects.open(key) as source:
            assert source.read(0, source.size) == good[:-50]
        await node.store([good])
        await node.until(set_aside=1, waiting=1)


async def test_a_study_tells_who_was_examined_and_takes_its_most_urgent_priority(
    tmp_path: Path,
) -> None:
    async with node_in(tmp_path) as node:
        await node.store([ct_slice(1)])
        await node.store([ct_slice(2)], priority=Priority.EMERGENCY)
        await node.store([ct_slice(3)])
        await node.until(waiting=3)
        row = await node.database.read(lambda conn: conn.execute(sa.select(studies)).one())
        assert (row.rank, row.patient_id, row.modality) == (0, "990000-1", "CT")
        assert row.patient_name == "Chen^Jianguo=陈^建国"
        events = await node.database.read(lambda conn: events_after(conn, 0))
        last = [event for event in events if event.topic == "queue.updated"][-1].payload
        assert last["patient"] == {
            "name": "陈建国",
            "sex": "M",
            "age": {"value": 56, "unit": "years"},
            "age_estimated": False,
            "patient_id": "990000-1",
            "alphabetic_name": "",
        }
        assert last["priority"] == "emergency"
        counts = {"here": 3, "sent": 0, "at_county": 0, "set_aside": 0, "released": 0}
        assert last["instances"] == counts
        assert last["study_date_time"] == "2026-03-01T08:30:00+08:00"


async def test_the_offset_a_device_states_comes_before_that_of_the_node(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await node.store([ct_slice(1, TimezoneOffsetFromUTC="+0600")])
        await node.store([ct_slice(1, study=2, TimezoneOffsetFromUTC="noon")])
        await node.store([ct_slice(1, study=3, StudyTime="")])
        await node.until(waiting=3)
        now = node.news.now()
        items = await node.database.read(
            lambda conn: queue_items(conn, now, since=AT, limit=3, offset=0)
        )
        shown = {item.patient.patient_id: item.study_date_time for item in items}
        assert shown == {
            "990000-1": "2026-03-01T08:30:00+06:00",
            "990000-2": "2026-03-01T08:30:00+08:00",
            "990000-3": "2026-03-01",
        }


async def test_a_filed_journal_gives_its_room_back(tmp_path: Path) -> None:
    images = [ct_slice(number, side=256, noise=4000) for number in range(1, 25)]
    async with node_in(tmp_path, segment_bytes=256 * 1024) as node:
        for image in images:
            await node.store([image])
        await node.until(waiting=24)

        def room() -> int:
            with suppress(FileNotFoundError):  # a segment may go while we look
                return sum(path.stat().st_size for path in (tmp_path / "journal").glob("*"))
            return 1 << 60

        await until(lambda: room() < sum(map(len, images)) / 2)


async def test_an_over_long_patient_id_is_cut_as_the_county_cuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
    text = random.Random(1).randbytes(3000).hex()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = ct(1, PatientID=text)
    async with node_in(tmp_path) as node:
        await node.store([image, ct_slice(1)])
        await node.until(waiting=2)
        told = await node.database.read(
            lambda conn: set(conn.scalars(sa.select(studies.c.patient_id)))
        )
        assert told == {bounded(text), "990000-1"}
