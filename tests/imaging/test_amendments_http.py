"""Putting right and rejecting at their doors: who may, once, and from what they have seen."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest_asyncio
import sqlalchemy as sa
from aiohttp import ClientSession

from imaging.archive.amendment_tables import rejected_contents
from imaging.archive.correcting import Target
from imaging.archive.http_corrections import CorrectionDoor
from imaging.archive.http_rejections import RejectionDoor
from imaging.archive.note_keeper import NoteJournal
from imaging.archive.tables import instance, study, study_reach
from kernel.audit.trail import AuditEvent, audit_entries
from tests.imaging.desk import Desk
from tests.imaging.door import AS_INSTITUTION, AS_ROLE, serve
from tests.imaging.sample import AT, ROOT, ct
from tests.imaging.test_corrections import LI

STUDY = f"/api/v1/studies/{ROOT}.1"


class _Register:
    """One order of Qingshan."""

    def find(
        self, conn: sa.Connection, institution: str, typed: str, /, *, limit: int
    ) -> Sequence[Target]:
        del conn, limit
        return [LI] if institution == "qingshan" and typed in LI.patient_id else []

    def get(self, conn: sa.Connection, institution: str, key: str, /) -> Target | None:
        del conn
        return LI if institution == "qingshan" and key == LI.key else None


class _Client:
    def __init__(self, session: ClientSession, url: str) -> None:
        self._session, self._url, self._acts = session, url, 0

    async def __call__(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, str]:
        self._acts += 1
        sent = {"Idempotency-Key": f"act-{self._acts}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self._session.request(
            method, f"{self._url}{path}", json=body, headers=sent
        ) as answer:
            return (
                answer.status,
                await answer.json(content_type=None),
                answer.headers.get("ETag", ""),
            )


@pytest_asyncio.fixture
async def client(sqlite_desk: Desk) -> AsyncIterator[_Client]:
    routes = [
        *CorrectionDoor(_Register(), chain="test-amendments").routes(),
        *RejectionDoor(NoteJournal(sqlite_desk.writer), chain="test-amendments").routes(),
    ]
    async with serve(sqlite_desk, routes) as server, ClientSession() as session:
        yield _Client(session, str(server.make_url("")).rstrip("/"))


async def test_a_wrong_patient_is_found_put_right_and_taken_back(
    sqlite_desk: Desk, client: _Client
) -> None:
    await sqlite_desk.file(ct(1))
    status, found, _ = await client("GET", f"{STUDY}/correction-targets?q=0007")
    assert (status, found["items"][0]["key"]) == (200, "order:1")
    assert found["items"][0]["differs"] == [
        *("patient_id", "name", "sex", "birth_date", "accession_number")
    ]
    _, _, seen = await client("GET", f"{STUDY}/corrections")
    body = {"target": "order:1", "reason": "picked the wrong line"}
    told = {"If_Match": seen, "Idempotency_Key": "once"}
    status, made, now = await client("POST", f"{STUDY}/corrections", body, **told)
    assert (status, made["items"][0]["after"]["patient_id"]) == (201, "0007")
    again = await client("POST", f"{STUDY}/corrections", body, **told)
    assert again == (201, made, now)
    # Somebody who has seen what was there before.
    status, refused, _ = await client("POST", f"{STUDY}/corrections", body, If_Match=seen)
    assert (status, refused["code"]) == (412, "changed-meanwhile")
    undo = f"{STUDY}/corrections/{made['items'][0]['id']}/undo"
    status, back, _ = await client("POST", undo, {"reason": "it was right"}, If_Match=now)
    assert (status, back["items"][0]["undone_reason"]) == (200, "it was right")
    looks = sa.select(audit_entries.c.detail).where(audit_entries.c.event == AuditEvent.CHANGED)
    acts = [row["detail"]["act"] for row in await sqlite_desk.rows(looks)]
    assert acts == ["correct", "undo-correction"]


async def test_who_may_not_is_told_what_he_may_know(sqlite_desk: Desk, client: _Client) -> None:
    await sqlite_desk.file(ct(1))
    body = {"target": "order:1", "reason": "picked the wrong line"}
    version = {"If_Match": '"0"'}
    path = f"{STUDY}/corrections"
    for headers, expected in (
        ({AS_INSTITUTION: "baihe"}, (404, "study-not-found")),
        ({AS_ROLE: "doctor"}, (403, "not-this-role")),
    ):
        status, told, _ = await client("POST", path, body, **version, **headers)
        assert (status, "code" in told) == (expected[0], True)
    for broken, expected in (
        (body | {"target": "order:2"}, (404, "target-not-found")),
        (body | {"reason": " "}, (400, "reason-missing")),
    ):
        status, told, _ = await client("POST", path, broken, **version)
        assert (status, told["code"]) == expected
    for number in ("7", "x", "9" * 30):
        status, told, _ = await client("POST", f"{path}/{number}/undo", {"reason": "no"}, **version)
        assert (status, told["code"]) == (404, "correction-not-found")


def _reached(conn: sa.Connection) -> None:
    """Route the study to the centre, and let another house read it."""
    whose = conn.scalar(sa.select(study.c.id))
    for house, reason in (("centre", ""), ("treats", "treating")):
        conn.execute(
            sa.insert(study_reach).values(
                study=whose, institution=house, rule="all", since=AT, reason=reason
            )
        )


async def test_images_are_rejected_listed_and_brought_back(
    sqlite_desk: Desk, client: _Client
) -> None:
    await sqlite_desk.file(ct(1), ct(2))
    await sqlite_desk.database.write(_reached)
    body = {"title": "113001", "reason": "moved", "instances": [f"{ROOT}.1.1.2"]}
    told = {"Idempotency_Key": "once"}
    status, made, seen = await client("POST", f"{STUDY}/rejections", body, **told)
    assert (status, made["objects"], made["title"]) == (201, 1, "113001")
    # Its note goes the way of every object, and is hidden like what it names.
    assert await sqlite_desk.file_all() == 1
    kinds = await sqlite_desk.rows(sa.select(rejected_contents.c.kind))
    assert sorted(row["kind"] for row in kinds) == ["answers", "note"]
    assert len(await sqlite_desk.rows(sa.select(instance.c.id))) == 1
    assert (await client("POST", f"{STUDY}/rejections", body, **told))[1] == made
    assert await sqlite_desk.file_all() == 0
    status, refused, _ = await client("POST", f"{STUDY}/rejections", body)
    assert (status, refused["code"]) == (409, "nothing-to-reject")
    _, page, _ = await client("GET", "/api/v1/rejections")
    assert [each["id"] for each in page["items"]] == [made["id"]]
    assert (made["name"], made["institution"]) == ("张三", "qingshan")
    # Not whom it was granted to, nor whose code is a word in it.
    for house, listed in (("baihe", []), ("centre", [made["id"]]), ("treats", []), ("M", [])):
        _, page, _ = await client("GET", "/api/v1/rejections", **{AS_INSTITUTION: house})
        assert [each["id"] for each in page["items"]] == listed
    undo = f"/api/v1/rejections/{made['id']}/undo"
    other = {AS_INSTITUTION: "baihe", "If_Match": seen}
    assert (await client("POST", undo, {"reason": "no"}, **other))[0] == 404
    status, back, _ = await client("POST", undo, {"reason": "it counts"}, If_Match=seen)
    assert (status, back["etag"]) == (200, "2")
    assert len(await sqlite_desk.rows(sa.select(instance.c.id))) == 2
    status, refused, _ = await client("POST", undo, {"reason": "again"}, If_Match='"2"')
    assert (status, refused["code"]) == (409, "already-undone")
