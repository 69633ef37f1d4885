"""One person with numbers of several houses: joined by what is certain, asked about what is not."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientSession

from imaging.archive.amending import Hand
from imaging.archive.tables import instance, patient, study
from imaging.patients import likeness, persons
from imaging.patients.follower import TOPICS, FoundToBe, PersonFollower, Registered
from imaging.patients.http import PersonDoor
from imaging.patients.matching import Known, NumberKind, Verdict, verdict
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.tables import match_proposals, person_merges
from kernel.audit.trail import audit_entries
from kernel.errors import Stale
from kernel.events import publish
from kernel.sql.db import Database
from tests.imaging.desk import Desk
from tests.imaging.door import AS_INSTITUTION, AS_ROLE, serve
from tests.imaging.sample import AT, ct
from tests.imaging.test_corrections import hand
from tests.imaging.test_stow import store
from tests.imaging.web_door import open_door

ID, OTHER_ID = "990000199001011234", "990000198001011234"
RESIDENT, CARD = NumberKind.RESIDENT_ID, NumberKind.HEALTH_CARD
ZHANG = Known(name="Zhang^San=张三", sex="M", birth_date="19900101", numbers={RESIDENT: ID})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(Known(name="x", numbers={RESIDENT: ID}), Verdict.SAME, id="number-decides"),
        pytest.param(
            Known(name="张三", sex="M", birth_date="19900101", numbers={RESIDENT: OTHER_ID}),
            Verdict.APART,
            id="another-number-decides-too",
        ),
        pytest.param(
            Known(name="张 三", sex="M", birth_date="19900101"), Verdict.PERHAPS, id="name-asks"
        ),
        pytest.param(
            Known(name="ZHANG^SAN", sex="M", birth_date="19900101"), Verdict.PERHAPS, id="letters"
        ),
        pytest.param(
            Known(name="章三", sex="M", birth_date="19900101"), Verdict.APART, id="other-characters"
        ),
        pytest.param(Known(name="张三", sex="M"), Verdict.APART, id="no-birth-date"),
        pytest.param(
            Known(name="张三", sex="F", birth_date="19900101"), Verdict.APART, id="other-sex"
        ),
    ],
)
def test_what_two_patients_are_to_each_other(other: Known, expected: Verdict) -> None:
    assert verdict(ZHANG, other) is verdict(other, ZHANG) is expected


def test_one_number_that_agrees_and_one_that_does_not_is_a_question() -> None:
    both = Known(numbers={RESIDENT: ID, CARD: "1"})
    assert verdict(both, Known(numbers={RESIDENT: ID, CARD: "2"})) is Verdict.PERHAPS


def machine() -> Hand:
    return Hand(institution="centre", allowed="matching", reason="number", at=AT, chain="test")


async def register(
    database: Database, house: str, number: str, resident: str = "", name: str = "张三"
) -> int:
    def write(conn: sa.Connection) -> int:
        row = persons.note_registered(
            conn,
            PatientIdentity.of(patient_id=number, issuer="", institution=house),
            Demographics(name, "M", "19900101"),
            {RESIDENT: resident},
            source="registration:1",
            at=AT,
        )
        for each in likeness.to_match(conn, limit=100):
            likeness.match(conn, each, machine())
        return row

    return await database.write(write)


async def groups(desk: Desk) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for row in await desk.rows(sa.select(patient.c.id, patient.c.person).order_by(patient.c.id)):
        found.setdefault(row["person"], []).append(row["id"])
    return sorted(found.values())


async def test_the_same_resident_number_at_two_houses_is_one_person(desk: Desk) -> None:
    one = await register(desk.database, "qingshan", "1", ID)
    two = await register(desk.database, "baihe", "1", ID, name="张叁")
    three = await register(desk.database, "baihe", "2", OTHER_ID)
    assert await groups(desk) == [[one, two], [three]]
    # Somebody parts them: the number alone joins them no more.
    (made,) = await desk.rows(sa.select(person_merges.c.id, person_merges.c.kept))
    await desk.database.write(
        lambda conn: persons.unmerge(conn, made["kept"], made["id"], hand("two people"), seen="2")
    )
    await register(desk.database, "qingshan", "1")
    await register(desk.database, "qingshan", "1", ID)
    assert await groups(desk) == [[one], [two], [three]]


async def test_about_a_name_that_devices_write_for_anybody_nobody_is_asked(desk: Desk) -> None:
    for number in range(15):
        await register(desk.database, "qingshan", str(number))
    last = await register(desk.database, "baihe", "99")
    asked = await desk.rows(sa.select(match_proposals.c.one, match_proposals.c.other))
    assert asked
    assert last not in {patient for row in asked for patient in row.values()}
    # A number that is certain joins all the same.
    one = await register(desk.database, "qingshan", "0", ID)
    assert [one, await register(desk.database, "baihe", "100", ID)] in await groups(desk)


async def answer_all(desk: Desk, *, same: bool) -> int:
    """Say to every open question that the two are *same*, or not; returns how many there were."""
    columns = match_proposals.c
    asked = await desk.rows(sa.select(columns.id).where(columns.state == persons.OPEN))
    for each in asked:
        answer = partial(persons.decide_proposal, proposal=each["id"], hand=hand(), same=same)
        await desk.database.write(partial(answer, seen="1"))
    return len(asked)


async def test_the_next_number_of_one_person_with_many_is_asked_about_once(desk: Desk) -> None:
    for number in range(14):
        await register(desk.database, "qingshan", f"EX{number}")
        assert await answer_all(desk, same=True) == min(number, 1)
    (one,) = await groups(desk)
    last = await register(desk.database, "baihe", "9")
    columns = match_proposals.c
    about = sa.select(columns.one).where(columns.state == persons.OPEN, columns.other == last)
    assert [row["one"] for row in await desk.rows(about)] == [one[0]]


async def test_namesakes_that_somebody_told_apart_leave_room_for_a_question(desk: Desk) -> None:
    for number in range(11):
        await register(desk.database, "qingshan", str(number))
        assert await answer_all(desk, same=False) == number
    await register(desk.database, "baihe", "9")
    assert await answer_all(desk, same=True) == 0
    # More is known of the last but one, who is none of the ten before and may be the last.
    await register(desk.database, "qingshan", "10", ID)
    assert await answer_all(desk, same=True) == 1
    assert [len(each) for each in await groups(desk)] == [1] * 10 + [2]


async def test_who_was_said_not_to_be_somebody_is_not_asked_about_by_another_number(
    desk: Desk,
) -> None:
    await register(desk.database, "qingshan", "1", ID)
    await register(desk.database, "baihe", "9")
    assert await answer_all(desk, same=False) == 1
    # Another number of the first one.
    await register(desk.database, "dahe", "5", ID)
    assert await answer_all(desk, same=False) == 0


@pytest.mark.parametrize("same", [True, False])
async def test_a_name_alone_is_a_question_somebody_answers_once(desk: Desk, *, same: bool) -> None:
    one = await register(desk.database, "qingshan", "1")
    two = await register(desk.database, "baihe", "9")
    (asked,) = await desk.rows(sa.select(match_proposals.c.id, match_proposals.c.state))
    assert asked["state"] == "open"

    async def answer(seen: str) -> None:
        await desk.database.write(
            lambda conn: persons.decide_proposal(conn, asked["id"], hand(), same=same, seen=seen)
        )

    with pytest.raises(Stale):
        await answer("7")
    await answer("1")
    told = [row["detail"] for row in await desk.rows(sa.select(audit_entries.c.detail))]
    refused = [each["reason"] for each in told if each.get("act") == "refuse-match"]
    assert refused == ([] if same else [hand().reason])
    assert await groups(desk) == ([[one, two]] if same else [[one], [two]])
    with pytest.raises(persons.Decided):
        await answer("2")


async def test_merges_in_a_circle_or_with_oneself_are_refused_and_parted_in_order(
    desk: Desk,
) -> None:
    rows = [await register(desk.database, "qingshan", str(n), name=f"张{n}") for n in range(3)]
    a, b, c = [
        await desk.database.write(partial(persons.person_of, row=row, at=AT)) for row in rows
    ]

    async def merge(kept: int, gone: int, seen: str) -> int:
        return await desk.database.write(
            lambda conn: persons.merge(conn, kept, gone, hand(), seen=seen)
        )

    async def refused(kept: int, gone: int, seen: str) -> str:
        with pytest.raises(persons.MergeRefused) as caught:
            await merge(kept, gone, seen)
        return caught.value.code

    assert await refused(a, a, "1") == "merge-with-itself"
    first = await merge(a, b, "1")
    assert await refused(b, a, "2") == "merged-already"
    with pytest.raises(Stale):
        await merge(a, c, "1")
    second = await merge(c, a, "1")
    assert await groups(desk) == [rows]

    async def part(person: int, row: int, seen: str) -> None:
        await desk.database.write(
            lambda conn: persons.unmerge(conn, person, row, hand("not one"), seen=seen)
        )

    with pytest.raises(persons.MergeRefused, match="later"):
        await part(a, first, "3")
    await part(c, second, "2")
    assert await groups(desk) == [rows[:2], rows[2:]]
    await part(a, first, "4")
    assert await groups(desk) == [[row] for row in rows]


async def test_many_first_objects_by_two_doors_make_one_patient_and_one_study(
    desk: Desk,
) -> None:
    files = [ct(number, series=1 + number % 3) for number in range(1, 17)]
    async with open_door(desk) as door:
        await asyncio.gather(
            *(store(door, file) for file in files[::2]),
            *(desk.receive(file) for file in files[1::2]),
        )
        await desk.receive(files[0])
        assert await desk.filer.progress.filed("dicom", await desk.receive(files[1]), 20.0)
    counts = sa.select(study.c.instance_count, study.c.series_count, study.c.duplicate_count)
    assert [tuple(row.values()) for row in await desk.rows(counts)] == [(16, 3, 2)]
    assert len(await desk.rows(sa.select(patient.c.id))) == 1
    assert len(await desk.rows(sa.select(instance.c.id))) == 16


class _Registrations:
    """Two registered patients, of whom only one is told of by an event."""

    def __init__(self) -> None:
        self.people = {"01": self._person("1", ID)}

    @staticmethod
    def _person(number: str, resident: str) -> Registered:
        return Registered(
            identity=PatientIdentity(number, "", "baihe"),
            demographics=Demographics("张三", "M", "19900101"),
            numbers={RESIDENT: resident},
            source="registration:1",
        )

    def all_after(self, conn: sa.Connection, last: str, /, *, limit: int) -> Sequence[str]:
        del conn
        return [key for key in sorted(self.people) if key > last][:limit]

    def get(self, conn: sa.Connection, patient: str, /) -> Registered | None:
        del conn
        return self.people.get(patient)

    def found_to_be(self, conn: sa.Connection, patient: str, /) -> Sequence[FoundToBe]:
        del conn, patient
        return []

    def add(self, key: str, number: str) -> None:
        self.people[key] = self._person(number, ID)


async def test_who_was_registered_before_and_who_is_now_are_followed(desk: Desk) -> None:
    known = _Registrations()
    follower = PersonFollower(desk.database, desk.clock, known, institution="centre")
    while await follower.look():
        pass
    known.add("02", "2")
    told = partial(publish, topic=TOPICS[0], payload={"id": "02"}, institution="b", at=AT)
    await desk.database.write(told)
    while await follower.look():
        pass
    (both,) = await groups(desk)
    assert len(both) == 2
    assert await follower.look() == 0


async def test_the_centre_decides_and_nobody_else_hears_of_it(desk: Desk) -> None:
    await register(desk.database, "qingshan", "1", ID)
    await register(desk.database, "baihe", "9")
    routes = PersonDoor("qingshan", chain="test-persons").routes()
    async with serve(desk, routes) as server, ClientSession() as http:

        async def ask(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
            sent = {"Idempotency-Key": path, AS_ROLE: "registrar"} | {
                name.replace("_", "-"): value for name, value in headers.items()
            }
            url = server.make_url(f"/api/v1/persons{path}")
            async with http.request(method, url, json=body, headers=sent) as answer:
                return answer.status, await answer.json(content_type=None)

        status, page = await ask("GET", "/proposals")
        (asked,) = page["items"]
        assert (status, asked["agrees"], asked["differs"]) == (
            200,
            ["name", "sex", "birth_date"],
            [],
        )
        assert ID not in repr(page)
        away = {AS_INSTITUTION: "baihe"}
        assert (await ask("GET", "/proposals", **away))[0] == 404
        body, confirm = {"reason": "same card"}, f"/proposals/{asked['id']}/confirm"
        assert (await ask("POST", confirm, body, If_Match='"1"', **away))[0] == 404
        assert (await ask("POST", confirm, body))[0] == 428
        status, done = await ask("POST", confirm, body, If_Match='"1"')
        assert (status, done["state"]) == (200, "confirmed")
        assert await ask("POST", confirm, body, If_Match='"1"') == (200, done)
        _, person = await ask("GET", f"/{done['one']['person']}")
        assert len(person["identities"]) == 2
        undo = f"/{person['id']}/merges/{person['merges'][0]['id']}/undo"
        status, parted = await ask("POST", undo, body, If_Match=f'"{person["etag"]}"')
        assert (status, len(parted["identities"])) == (200, 1)
        assert parted["merges"][0]["undone_reason"] == body["reason"]
        for path in ("/0", "/x", f"/{'9' * 30}"):
            assert (await ask("GET", path))[0] == 404
