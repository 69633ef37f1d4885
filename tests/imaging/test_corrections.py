"""A study of the wrong patient: what readers get once a person put it right, and taken back."""

import json
from io import BytesIO
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imaging.archive import correcting, series_metadata
from imaging.archive.amending import STUDY_CORRECTED, Hand
from imaging.archive.corrected_object import corrected, handed_out_content
from imaging.archive.correcting import Target
from imaging.archive.correction import Correction, corrected_json
from imaging.archive.study_list import Narrow, read_page
from imaging.archive.tables import series, study
from imaging.dicomweb.locate import Shelf, instances
from imaging.pixels.forms import stored_pieces
from imaging.query.attributes import Level
from imaging.query.model import Query
from imaging.query.retrieve import instances_of
from kernel.dicom.content import dataset_digest
from kernel.dicom.dataset import scan
from kernel.dicom.part10 import BytesSource, read_file_meta
from kernel.errors import Conflict, Stale
from kernel.events import events_after
from kernel.policy import Reach, Subject
from tests.imaging.desk import Desk
from tests.imaging.sample import AT, ROOT, arrival, ct
from tests.imaging.web_door import WebDoor

LI = Target(
    key="order:1",
    patient_id="0007",
    name="Li^Si=李四",
    sex="F",
    birth_date="19800202",
    accession_number="QS0009",
    requested_procedure_id="RP9",
    scheduled_procedure_step_id="SPS9",
)
CORRECTION = Correction(
    values={
        "00100010": LI.name,
        "00100020": LI.patient_id,
        "00100021": "",
        "00100030": LI.birth_date,
        "00100040": LI.sex,
        "00080050": LI.accession_number,
    },
    request={"00080050": "QS0009", "00400009": "SPS9", "00401001": "RP9"},
    stated=["990000199001011234"],
    at=AT,
    system="YILIAN",
)


def hand(reason: str = "wrong entry on the worklist") -> Hand:
    return Hand(
        user_id="u1",
        username="li",
        name="李",
        institution="qingshan",
        reason=reason,
        at=AT,
        chain="test",
    )


def read(source: Any) -> Dataset:
    return pydicom.dcmread(BytesIO(source.read(0, source.size)))


def encoded(syntax: str, **more: Any) -> bytes:
    ds = pydicom.dcmread(BytesIO(ct(1, OtherPatientIDs="990000-1", **more)))
    ds["PixelData"].VR = "OW"
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = ds.pixel_array.astype(">i2").tobytes()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    made = BytesIO()
    big = syntax == ExplicitVRBigEndian
    implicit = syntax == ImplicitVRLittleEndian
    if big or implicit:
        pydicom.dcmwrite(made, ds, implicit_vr=implicit, little_endian=not big, force_encoding=True)
    else:
        pydicom.dcmwrite(made, ds)
    return made.getvalue()


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_an_object_says_whose_it_is_and_what_stood_there(syntax: str) -> None:
    file = encoded(syntax)
    before, after = read(BytesSource(file)), read(corrected(CORRECTION, BytesSource(file)))
    assert str(after.PatientName) == "Li^Si=李四"
    assert (after.PatientID, after.PatientSex, after.PatientBirthDate) == ("0007", "F", "19800202")
    assert (after.AccessionNumber, after.PatientID) == ("QS0009", "0007")
    assert after.RequestAttributesSequence[0].RequestedProcedureID == "RP9"
    assert "OtherPatientIDs" not in after
    (item,) = after.OriginalAttributesSequence
    assert item.ReasonForTheAttributeModification == "CORRECT"
    assert item.ModifyingSystem == "YILIAN"
    assert item.AttributeModificationDateTime == "20260305163000.000000+0800"
    stood = item.ModifiedAttributesSequence[0]
    assert (stood.PatientID, stood.AccessionNumber) == ("990000199001011234", "A00001")
    assert stood.OtherPatientIDs == "990000-1"
    assert after.PixelData == before.PixelData
    changed = {
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientSex", "PatientBirthDate"),
        *("AccessionNumber", "RequestAttributesSequence", "OtherPatientIDs"),
        "OriginalAttributesSequence",
    }
    assert {e.keyword: e.value for e in before if e.keyword not in changed} == {
        e.keyword: e.value for e in after if e.keyword not in changed
    }


def test_a_second_correction_keeps_what_the_first_said_stood_there() -> None:
    once = corrected(CORRECTION, BytesSource(encoded(ExplicitVRLittleEndian)))
    first = BytesSource(once.read(0, once.size))
    twice = read(corrected(CORRECTION, first))
    assert len(twice.OriginalAttributesSequence) == 2
    assert "PatientID" not in twice.OriginalAttributesSequence[1].ModifiedAttributesSequence[0]


@pytest.mark.parametrize(
    ("charset", "name", "declared"),
    [
        pytest.param(None, "Li^Si=李四", "ISO_IR 192", id="all-ascii-becomes-utf-8"),
        pytest.param("GB18030", "Li^Si=李四", "GB18030", id="gb18030-stays"),
        pytest.param("ISO_IR 100", "Li^Si", "ISO_IR 100", id="latin-1-has-the-letters"),
    ],
)
def test_the_name_goes_in_what_the_object_can_write(
    charset: str | None, name: str, declared: str
) -> None:
    plain: dict[str, Any] = {"PatientName": "ZHANG^SAN", "StudyDescription": "HEAD"}
    file = ct(1, SpecificCharacterSet=charset, **plain)
    after = read(corrected(CORRECTION, BytesSource(file)))
    assert (str(after.PatientName), after.SpecificCharacterSet) == (name, declared)


def test_any_part_of_it_is_the_part_of_the_whole() -> None:
    source = corrected(CORRECTION, BytesSource(ct(1)))
    whole = source.read(0, source.size)
    assert len(whole) == source.size
    for at in range(0, source.size, 37):
        assert source.read(at, 41) == whole[at : at + 41]


def test_metadata_and_bytes_agree() -> None:
    after = read(corrected(CORRECTION, BytesSource(ct(1))))
    plain = json.loads(read(BytesSource(ct(1))).to_json())
    made = corrected_json(CORRECTION, plain)
    told = json.loads(after.to_json())
    for tag in ("00100010", "00100020", "00100030", "00100040", "00080050", "00400275"):
        assert made[tag] == told[tag], tag
    (item,), (theirs,) = made["04000561"]["Value"], told["04000561"]["Value"]
    assert item["04000550"]["Value"][0].keys() == theirs["04000550"]["Value"][0].keys()


async def row_of(desk: Desk) -> int:
    (found,) = await desk.rows(sa.select(study.c.id))
    return int(found["id"])


async def correct(desk: Desk, target: Target = LI, *, seen: str = "0") -> int:
    row = await row_of(desk)
    return await desk.database.write(
        lambda conn: correcting.correct(conn, row, target, hand(), seen=seen, system="YILIAN")
    )


async def found_by(desk: Desk, typed: str) -> list[str]:
    page = await desk.database.read(
        lambda conn: read_page(conn, Narrow(typed=typed), Reach("qingshan"), limit=10, before=None)
    )
    return [row.patient.patient_id for row in page.items]


async def test_the_lists_and_kept_metadata_follow_and_come_back(desk: Desk) -> None:
    await desk.file(ct(1), ct(2, PatientID="0043"))
    (kept,) = await desk.rows(sa.select(series.c.id))
    stale = await desk.database.read(lambda conn: series_metadata.make(conn, kept["id"]))
    made = await correct(desk)
    assert await found_by(desk, "lisi") == ["0007"]
    assert await found_by(desk, "zhangsan") == []
    # Metadata made before the correction, and kept after it, is nobody's.
    await desk.database.write(lambda conn: series_metadata.keep(conn, kept["id"], stale))
    assert await desk.database.read(lambda conn: series_metadata.kept(conn, kept["id"])) is None
    now = await desk.database.read(lambda conn: series_metadata.make(conn, kept["id"]))
    assert {each["00100020"]["Value"][0] for each in json.loads(now.plain())} == {"0007"}
    # More of what the objects state is no stranger; somebody else is.
    await desk.file(ct(3), ct(4, PatientID="0007"))
    (told,) = await desk.rows(sa.select(study.c.mixed_patients, study.c.instance_count))
    assert told == {"mixed_patients": False, "instance_count": 4}
    row = await row_of(desk)
    await desk.database.write(
        lambda conn: correcting.undo(conn, row, made, hand("it was right"), seen=f"{made}.0")
    )
    assert await found_by(desk, "zhangsan") == ["990000199001011234"]
    (told,) = await desk.rows(sa.select(study.c.accession_number, study.c.mixed_patients))
    assert told == {"accession_number": "A00001", "mixed_patients": True}
    events = await desk.database.read(lambda conn: events_after(conn, 0, topics=[STUDY_CORRECTED]))
    assert [each.payload["undone"] for each in events] == [False, True]


async def test_two_people_at_once_do_not_correct_over_each_other(desk: Desk) -> None:
    await desk.file(ct(1))
    first = await correct(desk)
    with pytest.raises(Stale):
        await correct(desk)
    second = await correct(desk, seen=f"{first}.0")
    row = await row_of(desk)
    with pytest.raises(Conflict, match="later"):
        await desk.database.write(
            lambda conn: correcting.undo(conn, row, first, hand(), seen=f"{second}.0")
        )


async def test_every_door_gives_the_corrected_object_and_the_stored_one_stays(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    paths = f"/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
    await sqlite_desk.file(ct(1))
    before = sqlite_desk.object_files()[0].read_bytes()
    _, headers, _ = await door.get(paths, "application/dicom")
    await correct(sqlite_desk)
    status, corrected_headers, body = await door.get(
        paths, "application/dicom", If_None_Match=headers["ETag"]
    )
    assert (status, pydicom.dcmread(BytesIO(body)).PatientID) == (200, "0007")
    assert headers["ETag"] != corrected_headers["ETag"]
    wanted = 'application/dicom; transfer-syntax="1.2.840.10008.1.2"'
    status, _, body = await door.get(paths, wanted)
    assert (status, pydicom.dcmread(BytesIO(body)).PatientID) == (200, "0007")
    _, _, body = await door.get(f"/studies/{ROOT}.1", 'multipart/related; type="application/dicom"')
    assert b"990000199001011234" in body
    assert b"Li^Si" in body
    for path in (f"/studies/{ROOT}.1/metadata", f"{paths}/metadata", "/studies?PatientID=0007"):
        status, _, body = await door.get(path, "application/dicom+json", Accept_Encoding="identity")
        assert (status, json.loads(body)[0]["00100020"]["Value"]) == (200, ["0007"])
    status, _, body = await door.get(f"{paths}/bulkdata/00100020", "application/octet-stream")
    assert (status, body.strip()) == (200, b"0007")
    assert sqlite_desk.object_files()[0].read_bytes() == before


async def test_a_corrected_object_comes_in_parts_as_any_other(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    path = f"/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
    await sqlite_desk.file(ct(1))
    await correct(sqlite_desk)
    stored = "application/dicom; transfer-syntax=*"
    _, headers, whole = await door.get(path, stored)
    assert (headers["Accept-Ranges"], headers["Content-Length"]) == ("bytes", str(len(whole)))
    assert len(whole) != len(ct(1))
    status, headers, rest = await door.get(path, stored, Range="bytes=701-")
    assert (status, rest) == (206, whole[701:])
    assert headers["Content-Range"] == f"bytes 701-{len(whole) - 1}/{len(whole)}"
    status, headers, _ = await door.get(path, stored, Range=f"bytes={len(whole)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(whole)}")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
async def test_what_is_told_of_a_corrected_object_is_what_an_independent_reader_gets(
    sqlite_desk: Desk, door: WebDoor, syntax: str
) -> None:
    await sqlite_desk.file(encoded(syntax))
    await correct(sqlite_desk)
    path = f"/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
    _, _, body = await door.get(path, "application/dicom; transfer-syntax=*")
    row = await row_of(sqlite_desk)
    shelf = Shelf(row, None, Subject("qingshan"), "")
    [where] = await sqlite_desk.database.read(lambda conn: instances(conn, shelf))
    size, digest = handed_out_content(sqlite_desk.objects, where)
    source = BytesSource(body)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    assert (size, digest) == (len(body), dataset_digest(walked))
    assert digest != where.dataset_digest
    assert handed_out_content(sqlite_desk.objects, where) == (size, digest)


async def test_what_a_stranger_sends_later_is_seen(desk: Desk) -> None:
    await desk.file(ct(1))
    await correct(desk)
    await desk.file(ct(2, PatientID="0099"), told=arrival())
    (told,) = await desk.rows(sa.select(study.c.mixed_patients, study.c.patient_id))
    assert told == {"mixed_patients": True, "patient_id": "0007"}


async def test_a_peer_that_retrieves_gets_the_corrected_data_set(desk: Desk) -> None:
    await desk.file(ct(1))
    await correct(desk)
    query = Query(level=Level.INSTANCE, limit=10)
    (found,) = await desk.database.read(lambda conn: instances_of(conn, query, Reach("qingshan")))
    pieces = stored_pieces(
        desk.objects, found.object_key, found.dataset_offset, found.study.correction
    )
    sent = pydicom.dcmread(BytesIO(b"".join(pieces)), force=True)
    assert (sent.PatientID, str(sent.PatientName)) == ("0007", "Li^Si=李四")
