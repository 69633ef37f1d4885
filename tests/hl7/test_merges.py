"""ADT^A40: two numbers of a house made one person, which can be taken back."""

import sqlalchemy as sa

from imaging.archive.tables import patient
from imaging.patients.tables import person_merges
from kernel.sql.db import Database
from tests.hl7.door import LIU, OTHER_RESIDENT, Door, open_door, written

A40 = "ADT^A40^ADT_A39"


async def persons_of(door: Door) -> dict[str, int]:
    query = sa.select(patient.c.patient_id, patient.c.person)
    rows = await door.database.read(lambda conn: conn.execute(query).all())
    return {row.patient_id: row.person for row in rows}


async def test_makes_two_numbers_one_person_once(database: Database) -> None:
    door = await open_door(database)
    await door.ask(written("ADT^A04", LIU, number="1"))
    await door.ask(written("ADT^A04", "PID|1||QS002||刘小凤", number="2"))
    for number in "34":
        assert await door.ask(written(A40, LIU, "MRG|QS002^^^QS^MR", number=number)) == "AA"
    known = await persons_of(door)
    assert known["QS001"] == known["QS002"]
    count = sa.select(sa.func.count()).select_from(person_merges)
    assert await database.read(lambda conn: conn.scalar(count)) == 1
    assert len(await door.patients()) == 2


async def test_refuses_what_cannot_be_merged(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    await door.ask(written("ADT^A04", LIU, number="1"))
    other = f"PID|1||QS002~{OTHER_RESIDENT}^^^^NI||赵强"
    await door.ask(written("ADT^A04", other, number="2"))
    for number, (mrg, told) in enumerate(
        {
            "MRG|QS009": "AE MRG^1^1 204 patient-not-found",
            "MRG|QS001": "AE MRG^1^1 102 merge-with-itself",
            "MRG|QS002": "AE MRG^1^1 205 other-person",
            "MRG|": "AE MRG^1^1 101 required-field-missing",
            "PV1|1": "AE MRG^1 100 required-segment-missing",
        }.items(),
        3,
    ):
        assert await door.ask(written(A40, LIU, mrg, number=str(number))) == told
    assert await persons_of(door) == {}
