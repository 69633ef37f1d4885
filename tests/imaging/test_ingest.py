"""Filing: exactly once, whatever comes twice, in another form, or broken."""

from io import BytesIO

import msgspec
import pytest
import sqlalchemy as sa
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imaging.archive.series_metadata import instance_json
from imaging.archive.tables import (
    instance,
    instance_conflict,
    patient,
    series,
    set_aside,
    study,
    study_name,
)
from kernel.events import events_after
from tests.imaging.compressed import compressed
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, arrival, ct, part10


async def test_files_a_study_with_its_counts(desk: Desk) -> None:
    await desk.file(ct(1), ct(2), ct(1, series=2))
    found = await desk.rows(sa.select(study))
    assert len(found) == 1
    assert found[0]["study_instance_uid"] == f"{ROOT}.1"
    assert (found[0]["series_count"], found[0]["instance_count"]) == (2, 3)
    assert found[0]["modalities"] == "CT"
    assert found[0]["patient_name"] == "Zhang^San=张^三"
    assert found[0]["study_time"] == "081500.000000"
    assert [s["instance_count"] for s in await desk.rows(sa.select(series))] == [2, 1]
    assert len(desk.object_files()) == 3


async def test_the_object_is_kept_byte_for_byte(desk: Desk) -> None:
    sent = ct(1)
    await desk.file(sent)
    (row,) = await desk.rows(sa.select(instance))
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(0, reader.size) == sent
        pixels = reader.read(row["pixel_offset"], row["pixel_length"])
    assert pixels == sent[-512:]


async def test_the_same_content_again_changes_nothing_but_a_counter(desk: Desk) -> None:
    await desk.file(ct(1))
    before = await desk.rows(sa.select(study.c.updated_at, study.c.instance_count))
    await desk.file(ct(1), ct(1))
    assert await desk.rows(sa.select(study.c.updated_at, study.c.instance_count)) == before
    (row,) = await desk.rows(sa.select(instance))
    assert row["duplicate_count"] == 2
    assert len(desk.object_files()) == 1
    events = await desk.database.read(lambda conn: events_after(conn, 0))
    assert len(events) == 1


async def test_the_same_content_twice_in_one_batch_is_one_instance(desk: Desk) -> None:
    await desk.receive_together([ct(1), ct(1)])
    await desk.file_all()
    assert len(await desk.rows(sa.select(instance.c.id))) == 1
    assert await desk.rows(sa.select(study.c.instance_count)) == [{"instance_count": 1}]


async def test_another_content_under_the_same_uid_is_kept_beside_the_first(desk: Desk) -> None:
    await desk.file(ct(1), ct(1, pixels=7), ct(1, pixels=7))
    (row,) = await desk.rows(sa.select(instance))
    (conflict,) = await desk.rows(sa.select(instance_conflict))
    assert conflict["instance"] == row["id"]
    assert conflict["reason"] == "other-content"
    assert conflict["seen_count"] == 2
    assert conflict["received_at"] is not None
    assert conflict["received_at"] <= conflict["kept_at"]
    assert await desk.rows(sa.select(study.c.conflict_count, study.c.instance_count)) == [
        {"conflict_count": 1, "instance_count": 1}
    ]
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(1)
    with desk.objects.open(conflict["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(1, pixels=7)


async def test_a_second_content_keeps_the_form_it_had_before_the_line(desk: Desk) -> None:
    await desk.file(ct(1))
    await compressed(desk, ct(1, pixels=7))
    (conflict,) = await desk.rows(sa.select(instance_conflict))
    htj2k_rpcl = "1.2.840.10008.1.2.4.202"
    assert conflict["transfer_syntax_uid"] == htj2k_rpcl
    assert conflict["native_transfer_syntax_uid"] not in ("", htj2k_rpcl)
    assert conflict["native_pixel_vr"] in ("OB", "OW")


async def test_a_conflict_within_one_batch_names_the_first(desk: Desk) -> None:
    await desk.receive_together([ct(1), ct(1, pixels=7)])
    await desk.file_all()
    assert len(await desk.rows(sa.select(instance_conflict.c.id))) == 1


async def test_patients_of_two_institutions_with_one_number_are_two(desk: Desk) -> None:
    await desk.file(ct(1, PatientID="0001"), told=arrival(institution="qingshan"))
    await desk.file(ct(1, study=2, PatientID="0001"), told=arrival(institution="baishui"))
    await desk.file(ct(1, study=3, PatientID="0001"), told=arrival(institution="qingshan"))
    found = await desk.rows(sa.select(patient.c.assigner).order_by(patient.c.assigner))
    assert [row["assigner"] for row in found] == ["baishui", "qingshan"]


async def test_an_issuer_makes_one_patient_of_both(desk: Desk) -> None:
    for number, house in enumerate(("qingshan", "baishui"), 1):
        file = ct(1, study=number, PatientID="0001", IssuerOfPatientID="HIS")
        await desk.file(file, told=arrival(institution=house))
    assert len(await desk.rows(sa.select(patient.c.id))) == 1


@pytest.mark.parametrize("patient_id", ["", " ", "*", "12?"])
async def test_without_a_usable_patient_id_a_study_is_unidentified(
    desk: Desk, patient_id: str
) -> None:
    await desk.file(ct(1, PatientID=patient_id))
    (row,) = await desk.rows(sa.select(study))
    assert row["unidentified"]
    assert row["patient"] is None
    assert await desk.rows(sa.select(patient.c.id)) == []


async def test_a_later_object_fills_what_the_first_left_empty(desk: Desk) -> None:
    await desk.file(ct(1, PatientID="", StudyDescription="", PatientName=""))
    await desk.file(ct(2))
    (row,) = await desk.rows(sa.select(study))
    assert not row["unidentified"]
    assert row["patient"] is not None
    assert row["study_description"] == "头颅平扫"
    assert not row["mixed_patients"]
    terms = await desk.rows(sa.select(study_name.c.text))
    assert {"张三", "zhangsan", "zs"} <= {term["text"] for term in terms}


async def test_a_later_object_never_overwrites_and_another_patient_is_shown(desk: Desk) -> None:
    await desk.file(ct(1), ct(2, PatientID="other", StudyDescription="other"))
    (row,) = await desk.rows(sa.select(study))
    assert row["patient_id"] == "990000199001011234"
    assert row["study_description"] == "头颅平扫"
    assert row["mixed_patients"]
    events = await desk.database.read(lambda conn: events_after(conn, 0))
    assert events[-1].payload["conflicts"] == 1


async def test_the_event_is_the_row_of_the_study_list(desk: Desk) -> None:
    await desk.file(ct(1))
    (event,) = await desk.database.read(lambda conn: events_after(conn, 0))
    assert event.topic == "study.updated"
    assert event.institution == "qingshan"
    assert event.payload["patient"]["name"] == "张三"
    assert event.payload["patient"]["masked_id"] == "990***********1234"
    assert event.payload["patient"]["age"] == {"value": 36, "unit": "years"}
    assert event.payload["study_date_time"] == "2026-03-05T08:15:00+08:00"


async def test_what_nobody_can_read_is_kept_with_a_reason_and_blocks_nothing(desk: Desk) -> None:
    await desk.receive_together([ct(1), b"this is a letter", ct(2)])
    await desk.receive(ct(3)[:900])
    await desk.file_all()
    assert len(await desk.rows(sa.select(instance.c.id))) == 2
    kept = await desk.rows(sa.select(set_aside).order_by(set_aside.c.id))
    assert [row["reason"] for row in kept] == ["not-dicom", "truncated"]
    with desk.objects.open(kept[0]["object_key"]) as reader:
        assert reader.read(0, 100) == b"this is a letter"


async def test_gbk_under_a_latin_label_is_read_and_both_readings_find_it(desk: Desk) -> None:
    raw = ct(1, SpecificCharacterSet="ISO_IR 100", PatientName="XXXX", StudyDescription="d")
    await desk.file(raw.replace(b"XXXX", "张三".encode("gbk")))
    (row,) = await desk.rows(sa.select(study))
    assert row["patient_name"] == "张三"
    assert row["patient_name_declared"] == "ÕÅÈý"
    assert row["charset_repaired"]
    (kept,) = await desk.rows(sa.select(instance.c.metadata_json))
    told = msgspec.json.decode(instance_json(kept["metadata_json"]))
    assert told["00100010"]["Value"] == [{"Alphabetic": "张三"}]
    assert told["00080005"]["Value"] == ["ISO_IR 192"]


async def test_a_program_in_the_preamble_is_not_kept(desk: Desk) -> None:
    file = ct(1)
    await desk.file(b"MZ" + b"\x90" * 126 + file[128:])
    (row,) = await desk.rows(sa.select(instance))
    assert "executable-preamble" in row["oddities"]
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(0, reader.size) == file


async def test_an_object_without_its_file_head_gets_one(desk: Desk) -> None:
    file = ct(1)
    at = file.index(b"\x08\x00\x05\x00CS")
    await desk.file(file[at:])
    (row,) = await desk.rows(sa.select(instance))
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(128, 4) == b"DICM"
        assert reader.read(row["dataset_offset"], reader.size) == file[at:]
        assert reader.read(row["pixel_offset"], row["pixel_length"]) == file[-512:]


async def test_goes_on_where_the_last_filer_ended(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    await desk.receive(ct(3))
    desk.restart_filer()
    assert await desk.file_all() == 1
    (row,) = await desk.rows(sa.select(study.c.instance_count, study.c.duplicate_count))
    assert row == {"instance_count": 3, "duplicate_count": 0}


async def test_tells_when_a_position_is_filed(desk: Desk) -> None:
    position = await desk.receive(ct(1))
    assert not await desk.filer.progress.filed("dicom", position, 0.02)
    await desk.file_all()
    assert await desk.filer.progress.filed("dicom", position, 5)


async def test_an_object_without_study_and_series_gets_a_study_of_its_own(desk: Desk) -> None:
    sent = ct(1, StudyInstanceUID="", SeriesInstanceUID=None)
    await desk.file(sent, ct(2), sent)
    (odd, _) = await desk.rows(
        sa.select(instance.c.object_key, instance.c.oddities, instance.c.metadata_json).order_by(
            instance.c.id
        )
    )
    assert "no-study-uid" in odd["oddities"]
    uids = await desk.rows(sa.select(study.c.study_instance_uid).order_by(study.c.id))
    assert uids[0]["study_instance_uid"].startswith("2.25.")
    told = msgspec.json.decode(instance_json(odd["metadata_json"]))
    assert told["0020000D"] == {"vr": "UI", "Value": [uids[0]["study_instance_uid"]]}
    assert told["0020000E"]["Value"][0].startswith("2.25.")
    with desk.objects.open(odd["object_key"]) as reader:
        assert reader.read(0, reader.size) == sent


async def test_of_two_encodings_at_once_the_row_describes_the_one_that_is_kept(desk: Desk) -> None:
    ds = dcmread(BytesIO(ct(1)))
    other = part10(ds, syntax=ImplicitVRLittleEndian)
    for first, second in ((ct(1), other), (other, ct(1))):
        await desk.receive_together([first, second])
    await desk.file_all()
    (row,) = await desk.rows(sa.select(instance))
    assert row["transfer_syntax_uid"] == ExplicitVRLittleEndian
    assert row["duplicate_count"] == 3
    assert len(desk.object_files()) == 1
    with desk.objects.open(row["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(1)
