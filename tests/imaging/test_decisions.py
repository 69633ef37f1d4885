"""Two contents under one UID: a person says which answers, and takes it back."""

import json
from io import BytesIO
from typing import Any

import pydicom
import sqlalchemy as sa

from imaging.archive import rejecting
from imaging.archive.rejection_note import Title
from imaging.archive.tables import instance, instance_conflict, series, study, study_name
from imaging.pixels.forms import stored_pieces
from imaging.query.attributes import Level
from imaging.query.model import Query
from imaging.query.retrieve import instances_of
from kernel.policy import Reach
from tests.imaging.decider import (
    FIRST,
    INSTANCE,
    OTHER_PATIENT,
    OTHER_PIXELS,
    STUDY,
    Person,
    open_ones,
)
from tests.imaging.desk import Desk
from tests.imaging.sample import ct
from tests.imaging.test_corrections import correct, found_by, hand, row_of
from tests.imaging.web_door import WebDoor


async def index(desk: Desk) -> list[Any]:
    """Return the index without what counts changes or says when they were."""
    found: list[Any] = []
    unlike = {"updated_at", "revision", "decision", "conflict_count", "kept_at", "patient"}
    for table in (study, series, instance, instance_conflict, study_name):
        columns = [column for column in table.c if column.name not in unlike]
        if table is series:
            columns = [column for column in columns if column.name != "id"]
        found.append(sorted(map(repr, await desk.rows(sa.select(*columns)))))
    return found


async def test_the_index_answers_from_the_chosen_content_and_back(
    desk: Desk, person: Person
) -> None:
    await desk.file(FIRST, OTHER_PATIENT)
    before = await index(desk)
    (each,) = await person.conflicts()
    said = {one["field"]: (one["first"], one["other"]) for one in each["says"]}
    assert said["patient_name"] == ("张三", "李四")
    assert said["patient_id"] == ("990***********1234", "0007")
    assert said["study_description"] == ("头颅平扫", "胸部")
    assert "study_date" not in said
    made = await person.choose()
    assert (made["decision"]["reason"], made["decision"]["content"]) == (
        "taken twice",
        made["first"]["digest"],
    )
    (row,) = await desk.rows(
        sa.select(
            *(study.c.patient_id, study.c.study_description, study.c.accession_number),
            *(study.c.modalities, study.c.mixed_patients, study.c.conflict_count),
            *(study.c.referring_physician_folded, study.c.instance_count),
        )
    )
    assert row == {
        "patient_id": "0007",
        "study_description": "胸部",
        "accession_number": "B9",
        "modalities": "DX",
        "mixed_patients": False,
        "conflict_count": 0,
        "referring_physician_folded": "wang wu",
        "instance_count": 1,
    }
    told = sa.select(instance.c.instance_number, series.c.series_description)
    (row,) = await desk.rows(told.join(series, series.c.id == instance.c.series))
    assert row == {"instance_number": 5, "series_description": "other"}
    assert await found_by(desk, "lisi") == ["0007"]
    assert await found_by(desk, "zhangsan") == []
    await person.take_back()
    assert await index(desk) == before
    assert await open_ones(desk) == 1
    assert await found_by(desk, "zhangsan") == ["990000199001011234"]
    assert await found_by(desk, "lisi") == []


async def test_what_came_stays_and_both_can_be_fetched(
    sqlite_desk: Desk, lite: Person, door: WebDoor
) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS)
    files = [path.read_bytes() for path in sqlite_desk.object_files()]
    for decided in (False, True):
        if decided:
            await lite.choose()
        (each,) = await lite.conflicts()
        root = door.url.removesuffix("/dicom-web")
        _, _, now = await door.get(root + each["first"]["content"], "application/dicom")
        _, _, beside = await door.get(root + each["content"])
        there = (OTHER_PIXELS, FIRST) if decided else (FIRST, OTHER_PIXELS)
        assert (now, beside) == there
    assert [path.read_bytes() for path in sqlite_desk.object_files()] == files


async def test_every_door_gives_the_chosen_content(
    sqlite_desk: Desk, lite: Person, door: WebDoor
) -> None:
    await sqlite_desk.file(FIRST, ct(1, pixels=7, InstanceNumber=9))
    tags: dict[str, str] = {}

    async def given() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path, accept in (
            (INSTANCE, "application/dicom"),
            (f"{INSTANCE}/frames/1", 'multipart/related; type="application/octet-stream"'),
            (f"{INSTANCE}/rendered", "image/png"),
            (f"{INSTANCE}/thumbnail", "image/jpeg"),
        ):
            status, headers, found[path] = await door.get(
                path, accept, If_None_Match=tags.get(path, '"none"')
            )
            assert status == 200, path
            tags[path] = headers["ETag"]
        for path in (f"/studies/{STUDY}/metadata", "/instances", f"{INSTANCE}/metadata"):
            _, _, body = await door.get(path, "application/dicom+json", Accept_Encoding="identity")
            found[path] = json.loads(body)[0]["00200013"]["Value"]
        return found

    before = await given()
    assert before["/instances"] == [1]
    await lite.choose()
    after = await given()
    assert (after["/instances"], after[f"/studies/{STUDY}/metadata"]) == ([9], [9])
    assert after[f"{INSTANCE}/metadata"] == [9]
    cells = pydicom.dcmread(BytesIO(after[INSTANCE])).pixel_array
    assert cells[0, 0] == pydicom.dcmread(BytesIO(before[INSTANCE])).pixel_array[0, 0] + 7
    assert after[f"{INSTANCE}/frames/1"] != before[f"{INSTANCE}/frames/1"]
    await lite.take_back()
    # A browser asks for what it has: it is told that this is no longer it.
    assert (await given())[INSTANCE] == before[INSTANCE]


async def test_a_peer_that_retrieves_gets_the_chosen_content(desk: Desk, person: Person) -> None:
    await desk.file(FIRST, OTHER_PIXELS)
    await person.choose()
    query = Query(level=Level.INSTANCE, limit=10)
    (found,) = await desk.database.read(lambda conn: instances_of(conn, query, Reach("qingshan")))
    pieces = stored_pieces(desk.objects, found.object_key, found.dataset_offset, None)
    sent = pydicom.dcmread(BytesIO(b"".join(pieces)), force=True)
    assert sent.PixelData == pydicom.dcmread(BytesIO(OTHER_PIXELS)).PixelData


async def test_a_decided_one_is_open_no_more_and_still_shown(desk: Desk, person: Person) -> None:
    await desk.file(FIRST, OTHER_PIXELS)
    made = await person.choose(first=True)
    assert made["decision"]["content"] == made["first"]["digest"]
    assert await open_ones(desk) == 0
    status, detail, _ = await person("GET", "")
    assert (status, detail["study"]["conflicts"]) == (200, 0)
    assert [each["decision"]["made_by"] for each in detail["conflicts"]] == ["technician@qingshan"]
    assert await desk.rows(sa.select(study.c.id).where(study.c.conflict_count > 0)) == []
    await person.take_back()
    (each,) = await person.conflicts()
    assert each["decision"] is None
    assert await open_ones(desk) == 1


async def test_what_was_there_to_choose_from_opens_nothing_and_a_third_content_does(
    desk: Desk, person: Person
) -> None:
    await desk.file(FIRST, OTHER_PIXELS)
    chosen = await person.choose()
    await desk.file(FIRST, OTHER_PIXELS, FIRST)
    (each,) = await person.conflicts()
    assert (await open_ones(desk), each["decision"]) == (0, chosen["decision"])
    # The content that answered first came three times by now.
    assert each["seen_count"] == 3
    third = ct(1, pixels=9)
    await desk.file(third)
    assert await open_ones(desk) == 1
    decided, still_open = await person.conflicts()
    assert (decided["decision"], still_open["decision"]) == (chosen["decision"], None)
    await person.choose(1)
    assert await open_ones(desk) == 0
    (row,) = await desk.rows(sa.select(instance.c.pixels_digest))
    assert row["pixels_digest"] != decided["digest"].partition("-")[2]
    # Back by one: the first decision stands, and the third content is open again.
    await person.take_back()
    assert await open_ones(desk) == 1
    assert [each["decision"] for each in await person.conflicts()] == [chosen["decision"], None]
    await person.take_back()
    assert await open_ones(desk) == 2
    (each, _) = await person.conflicts()
    assert each["first"]["digest"] != chosen["first"]["digest"]


async def test_a_stranger_among_many_is_marked_and_not_the_whole_study(
    desk: Desk, person: Person
) -> None:
    await desk.file(ct(2), FIRST, ct(1, PatientID="0043"))
    await person.choose()
    (row,) = await desk.rows(sa.select(study.c.patient_id, study.c.mixed_patients))
    assert row == {"patient_id": "990000199001011234", "mixed_patients": True}
    odd = sa.select(instance.c.sop_instance_uid).where(
        instance.c.oddities.contains("other-patient")
    )
    assert await desk.rows(odd) == [{"sop_instance_uid": f"{STUDY}.1.1"}]
    await person.take_back()
    (row,) = await desk.rows(sa.select(study.c.patient_id, study.c.mixed_patients))
    assert (row["mixed_patients"], await desk.rows(odd)) == (False, [])


async def test_whose_a_study_is_stays_as_a_person_put_it_right(desk: Desk, person: Person) -> None:
    await desk.file(FIRST, ct(1, StudyDescription="other", PatientID="0007"))
    await correct(desk)
    await person.choose()
    (row,) = await desk.rows(
        sa.select(study.c.patient_id, study.c.study_description, study.c.mixed_patients)
    )
    assert row == {"patient_id": "0007", "study_description": "other", "mixed_patients": False}


async def test_the_chosen_content_stands_in_the_series_it_names(desk: Desk, person: Person) -> None:
    await desk.file(FIRST, ct(2), ct(1, SeriesInstanceUID=f"{STUDY}.2", SeriesNumber=2))
    before = await index(desk)
    made = await person.choose()
    assert f"/series/{STUDY}.2/" in made["first"]["content"]
    counts = sa.select(series.c.series_instance_uid, series.c.instance_count).order_by(series.c.id)
    rows = [tuple(row.values()) for row in await desk.rows(counts)]
    assert rows == [(f"{STUDY}.1", 1), (f"{STUDY}.2", 1)]
    await person.take_back()
    assert await index(desk) == before


async def test_the_decision_goes_out_with_what_is_rejected_and_comes_back(
    desk: Desk, person: Person
) -> None:
    await desk.file(FIRST, OTHER_PIXELS, ct(2))
    chosen = await person.choose()
    row = await row_of(desk)
    made = await desk.database.write(
        lambda conn: rejecting.reject(
            conn, row, [f"{STUDY}.1.1"], Title.QUALITY, hand(), note="1.2.3"
        )
    )
    assert await person.conflicts() == []
    await desk.database.write(
        lambda conn: rejecting.undo(conn, made, hand(), seen=rejecting.STANDS)
    )
    (each,) = await person.conflicts()
    assert (each["decision"], each["first"]) == (chosen["decision"], chosen["first"])
    assert await open_ones(desk) == 0
    await person.take_back()
    assert await open_ones(desk) == 1


async def test_what_was_kept_before_its_door_was_written_down_can_be_chosen(
    desk: Desk, person: Person
) -> None:
    await desk.file(FIRST, OTHER_PIXELS)
    old = {"called_ae_title": "", "address": "", "door": "", "received_at": None}
    await desk.database.write(lambda conn: conn.execute(sa.update(instance_conflict).values(old)))
    await person.choose()
    (row,) = await desk.rows(sa.select(instance.c.institution, instance.c.ae_title))
    assert row == {"institution": "qingshan", "ae_title": "CT1"}
