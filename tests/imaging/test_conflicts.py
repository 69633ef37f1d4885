"""Two contents under one UID: what a person sees of it, and the second one itself."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiohttp import ClientSession

from imaging.archive import http as archive_http
from imaging.archive.reach import give_to
from kernel.audit.trail import AuditEvent, audit_entries
from kernel.identity import Institution, InstitutionKind, put_institution
from tests.imaging.desk import Desk
from tests.imaging.door import serve
from tests.imaging.sample import AT, ROOT, arrival, ct
from tests.imaging.web_door import WebDoor, open_door

FIRST, OTHER_PIXELS, OTHER_HEADER = ct(1), ct(1, pixels=7), ct(1, StudyDescription="other")


@pytest_asyncio.fixture
async def door(sqlite_desk: Desk) -> AsyncIterator[WebDoor]:
    async with open_door(sqlite_desk, filing=False) as opened:
        yield opened


async def conflicts(desk: Desk) -> list[dict[str, Any]]:
    async with (
        serve(desk, archive_http.routes()) as server,
        ClientSession() as http,
        http.get(server.make_url(f"/api/v1/studies/{ROOT}.1")) as answer,
    ):
        assert answer.status == 200
        found: list[dict[str, Any]] = (await answer.json())["conflicts"]
        return found


async def second(
    door: WebDoor, path: str, *, who: str = "own"
) -> tuple[int, bytes, dict[str, str]]:
    status, headers, body = await door.get(door.url.removesuffix("/dicom-web") + path, who=who)
    return status, body, dict(headers)


async def test_the_list_says_what_differs_and_who_sent_it(sqlite_desk: Desk) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS, OTHER_HEADER, OTHER_HEADER)
    pixels, header = await conflicts(sqlite_desk)
    assert (pixels["differs"], header["differs"]) == (["pixels"], ["dataset"])
    assert (pixels["seen_count"], header["seen_count"]) == (1, 2)
    for each in (pixels, header):
        assert (each["institution"], each["ae_title"]) == ("qingshan", "CT1")
        # An institution the node does not know is called by its code.
        assert each["institution_name"] == "qingshan"
        assert each["content"] == f"/api/v1/studies/{ROOT}.1/conflicts/{each['id']}/instance"


async def test_the_list_says_what_answers_meanwhile(sqlite_desk: Desk) -> None:
    house = Institution("qingshan", "青山卫生院", InstitutionKind.TOWNSHIP)
    await sqlite_desk.database.write(lambda conn: put_institution(conn, house, at=AT))
    await sqlite_desk.file(FIRST)
    await sqlite_desk.file(OTHER_HEADER, told=arrival(institution="baihe"))
    (each,) = await conflicts(sqlite_desk)
    assert (each["institution"], each["ae_title"]) == ("baihe", "CT1")
    assert each["size_bytes"] == len(OTHER_HEADER)
    series, instance = f"{ROOT}.1.1", each["sop_instance_uid"]
    assert each["first"].pop("digest") != each["digest"]
    assert (each["decision"], each["etag"]) == (None, "1.0.0")
    assert each["first"] == {
        "received_at": "2026-03-05T08:30:00Z",
        "institution": "qingshan",
        "institution_name": "青山卫生院",
        "ae_title": "CT1",
        "size_bytes": len(FIRST),
        "content": f"/dicom-web/studies/{ROOT}.1/series/{series}/instances/{instance}",
    }


async def test_many_are_read_page_by_page_each_once(sqlite_desk: Desk) -> None:
    strangers = [ct(number, PatientID="0043") for number in (2, 3, 4)]
    await sqlite_desk.file(FIRST, *(ct(1, pixels=number) for number in range(1, 61)), *strangers)
    path = f"/api/v1/studies/{ROOT}.1"
    async with serve(sqlite_desk, archive_http.routes()) as server, ClientSession() as http:

        async def get(rest: str, status: int = 200) -> dict[str, Any]:
            async with http.get(server.make_url(path + rest)) as answer:
                assert answer.status == status
                found: dict[str, Any] = await answer.json(content_type=None)
                return found

        detail = await get("")
        assert (len(detail["conflicts"]), detail["conflicts_total"]) == (50, 63)
        # From the study's own page on, and from the beginning: the same rows in the same order.
        rest = await get(f"/conflicts?cursor={detail['conflicts_cursor']}")
        assert (len(rest["items"]), rest["next_cursor"]) == (13, None)
        page = await get("/conflicts?limit=7")
        whole = list(page["items"])
        while page["next_cursor"]:
            page = await get(f"/conflicts?limit=7&cursor={page['next_cursor']}")
            assert page["total"] == 63
            whole += page["items"]
        assert whole == [*detail["conflicts"], *rest["items"]]
        assert len({each["id"] for each in whole}) == 63
        assert [each["reason"] for each in whole[60:]] == ["other-patient"] * 3
        for wrong in ("limit=0", "limit=201", "cursor=x", "cursor=5", "cursor=conflict-", "limit="):
            assert (await get(f"/conflicts?{wrong}", 400))["code"] == "invalid-query"


async def test_an_object_of_another_patient_is_in_the_list_by_itself(sqlite_desk: Desk) -> None:
    stranger = ct(2, PatientID="0043")
    await sqlite_desk.file(FIRST, stranger)
    (each,) = await conflicts(sqlite_desk)
    assert (each["reason"], each["size_bytes"]) == ("other-patient", len(stranger))
    assert (each["differs"], each["first"]) == ([], None)
    assert each["content"].startswith(f"/dicom-web/studies/{ROOT}.1/series/")


async def test_the_second_content_comes_byte_for_byte_and_the_look_is_written_down(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS)
    (each,) = await conflicts(sqlite_desk)
    status, body, headers = await second(door, each["content"])
    assert (status, headers["Content-Type"]) == (200, "application/dicom")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith("attachment")
    assert body == OTHER_PIXELS
    looks = await sqlite_desk.rows(
        sa.select(audit_entries.c.subject).where(audit_entries.c.event == AuditEvent.STUDY_SEEN)
    )
    # By the list, and by the content.
    assert looks == [{"subject": f"study:{ROOT}.1"}] * 2


async def test_nobody_else_gets_it(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS)
    (each,) = await conflicts(sqlite_desk)
    for who, expected in (("other", 404), ("privacy-officer", 403), ("nobody", 401)):
        status, body, _ = await second(door, each["content"], who=who)
        assert status == expected
        assert b"Zhang" not in body


async def test_what_another_institution_sent_under_a_known_uid_stays_its_own(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(FIRST)
    await sqlite_desk.file(OTHER_PIXELS, told=arrival(institution="baihe"))
    (each,) = await conflicts(sqlite_desk)
    assert each["institution"] == "baihe"
    status, body, _ = await second(door, each["content"])
    assert (status, json.loads(body)["code"]) == (404, "conflict-not-found")


async def test_the_centre_gets_both_contents_of_what_was_routed_to_it(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS)
    await sqlite_desk.database.write(
        lambda conn: give_to(conn, f"{ROOT}.1", ["baihe"], rule="ct", priority=None, at=AT)
    )
    (each,) = await conflicts(sqlite_desk)
    status, body, _ = await second(door, each["content"], who="other")
    assert (status, body) == (200, OTHER_PIXELS)


@pytest.mark.parametrize(
    "name",
    ["conflict-2", "conflict-", "conflict--1", "1", "instance-1", f"conflict-{'9' * 40}", "x"],
)
async def test_what_is_no_conflict_of_the_study_is_not_there(
    sqlite_desk: Desk, door: WebDoor, name: str
) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS, ct(1, study=2))
    path = f"/api/v1/studies/{ROOT}.1/conflicts/{name}/instance"
    status, body, _ = await second(door, path)
    assert (status, json.loads(body)["code"]) == (404, "conflict-not-found")
    status, _, _ = await second(door, f"/api/v1/studies/{ROOT}.2/conflicts/conflict-1/instance")
    assert status == 404
