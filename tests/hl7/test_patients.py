"""ADT: registered, mended, and never made somebody else."""

import datetime as dt

import pytest

from kernel.sql.db import Database
from referrals.orders.model import Sex
from tests.hl7.door import LIU, OTHER_RESIDENT, RESIDENT, open_door, written

A08 = "ADT^A08"


@pytest.mark.parametrize("kind", ["ADT^A01^ADT_A01", "ADT^A04", "ADT^A08"])
async def test_registers_whom_nobody_knows(sqlite_database: Database, kind: str) -> None:
    door = await open_door(sqlite_database)
    assert await door.ask(written(kind, LIU)) == "AA"
    (person,) = await door.patients()
    assert (person.patient_id, person.name, person.sex) == ("QS001", "刘小凤", Sex.FEMALE)
    assert (person.birth_date, person.resident_id) == (dt.date(1985, 7, 2), RESIDENT)
    assert (person.phone, person.name_pinyin) == ("13800000000", "Liu Xiaofeng")
    assert (person.institution, person.registered_by) == ("qingshan", "hl7:HIS")


async def test_mends_what_is_told_and_leaves_the_rest(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    await door.ask(written(A08, LIU))
    await door.ask(written(A08, "PID|1||QS001^^^QS^MR||刘^晓凤||||||||139-0000 0000", number="2"))
    (person,) = await door.patients()
    assert (person.name, person.phone, person.version) == ("刘晓凤", "139-0000 0000", 2)
    assert (person.resident_id, person.sex) == (RESIDENT, Sex.FEMALE)
    assert await door.ask(written(A08, 'PID|1||QS001||刘晓凤||||||||""', number="3")) == "AA"
    (person,) = await door.patients()
    assert person.phone == ""


async def test_writes_no_version_where_nothing_is_other(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    for number in "12":
        assert await door.ask(written(A08, LIU, number=number)) == "AA"
    (person,) = await door.patients()
    assert person.version == 1


async def test_tells_of_a_resident_number_that_is_somebody_elses(database: Database) -> None:
    door = await open_door(database)
    await door.ask(written(A08, LIU))
    await door.ask(written(A08, "PID|1||QS002||王芳", number="2"))
    taken = written(A08, f"PID|1||QS002~{RESIDENT}^^^^NI||王芳", number="3")
    (answer,) = await door.send(taken)
    err = answer.first("ERR")
    assert err is not None
    assert [err.field(n) for n in (2, 3, 5)] == [
        "PID^1^3",
        "205^Duplicate key identifier^HL70357",
        "already-registered",
    ]
    liu, wang = await door.patients()
    assert (liu.resident_id, wang.resident_id, wang.version) == (RESIDENT, "", 1)
    refused = (await door.trail())[-1]
    assert (refused["outcome"], refused["reason"]) == (8, "already-registered")


async def test_makes_nobody_another_person_under_a_number_given_twice(
    sqlite_database: Database,
) -> None:
    door = await open_door(sqlite_database)
    await door.ask(written(A08, LIU))
    other = written(A08, f"PID|1||QS001~{OTHER_RESIDENT}^^^^NI||赵强||19900307|M", number="2")
    assert await door.ask(other) == "AE PID^1^3 205 other-person"
    (person,) = await door.patients()
    assert (person.name, person.version) == ("刘小凤", 1)


SAYS_WHICH_FIELD_CANNOT_BE = [
    ("PID|1||||刘小凤", "AE PID^1^3 101 required-field-missing"),
    ("PID|1||QS9||", "AE PID^1^5 101 required-field-missing"),
    ("PID|1||QS9^^^^DL||刘", "AE PID^1^3 101 required-field-missing"),
    (f"PID|1||QS9~{RESIDENT[:-1]}1^^^^NI||刘", "AE PID^1^3 102 invalid-resident-id"),
    (f"PID|1||QS9||刘||19850703||||||||||||{RESIDENT}", "AE PID^1^3 102 resident-id-differs"),
    ("PID|1||QS9||刘||29850101", "AE PID^1^3 102 invalid-birth-date"),
    ("PID|1||QS9||刘||yesterday", "AE PID^1^7 102 invalid-date"),
    ("PID|1||QS9||刘||19850702|Q", "AE PID^1^8 103 unknown-table-value"),
    (r"PID|1||QS9\E\1||刘", "AE PID^1^3 102 invalid-patient-id"),
    (f"PID|1||QS9||{'刘' * 65}", "AE PID^1^5 102 invalid-name"),
]


async def test_says_which_field_cannot_be(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    for pid, told in SAYS_WHICH_FIELD_CANNOT_BE:
        assert await door.ask(written(A08, pid)) == told
    assert await door.patients() == []


@pytest.mark.parametrize(
    ("field", "name", "latin"),
    [
        ("刘^小凤", "刘小凤", "Liu Xiaofeng"),
        ("刘小凤^^^^^^L^I~LIU^XIAOFENG^^^^^L^A", "刘小凤", "LIU XIAOFENG"),
        ("LIU^XIAOFENG^^^^^L^A~刘小凤^^^^^^L^I", "刘小凤", "LIU XIAOFENG"),
        ("DOE&van^JANE^A", "DOE JANE A", "DOE JANE A"),
        ("阿依古丽^买买提", "阿依古丽买买提", "Ayiguli Maimaiti"),
    ],
)
async def test_reads_names_as_they_are_written(
    sqlite_database: Database, field: str, name: str, latin: str
) -> None:
    door = await open_door(sqlite_database)
    assert await door.ask(written(A08, f"PID|1||QS9||{field}")) == "AA"
    (person,) = await door.patients()
    assert person.name == name
    assert person.name_pinyin.replace(" ", "").lower() == latin.replace(" ", "").lower()


async def test_reads_a_gbk_name_with_second_bytes_that_separate(
    sqlite_database: Database,
) -> None:
    door = await open_door(sqlite_database)
    text = written(A08, "PID|1||QS9||镼誠昞", more="||||||GB 18030-2000").decode()
    assert await door.ask(text.encode("gb18030")) == "AA"
    (person,) = await door.patients()
    assert person.name == "镼誠昞"


async def test_keeps_a_segment_hidden_in_a_name_within_the_name(
    sqlite_database: Database,
) -> None:
    door = await open_door(sqlite_database)
    hidden = r"PID|1||QS9||刘\X0D\PID\F\1\F\\F\QS7"
    assert await door.ask(written(A08, hidden)) == "AA"
    (person,) = await door.patients()
    assert (person.patient_id, person.name) == ("QS9", "刘 PID|1||QS7")
