"""Studies are looked at where they lie: images of the queue, reports and priors of the county."""

import io
from functools import partial
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from gateway.exchange.model import Kind
from gateway.here.model import TOPIC
from gateway.here.store import forget
from gateway.township.model import KeptObject
from gateway.township.tables import instances
from imaging.archive.tables import instance, patient, series, study
from kernel.audit.trail import audit_entries
from kernel.events import events_after
from tests.here.ward import Ward, uids, ward_in
from tests.uploads.dicom_files import ROOT, ct_slice, encapsulated_pdf, structured_report

pytestmark = pytest.mark.timeout(60)
STUDY = f"{ROOT}.1"
SERIES = f"/dicom-web/studies/{STUDY}/series/{ROOT}.1.1"
HTJ2K = "1.2.840.10008.1.2.4.202"
PDF = b"%PDF-1.4\n%%EOF\n"


async def rows(ward: Ward, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await ward.node.database.read(lambda conn: conn.scalar(query) or 0)


async def spooled(ward: Ward, *raws: bytes) -> None:
    await ward.node.store(raws)
    await ward.node.until(waiting=len(raws))
    assert await ward.show() == len(raws)


def lose(conn: sa.Connection, *, ward: Ward, key: str) -> None:
    """Let the object under *key* go as the keeper does."""
    mine = instances.c.object_key == key
    conn.execute(sa.update(instances).where(mine).values(deleted_at=instances.c.received_at))
    forget(conn, [KeptObject(f"{ROOT}.1.1.1", key)], ward.index)


async def test_what_waits_for_the_line_can_be_searched_and_looked_at(tmp_path: Path) -> None:
    images = [ct_slice(number, side=128) for number in range(1, 4)]
    async with ward_in(tmp_path) as ward:
        await spooled(ward, *images)
        # Kept compressed for the line; who asks for nothing else gets it as the device made it.
        [(first, *_)] = [await ward.node.rows("arrival")]
        assert first[0]["transfer_syntax_uid"] == HTJ2K
        status, found = await ward.get("/dicom-web/studies?PatientID=990000-1")
        assert (status, uids(found, "0020000D")) == (200, [STUDY])
        status, found = await ward.get(f"{SERIES}/metadata")
        assert (status, uids(found, "00200013")) == (200, [1, 2, 3])
        one = f"{SERIES}/instances/{ROOT}.1.1.2"
        status, raw = await ward.fetch(f"{one}/frames/1", "application/octet-stream")
        device = pydicom.dcmread(io.BytesIO(images[1]))
        assert (status, raw) == (200, device.PixelData)
        status, raw = await ward.fetch(f"{one}", "application/dicom")
        assert (pydicom.dcmread(io.BytesIO(raw)).pixel_array == device.pixel_array).all()
        for path, kind in (
            (f"{one}/rendered", "image/jpeg"),
            (f"{SERIES}/thumbnail", "image/jpeg"),
        ):
            status, raw = await ward.fetch(path, kind)
            assert (status, raw[:2]) == (200, b"\xff\xd8")
        status, detail = await ward.get(f"/api/v1/studies/{STUDY}")
        assert (status, detail["study"]["instance_count"]) == (200, 3)
        assert (await ward.here(STUDY))["images"] == 3


async def test_a_look_is_in_the_trail_and_another_house_finds_nothing(tmp_path: Path) -> None:
    async with ward_in(tmp_path) as ward:
        await spooled(ward, ct_slice())
        for path in (
            f"{SERIES}/metadata",
            f"/api/v1/studies/{STUDY}",
            f"/api/v1/here?study={STUDY}",
        ):
            assert (await ward.get(path, "other"))[0] == 404
        assert (await ward.get("/dicom-web/studies", "other")) == (200, [])
        assert (await ward.get(f"{SERIES}/metadata", "manager"))[0] == 403
        assert (await ward.get(f"{SERIES}/metadata"))[0] == 200
        query = sa.select(audit_entries.c.subject).where(audit_entries.c.user_id == "u1")
        seen = await ward.node.database.read(lambda conn: list(conn.scalars(query)))
        assert f"study:{STUDY}" in seen


async def test_what_has_gone_is_said_to_be_at_the_county(tmp_path: Path) -> None:
    async with ward_in(tmp_path) as ward:
        await spooled(ward, ct_slice(1), ct_slice(2), ct_slice(1, study=2))
        await ward.receipted()
        for path in (f"{SERIES}/metadata", f"/api/v1/studies/{STUDY}"):
            status, said = await ward.get(path)
            assert (status, said["code"]) == (404, "study-at-county")
            # Nobody else is told even that.
            status, said = await ward.get(path, "other")
            assert (status, said["code"]) == (404, "study-not-found")
        assert (await ward.get("/dicom-web/studies/1.2.3/metadata"))[1]["code"] == "study-not-found"
        here = await ward.here(STUDY)
        assert (here["images"], here["gone"]) == (0, 2)
        assert [await rows(ward, table) for table in (instance, series, study, patient)] == [0] * 4


async def test_of_a_study_that_goes_on_growing_only_the_new_images_are_here(tmp_path: Path) -> None:
    async with ward_in(tmp_path) as ward:
        await spooled(ward, ct_slice(1), ct_slice(2))
        assert len((await ward.get(f"{SERIES}/metadata"))[1]) == 2
        await ward.receipted()
        await ward.node.store([ct_slice(3), ct_slice(4)])
        await ward.node.until(waiting=2, at_county=2)
        await ward.show()
        # As many as before, and others: nothing that was made of the first may be sent.
        status, found = await ward.get(f"{SERIES}/metadata")
        assert (status, uids(found, "00200013")) == (200, [3, 4])
        here = await ward.here(STUDY)
        assert (here["images"], here["gone"]) == (2, 2)


async def test_the_second_content_of_an_image_answers_once_the_first_has_gone(
    tmp_path: Path,
) -> None:
    async with ward_in(tmp_path) as ward:
        await spooled(ward, ct_slice(1))
        await ward.node.store([ct_slice(1, seed=7)])
        await ward.node.until(waiting=2)
        await ward.show()
        detail = (await ward.get(f"/api/v1/studies/{STUDY}"))[1]
        assert (detail["study"]["instance_count"], len(detail["conflicts"])) == (1, 1)
        [(first,), (second,)] = await ward.node.rows("object_key")
        await ward.node.database.write(partial(lose, ward=ward, key=first))
        assert (await ward.get(f"/api/v1/studies/{STUDY}"))[0] == 404
        assert await ward.show() == 1
        [(kept,)] = await ward.node.database.read(
            lambda conn: [tuple(row) for row in conn.execute(sa.select(instance.c.object_key))]
        )
        assert kept == second


async def test_a_report_of_the_county_is_opened_here_and_told_at_once(tmp_path: Path) -> None:
    async with ward_in(tmp_path) as ward:
        await spooled(ward, ct_slice())
        await ward.receipted()
        await ward.comes_back(Kind.REPORT, encapsulated_pdf(PDF), structured_report())
        before = await ward.here(STUDY)
        assert [one["state"] for one in before["reports"]] == ["coming", "coming"]
        assert await ward.show() == 2
        here = await ward.here(STUDY)
        assert [(one["form"], one["state"]) for one in here["reports"]] == [
            ("pdf", "here"),
            ("structured", "here"),
        ]
        # A report is no image: those are still only at the county.
        assert (here["images"], here["gone"], here["prior"]) == (0, 1, None)
        path = f"/dicom-web/studies/{STUDY}/series/{ROOT}.1.8/instances/{ROOT}.1.8.1/rendered"
        assert await ward.fetch(path, "application/pdf") == (200, PDF)
        events = await ward.node.database.read(lambda conn: events_after(conn, 0, topics=[TOPIC]))
        assert dict(events[-1].payload) == here


async def test_what_is_asked_back_is_looked_at_again(tmp_path: Path) -> None:
    images = [ct_slice(1), ct_slice(2)]
    async with ward_in(tmp_path) as ward:
        await spooled(ward, *images)
        await ward.receipted()
        await ward.comes_back(Kind.PRIOR, *images)
        await ward.show()
        here = await ward.here(STUDY)
        assert (here["images"], here["gone"], here["prior"]["state"]) == (2, 0, "here")
        assert (await ward.get(f"{SERIES}/metadata"))[0] == 200
        # The queue's own sweep leaves what somebody asked for.
        await ward.receipted()
        assert (await ward.get(f"{SERIES}/metadata"))[0] == 200


async def test_what_nobody_can_read_stops_nothing(tmp_path: Path) -> None:
    async with ward_in(tmp_path) as ward:
        await ward.node.store([ct_slice(1), ct_slice(2)])
        await ward.node.until(waiting=2)
        [(key,), _] = await ward.node.rows("object_key")
        path = tmp_path / "objects" / key
        path.chmod(0o600)
        path.write_bytes(b"no object any more")
        assert await ward.show() == 2
        assert (await ward.here(STUDY))["images"] == 1
        assert await ward.show() == 0


async def test_too_many_or_malformed_names_are_refused(tmp_path: Path) -> None:
    async with ward_in(tmp_path) as ward:
        assert (await ward.get(f"/api/v1/here?study={'1.2,' * 101}"))[0] == 400
        assert (await ward.get("/api/v1/here?study=../etc"))[0] == 400
        assert (await ward.get("/api/v1/here"))[0] == 400
        assert (await ward.get("/api/v1/earlier"))[0] == 400
        assert (await ward.get(f"/api/v1/earlier?study={STUDY}&patient=1"))[0] == 400
