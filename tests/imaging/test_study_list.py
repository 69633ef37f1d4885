"""The study list of the workstation."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from imaging.archive import http as archive_http
from imaging.archive.reach import give_to
from kernel.arrival import Priority
from kernel.events import last_event_id
from kernel.identity import Institution, InstitutionKind, put_institution
from tests.imaging.desk import Desk
from tests.imaging.door import AS_INSTITUTION, AS_ROLE, serve
from tests.imaging.sample import AT, ROOT, arrival, ct


class Lists:
    def __init__(self, server: TestServer, http: ClientSession) -> None:
        self.server = server
        self.http = http

    async def get(
        self, path: str, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        url = f"{self.server.make_url('/api/v1/studies')}{path}"
        async with self.http.get(url, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            found: dict[str, Any] = await answer.json(content_type=None)
            return found

    async def uids(self, path: str) -> str:
        page = await self.get(path)
        return "".join(row["study_instance_uid"].removeprefix(f"{ROOT}.") for row in page["items"])


@pytest_asyncio.fixture
async def lists(desk: Desk) -> AsyncIterator[Lists]:
    house = Institution("qingshan", "青山卫生院", InstitutionKind.TOWNSHIP)
    await desk.database.write(lambda conn: put_institution(conn, house, at=AT))
    async with serve(desk, archive_http.routes()) as server, ClientSession() as http:
        yield Lists(server, http)


async def test_a_row_says_what_a_radiologist_needs(desk: Desk, lists: Lists) -> None:
    await desk.file(
        ct(1, PatientAge="036Y", BodyPartExamined="HEAD"),
        told=arrival(priority=Priority.EMERGENCY),
    )
    page = await lists.get("")
    assert page["total"] == 1
    assert page["next_cursor"] is None
    assert page["last_event_id"] == await desk.database.read(last_event_id)
    (row,) = page["items"]
    assert row == {
        "study_instance_uid": f"{ROOT}.1",
        "patient": {
            "name": "张三",
            "alphabetic_name": "Zhang San",
            "sex": "M",
            "birth_date": "1990-01-01",
            "age": {"value": 36, "unit": "years"},
            "age_estimated": False,
            "patient_id": "990***********1234",
            "masked_id": "990***********1234",
        },
        "accession_number": "A00001",
        "description": "头颅平扫",
        "modalities": ["CT"],
        "body_part": "HEAD",
        "institution": {"code": "qingshan", "name": "青山卫生院"},
        "study_date_time": "2026-03-05T08:15:00+08:00",
        "received_at": "2026-03-05T08:30:00Z",
        "updated_at": "2026-03-05T08:30:00Z",
        "instance_count": 1,
        "series_count": 1,
        "unidentified": False,
        "conflicts": 0,
        "priority": "emergency",
        "route": None,
        "pinned_until": "2026-03-06T08:30:00Z",
        "completeness": None,
    }
    assert page["pinned"] == [row]


async def a_few_studies(desk: Desk) -> None:
    await desk.file(
        ct(1, study=1, StudyDate="20250101"),
        ct(1, study=2, StudyDate="20250630", PatientName="Müller^Jörg", PatientID="P[2"),
        ct(1, study=3, StudyDate="20260101", PatientID="", Modality="DX", AccessionNumber="ZX-77"),
        ct(1, study=3, StudyDate="20260101", PatientID="", Modality="DX", pixels=5),
        ct(1, study=4, StudyDate="", PatientName="单^雄信", PatientID="0042"),
        ct(2, study=4, StudyDate="", PatientName="x", PatientID="0043"),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("", "4321", id="all-newest-first"),
        pytest.param("?q=zhangsan", "31", id="pinyin"),
        pytest.param("?q=ZS", "31", id="initials"),
        pytest.param("?q=zhang%20s", "31", id="beginning-of-a-name"),
        pytest.param("?q=san", "31", id="a-later-word"),
        pytest.param("?q=%E4%B8%89", "31", id="one-character-inside"),
        pytest.param("?q=ulle", "2", id="inside-a-word"),
        pytest.param("?q=muller%20jorg", "2", id="without-accents"),
        pytest.param("?q=shanx", "4", id="a-surname-read-as-one"),
        pytest.param("?q=danx", "4", id="and-as-usual"),
        pytest.param("?q=99000019", "1", id="beginning-of-an-id"),
        pytest.param("?q=0101123", "1", id="inside-an-id"),
        pytest.param("?q=P%5B2", "2", id="a-bracket-is-itself"),
        pytest.param("?q=P*", "", id="a-star-is-itself"),
        pytest.param("?q=ZX-7", "3", id="accession-number"),
        pytest.param("?q=%25", "", id="a-percent-sign-is-itself"),
        pytest.param("?modality=DX", "3", id="modality"),
        pytest.param("?date_from=2025-06-30", "32", id="from-a-day"),
        pytest.param("?date_to=2025-06-30", "21", id="to-a-day"),
        pytest.param("?date_from=20250101&date_to=20250101", "1", id="one-day"),
        pytest.param("?unidentified=true", "3", id="unidentified"),
        pytest.param("?conflicts=true", "43", id="to-be-decided"),
        pytest.param("?institution=qingshan&q=zs&modality=CT", "1", id="all-of-them"),
        pytest.param("?institution=elsewhere", "", id="another-institution"),
    ],
)
async def test_narrows(desk: Desk, lists: Lists, asked: str, found: str) -> None:
    await a_few_studies(desk)
    page = await lists.get(asked)
    assert await lists.uids(asked) == found
    assert page["total"] == len(found)


async def test_pages_by_cursor_while_studies_arrive(desk: Desk, lists: Lists) -> None:
    await desk.file(*(ct(1, study=n) for n in range(1, 6)))
    seen, cursor = "", ""
    while True:
        page = await lists.get(f"?limit=2&cursor={cursor}")
        seen += "".join(row["study_instance_uid"][-1] for row in page["items"])
        await desk.file(ct(1, study=100 + len(seen)))
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert seen == "54321"


@pytest.mark.parametrize(
    "broken",
    ["?limit=0", "?limit=201", "?cursor=x", "?date_from=yesterday", "?limit=1&limit=2"],
)
async def test_refuses_a_broken_question(lists: Lists, broken: str) -> None:
    assert (await lists.get(broken, status=400))["code"] == "invalid-query"


async def test_shows_a_study_with_its_series_and_what_to_decide(desk: Desk, lists: Lists) -> None:
    await desk.file(
        ct(1), ct(2), ct(1, series=2, Modality="SR"), ct(1, pixels=3), ct(3, PatientID="0042")
    )
    found = await lists.get(f"/{ROOT}.1")
    assert found["study"]["conflicts"] == 2
    assert [(s["modality"], s["number"], s["instance_count"]) for s in found["series"]] == [
        ("CT", 1, 3),
        ("SR", 2, 1),
    ]
    assert found["series"][0]["thumbnail"] == (
        f"/dicom-web/studies/{ROOT}.1/series/{ROOT}.1.1/thumbnail"
    )
    assert [(c["sop_instance_uid"], c["reason"]) for c in found["conflicts"]] == [
        (f"{ROOT}.1.1.1", "other-content"),
        (f"{ROOT}.1.1.3", "other-patient"),
    ]


@pytest.mark.parametrize("uid", [f"{ROOT}.9", f"{ROOT}.2", "..%2F..%2Fetc", "1" * 65])
async def test_what_is_not_there_and_what_is_anothers_look_alike(
    desk: Desk, lists: Lists, uid: str
) -> None:
    await desk.file(ct(1, study=2), told=arrival(institution="baishui"))
    assert (await lists.get(f"/{uid}", status=404))["code"] == "study-not-found"


async def test_the_centre_sees_what_was_routed_to_it_and_why(desk: Desk, lists: Lists) -> None:
    await desk.file(ct(1), ct(1, study=2))
    later = AT + dt.timedelta(hours=1)
    await desk.database.write(
        lambda conn: give_to(
            conn, f"{ROOT}.1", ["county"], rule="all-ct", priority=Priority.URGENT, at=later
        )
    )
    page = await lists.get("", headers={AS_INSTITUTION: "county", AS_ROLE: "radiologist"})
    (row,) = page["items"]
    assert row["route"] == {"rule": "all-ct", "destination": "county"}
    assert row["priority"] == "urgent"


async def test_who_needs_no_name_sees_none(desk: Desk, lists: Lists) -> None:
    await desk.file(ct(1))
    page = await lists.get("", headers={AS_ROLE: "privacy-officer"})
    patient = page["items"][0]["patient"]
    assert (patient["name"], patient["alphabetic_name"]) == ("张**", "Z**")
    assert patient["patient_id"] == "990***********1234"
    assert (await lists.get("", headers={AS_ROLE: "manager"}))["items"] == []
