"""Deciding between two contents at its door: who may, once, from what was seen, and told."""

import pytest
import sqlalchemy as sa

from imaging.archive.amending import STUDY_DECIDED
from imaging.archive.amendment_tables import content_decisions
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.tables import instance_conflict
from kernel.audit.trail import AuditEvent, audit_entries
from kernel.events import events_after
from tests.imaging.decider import FIRST, OTHER_PIXELS, Person, open_ones
from tests.imaging.desk import Desk
from tests.imaging.door import AS_INSTITUTION, AS_ROLE
from tests.imaging.sample import ROOT, arrival, ct


async def test_it_is_in_the_trail_and_everybody_who_watches_hears_of_it(
    desk: Desk, person: Person
) -> None:
    await desk.file(FIRST, OTHER_PIXELS)
    last = (await desk.database.read(lambda conn: events_after(conn, 0, topics=[STUDY_UPDATED])))[
        -1
    ].id
    await person.choose()
    await person.take_back()
    events = await desk.database.read(
        lambda conn: events_after(conn, last, topics=[STUDY_DECIDED, STUDY_UPDATED])
    )
    told = [
        e.payload["conflicts"] if e.topic == STUDY_UPDATED else e.payload["undone"] for e in events
    ]
    assert told == [False, 0, True, 1]
    details = await desk.rows(
        sa.select(audit_entries.c.detail, audit_entries.c.username).where(
            audit_entries.c.event == AuditEvent.CHANGED
        )
    )
    assert [(row["detail"]["act"], row["detail"]["reason"]) for row in details] == [
        ("decide-content", "taken twice"),
        ("undo-decision", "it was right"),
    ]
    (kept,) = await desk.rows(sa.select(content_decisions))
    assert (kept["undone_reason"], kept["undone_by"]) == ("it was right", "technician@qingshan")


async def test_once_and_from_what_was_seen(sqlite_desk: Desk, lite: Person) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS)
    (each,) = await lite.conflicts()
    path, seen = f"/conflicts/{each['id']}", f'"{each["etag"]}"'
    body = {"content": each["digest"], "reason": "taken twice"}
    told = {"If_Match": seen, "Idempotency_Key": "once"}
    status, refused, _ = await lite("POST", path, body)
    assert status == 428
    # A third content came after they looked.
    await sqlite_desk.file(ct(1, pixels=9))
    status, refused, _ = await lite("POST", path, body, **told)
    assert (status, refused["code"]) == (412, "changed-meanwhile")
    (each, _) = await lite.conflicts()
    told["If_Match"] = f'"{each["etag"]}"'
    made = await lite("POST", path, body, **told)
    assert made[0] == 201
    assert await lite("POST", path, body, **told) == made
    status, refused, _ = await lite("POST", path, body, If_Match=made[2])
    assert (status, refused["code"]) == (409, "already-decided")
    undo = {"reason": "it was right"}
    status, _, now = await lite("POST", f"{path}/undo", undo, If_Match=made[2])
    assert status == 200
    status, refused, _ = await lite("POST", f"{path}/undo", undo, If_Match=now)
    assert (status, refused["code"]) == (409, "nothing-decided")


async def test_who_may_not_and_what_is_not_there(sqlite_desk: Desk, lite: Person) -> None:
    elsewhere = ct(1, StudyInstanceUID=f"{ROOT}.2")
    await sqlite_desk.file(FIRST, OTHER_PIXELS, elsewhere)
    one, other = await lite.conflicts()
    path, seen = f"/conflicts/{one['id']}", {"If_Match": f'"{one["etag"]}"'}
    body = {"content": one["digest"], "reason": "taken twice"}
    for headers, expected in (({AS_INSTITUTION: "baihe"}, 404), ({AS_ROLE: "doctor"}, 403)):
        status, _, _ = await lite("POST", path, body, **seen, **headers)
        assert status == expected
        status, _, _ = await lite("POST", f"{path}/undo", {"reason": "no"}, **seen, **headers)
        assert status == expected
    for at, broken, code in (
        (path, body | {"reason": " "}, "reason-missing"),
        (path, body | {"content": "x"}, "content-not-found"),
        (path, body | {"content": other["digest"]}, "content-of-another-study"),
        ("/conflicts/conflict-99", body, "conflict-not-found"),
        ("/conflicts/instance-1", body, "conflict-not-found"),
        (f"{path}/undo", {"reason": "no"}, "nothing-decided"),
    ):
        _, told, _ = await lite("POST", at, broken, **seen)
        assert told["code"] == code
    assert await open_ones(sqlite_desk) == 2


async def test_what_another_institution_sent_is_not_let_into_the_study(
    sqlite_desk: Desk, lite: Person
) -> None:
    await sqlite_desk.file(FIRST)
    foreign = ct(1, pixels=7, PatientID="0007")
    await sqlite_desk.file(foreign, told=arrival(institution="baihe"))
    (each,) = await lite.conflicts()
    assert each["says"] == []
    body = {"content": each["digest"], "reason": "taken twice"}
    path, seen = f"/conflicts/{each['id']}", {"If_Match": f'"{each["etag"]}"'}
    status, told, _ = await lite("POST", path, body, **seen)
    assert (status, told["code"]) == (404, "content-not-found")
    # That the own one stays is theirs to say.
    assert (await lite.choose(first=True))["decision"]["content"] == each["first"]["digest"]


async def test_an_object_that_is_gone_cannot_be_chosen(sqlite_desk: Desk, lite: Person) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS)
    (row,) = await sqlite_desk.rows(sa.select(instance_conflict.c.object_key))
    sqlite_desk.objects.delete(row["object_key"])
    (each,) = await lite.conflicts()
    body = {"content": each["digest"], "reason": "taken twice"}
    status, told, _ = await lite(
        "POST", f"/conflicts/{each['id']}", body, If_Match=f'"{each["etag"]}"'
    )
    assert (status, told["code"]) == (409, "content-unreadable")


@pytest.mark.parametrize("number", [0, 1])
async def test_one_decision_is_of_all_contents_of_its_uid(
    sqlite_desk: Desk, lite: Person, number: int
) -> None:
    await sqlite_desk.file(FIRST, OTHER_PIXELS, ct(1, pixels=9))
    wanted = (await lite.conflicts())[number]["digest"]
    await lite.choose(number)
    decided = await lite.conflicts()
    assert {each["first"]["digest"] for each in decided} == {wanted}
    assert [each["decision"]["content"] for each in decided] == [wanted] * 2
    assert await open_ones(sqlite_desk) == 0
