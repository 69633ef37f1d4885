"""ORM and OMI: placed, changed, cancelled; all of a message or nothing."""

from kernel.arrival import Priority
from kernel.sql.db import Database
from referrals.orders.model import PatientClass, State
from tests.hl7.door import LIU, Door, open_door, written

ORM = "ORM^O01^ORM_O01"
NW = "ORC|NW|P1||||||||||D7^李^静"
OBR = "OBR|1|P1||EX-CT-HEAD^头颅CT平扫（示例）^L|||||||||突发头痛||||||||||||||||||^除外出血"


async def place(door: Door, *lines: str, number: str = "1") -> str:
    return await door.ask(written(ORM, LIU, *lines, number=number))


async def test_places_an_order_and_answers_with_its_number(database: Database) -> None:
    door = await open_door(database)
    (answer,) = await door.send(written(ORM, LIU, "PV1|1|I", NW, OBR))
    (order,) = await door.orders()
    (person,) = await door.patients()
    assert [answer.header.text(9, n) for n in (1, 2, 3)] == ["ORR", "O02", "ORR_O02"]
    told = answer.first("ORC")
    assert told is not None
    assert [told.text(n) for n in (1, 2, 3)] == ["OK", "P1", order.accession_number]
    assert (order.patient, order.examination.code) == (person.id, "EX-CT-HEAD")
    assert (order.patient_class, order.priority) == (PatientClass.INPATIENT, Priority.ROUTINE)
    assert (order.clinical_question, order.ordered_by_name) == ("除外出血\n突发头痛", "李静")
    assert order.institution == "qingshan"


async def test_takes_the_number_of_the_sender_where_it_tells_one(
    sqlite_database: Database,
) -> None:
    door = await open_door(sqlite_database)
    obr = "OBR|1|P1||EX-DR-CHEST||||||||||||||req-42"
    assert await place(door, NW, obr) == "AA"
    (order,) = await door.orders()
    assert order.accession_number == "REQ-42"
    assert await place(door, NW.replace("P1", "P2"), obr, number="2") == (
        "AE OBR^1^18 205 accession-number-taken"
    )


READS_HOW_URGENT_IT_IS = [
    (("ORC|NW|P1|||||^^^^^S", OBR), Priority.EMERGENCY),
    (("ORC|NW|P1", "TQ1|1||||||||A", OBR), Priority.URGENT),
    (("ORC|NW|P1", OBR.replace("L||", "L|S|")), Priority.EMERGENCY),
    (("PV1|1|E", "ORC|NW|P1", OBR), Priority.EMERGENCY),
    (("PV1|1|E", "ORC|NW|P1|||||^^^^^R", OBR), Priority.ROUTINE),
]


async def test_reads_how_urgent_it_is(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    for number, (lines, _) in enumerate(READS_HOW_URGENT_IT_IS):
        ordered = [line.replace("P1", f"P{number}") for line in lines]
        assert await place(door, *ordered, number=str(number)) == "AA"
    assert [one.priority for one in await door.orders()] == [
        wanted for _, wanted in READS_HOW_URGENT_IT_IS
    ]


async def test_takes_an_imaging_order_with_its_procedure(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    lines = (NW, "TQ1|1||||||202605131000+0800||S", OBR, "IPC|A77|RP1|1.2.3|SPS1|CT||||CT_QS")
    (answer,) = await door.send(written("OMI^O23^OMI_O23", LIU, *lines))
    assert answer.header.text(9, 3) == "ORI_O24"
    (order,) = await door.orders()
    assert (order.accession_number, order.station_ae_title) == ("A77", "CT_QS")
    assert order.scheduled_at.isoformat() == "2026-05-13T02:00:00+00:00"


async def test_cancels_changes_and_follows_its_status(database: Database) -> None:
    door = await open_door(database)
    await place(door, NW, OBR, "ORC|NW|P2", OBR, "ORC|NW|P3", OBR)
    asked = ("ORC|CA|P1", "ORC|XO|P2|||||^^^^^S", OBR, "ORC|SC|P3|||CM")
    assert await place(door, *asked, number="2") == "AA"
    first, second, third = await door.orders()
    assert (first.state, second.priority) == (State.CANCELLED, Priority.EMERGENCY)
    assert (third.state, second.state) == (State.COMPLETED, State.ORDERED)
    assert await place(door, "ORC|CA|P1", number="3") == "AA"  # it is cancelled already
    told = await place(door, "ORC|CA|P3", number="4")
    assert told == "AE ORC^1^1 205 act-not-allowed"


async def test_leaves_the_urgency_of_an_order_where_a_change_says_nothing_of_it(
    sqlite_database: Database,
) -> None:
    door = await open_door(sqlite_database)
    await place(door, "ORC|NW|P1|||||^^^^^S", OBR)
    assert await place(door, "ORC|XO|P1", OBR.replace("突发", "反复"), number="2") == "AA"
    (order,) = await door.orders()
    assert (order.priority, order.version) == (Priority.EMERGENCY, 2)
    assert "反复头痛" in order.clinical_question


async def test_does_all_of_a_message_or_nothing(database: Database) -> None:
    door = await open_door(database)
    told = await place(door, NW, OBR, "ORC|NW|P2", "OBR|2|P2||NO-SUCH^Unknown^L")
    assert told == "AE OBR^2^4 103 examination-not-found"
    assert (await door.orders(), await door.patients()) == ([], [])
    assert await place(door, NW, OBR, "ORC|NW|P2", OBR) == "AA"
    assert len(await door.orders()) == 2


SAYS_WHAT_CANNOT_BE = [
    ((), "AE ORC^1 100 required-segment-missing"),
    (("ORC|NW",), "AE ORC^1^2 101 required-field-missing"),
    (("ORC|ZZ|P1",), "AE ORC^1^1 103 unknown-table-value"),
    (("ORC|CA|P9",), "AE ORC^1^2 204 order-not-found"),
    (("ORC|NW|P0", OBR), "AE ORC^1^2 205 order-there"),
    (("ORC|SC|P0|||XX",), "AE ORC^1^5 103 unknown-table-value"),
    (("ORC|NW|P1", OBR.replace("L||", "L|Q|")), "AE OBR^1^5^1^1 103 unknown-table-value"),
    (("ORC|NW|P1|||||^^^20200101", OBR), "AE ORC^1^7^1^4 102 invalid-time"),
    (("ORC|NW|P1|||||^^^202001011200", OBR), "AE OBR^1^18 102 invalid-scheduled-at"),
    (("ORC|XO|P0", "OBR|1|P0||EX-DR-CHEST"), "AE ORC^1^1 200 other-examination"),
]


async def test_says_what_cannot_be(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    await place(door, "ORC|NW|P0", OBR, number="0")
    for lines, told in SAYS_WHAT_CANNOT_BE:
        assert await place(door, *lines) == told
    assert len(await door.orders()) == 1


async def test_cancels_no_order_of_another_patient(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    await place(door, NW, OBR)
    await door.ask(written("ADT^A04", "PID|1||QS002||王芳", number="2"))
    other = written(ORM, "PID|1||QS002||王芳", "ORC|CA|P1", number="3")
    assert await door.ask(other) == "AE ORC^1^2 205 other-patient"
    (order,) = await door.orders()
    assert order.state is State.ORDERED


async def test_finds_an_examination_by_its_whole_name(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    assert await place(door, NW, "OBR|1|P1||24725-4^胸部正位（示例）^LN") == "AA"
    (order,) = await door.orders()
    assert order.examination.code == "EX-DR-CHEST"
