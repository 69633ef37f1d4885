"""What becomes of a message: who may send, what is known again, what is answered and when."""

import pytest

from gateway.hl7 import store
from gateway.hl7.mllp import BrokenFrame
from gateway.hl7.model import AckMode, Peer
from gateway.hl7.reading import read_header
from kernel.sql.db import Database
from tests.hl7.door import HERE, HIS, LIU, Door, open_door, written
from tests.orders.desk import QINGSHAN

A08 = "ADT^A08"


async def codes(door: Door, raw: bytes) -> list[str]:
    return [answer.segments[1].text(1) for answer in await door.send(raw)]


async def test_answers_when_it_is_kept_and_echoes_who_asked(database: Database) -> None:
    door = await open_door(database)
    (answer,) = await door.send(written(A08, LIU, number="M-7"))
    header, msa = answer.header, answer.segments[1]
    assert (msa.text(1), msa.text(2)) == ("AA", "M-7")
    assert [header.text(n) for n in (3, 4, 5, 6)] == ["YILIAN", "county", "HIS", "QS"]
    assert [header.text(9, n) for n in (1, 2, 3)] == ["ACK", "A08", "ACK"]
    assert header.text(18) == "UNICODE UTF-8"
    (row,) = await door.trail()
    assert (row["event"], row["patient"], row["outcome"]) == ("changed", "QS001", 0)
    assert row["username"] == "hl7:HIS"


async def test_does_a_message_once_however_often_it_comes(database: Database) -> None:
    door = await open_door(database)
    first = await door.send(written(A08, LIU, sent="20260512100000"))
    again = await door.send(written(A08, LIU, sent="20260512100500"))
    assert first == again
    assert len(await door.patients()) == 1
    assert len(await door.trail()) == 1


async def test_does_another_message_of_a_sender_that_counts_anew(database: Database) -> None:
    door = await open_door(database)
    for line in (LIU, LIU.replace("138", "139"), LIU):
        assert await door.ask(written(A08, line)) == "AA"
    (person,) = await door.patients()
    assert (person.phone, person.version) == ("13900000000", 2)


async def test_tries_again_what_it_refused(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    wrong = written(A08, LIU.replace("|19850702|", "|19850732|"))
    for _ in range(2):
        assert await door.ask(wrong) == "AE PID^1^7 102 invalid-date"
    assert await door.ask(written(A08, LIU)) == "AA"


@pytest.mark.parametrize(
    ("address", "application"), [("10.0.0.9", "HIS"), (HERE, "OTHER"), ("nowhere", "HIS")]
)
async def test_refuses_who_is_not_in_the_table_and_writes_it_down_once(
    sqlite_database: Database, address: str, application: str
) -> None:
    door = await open_door(sqlite_database)
    raw = written(A08, LIU).replace(b"|HIS|", f"|{application}|".encode())
    for _ in range(3):
        assert await door.ask(raw, address) == "AR MSH^1^3 103 unknown-sender"
    (row,) = await door.trail()
    assert (row["event"], row["reason"], row["address"]) == (
        "access-refused",
        "unknown-sender",
        address,
    )
    assert await door.patients() == []


async def test_knows_a_sender_of_any_facility_and_one_of_its_own(sqlite_database: Database) -> None:
    other = Peer(application="HIS", facility="QS", institution=QINGSHAN, networks=("10.1.0.0/16",))
    door = await open_door(sqlite_database, HIS, other)
    for address in (HERE, "10.1.9.9", "::ffff:10.1.2.3"):
        assert (await door.ask(written(A08, LIU), address)).startswith("AA")


SAYS_WHAT_IS_WRONG_AND_WHERE = [
    ((b"MSH|^~\\&", b"MSH|^^^^"), "AR  102 wrong-encoding-characters"),
    ((b"|ADT^A08|1|", b"|ADT^A08||"), "AR MSH^1^10 101 required-field-missing"),
    ((b"|ADT^A08|", b"||"), "AR MSH^1^9 101 required-field-missing"),
    ((b"|P|2.5", b"|P|3.0"), "AR MSH^1^12^1^1 203 unsupported-version"),
    ((b"|P|2.5", b"|P|"), "AR MSH^1^12 101 required-field-missing"),
    ((b"|P|2.5", b"|D|2.5"), "AR MSH^1^11^1^1 202 unsupported-processing-id"),
    ((b"|ADT^A08|", b"|ADT^A03|"), "AR MSH^1^9^1^2 201 unsupported-event"),
    ((b"|ADT^A08|", b"|ORU^R01|"), "AR MSH^1^9^1^1 200 unsupported-type"),
    ((b"PID|1|", b"PID-|1|"), "AR  100 not-a-segment"),
    ((b"PID|1|", b"ZZZ|1|"), "AE PID^1 100 required-segment-missing"),
]


async def test_says_what_is_wrong_and_where(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    for change, told in SAYS_WHAT_IS_WRONG_AND_WHERE:
        assert await door.ask(written(A08, LIU).replace(*change)) == told
    assert await door.patients() == []


ANSWERS_WHAT_IS_NO_MESSAGE_AT_ALL = [b"", b"GET /", b"\xff\xfe", b"MSH", b"MSH|^^^^|"]


async def test_answers_what_is_no_message_at_all(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    for raw in ANSWERS_WHAT_IS_NO_MESSAGE_AT_ALL:
        (answer,) = await door.send(raw)
        assert answer.segments[1].text(1) == "AR"


async def test_answers_an_old_version_in_its_own_form_of_error(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    raw = written(A08, LIU.replace("|F|", "|X|")).replace(b"|P|2.5", b"|P|2.3.1")
    (answer,) = await door.send(raw)
    assert answer.segments[2].field(1) == "PID^1^8^103&Table value not found&HL70357"


@pytest.mark.parametrize(
    ("wishes", "good", "bad"),
    [
        ("|||AL|AL", ["CA", "AA"], ["CA", "AE"]),
        ("|||AL|NE", ["CA"], ["CA"]),
        ("|||AL|", ["CA"], ["CA"]),
        ("|||NE|AL", ["AA"], ["AE"]),
        ("|||SU|ER", ["CA"], ["CA", "AE"]),
        ("|||ER|SU", ["AA"], []),
        ("|||NE|NE", [], []),
    ],
)
async def test_answers_in_enhanced_mode_what_is_asked_for(
    sqlite_database: Database, wishes: str, good: list[str], bad: list[str]
) -> None:
    door = await open_door(sqlite_database)
    assert await codes(door, written(A08, LIU, more=wishes)) == good
    wrong = written(A08, LIU.replace("|F|", "|X|"), number="2", more=wishes)
    assert await codes(door, wrong) == bad
    assert len(await door.patients()) == 1


async def test_rejects_at_once_in_enhanced_mode(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    for wish, told in (("|||AL|AL", ["CR"]), ("|||ER|NE", ["CR"]), ("|||NE|AL", [])):
        assert await codes(door, written("ORU^R01", LIU, more=wish)) == told


async def test_answers_a_peer_in_original_mode_where_it_is_set_so(
    sqlite_database: Database,
) -> None:
    plain = Peer(application="HIS", institution=QINGSHAN, networks=(HERE,), mode=AckMode.ORIGINAL)
    door = await open_door(sqlite_database, plain)
    assert await codes(door, written(A08, LIU, more="|||AL|AL")) == ["AA"]


async def test_does_after_a_restart_what_it_had_taken(database: Database) -> None:
    door = await open_door(database)
    asked = door.receiver.receive(written(A08, LIU, more="|||AL|AL"), HERE)
    told = await anext(asked)
    assert b"MSA|CA|1" in told
    await asked.aclose()  # the process ends here
    assert await door.patients() == []
    await door.receiver.finish_waiting()
    assert len(await door.patients()) == 1
    await door.receiver.finish_waiting()
    assert await codes(door, written(A08, LIU, more="|||AL|AL")) == ["CA", "AA"]
    assert len(await door.trail()) == 1


async def test_gives_up_what_nobody_may_send_any_more(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    asked = door.receiver.receive(written(A08, LIU, more="|||AL|AL"), HERE)
    await anext(asked)
    await asked.aclose()
    door.peers.replace([])
    await door.receiver.finish_waiting()
    assert await sqlite_database.read(lambda conn: store.waiting(conn, limit=5)) == []
    assert await door.patients() == []


async def test_lets_the_second_answer_wait_where_a_peer_is_called_back(database: Database) -> None:
    called = Peer(
        application="HIS", institution=QINGSHAN, networks=(HERE,), host="127.0.0.1", port=9
    )
    door = await open_door(database, called)
    assert await codes(door, written(A08, LIU, more="|||AL|AL")) == ["CA"]
    (waiting,) = await database.read(store.all_out)
    assert b"MSA|AA|1" in waiting.message
    assert b"|AL|NE|" in waiting.message


async def test_answers_a_frame_that_was_cut(sqlite_database: Database) -> None:
    door = await open_door(sqlite_database)
    head = written(A08, LIU)[:90]
    told = door.receiver.refusal(read_header(head), BrokenFrame("cut"))
    assert told is not None
    assert b"MSA|AR|1\r" in told


async def test_forgets_what_is_old_and_ended(database: Database) -> None:
    door = await open_door(database)
    await door.ask(written(A08, LIU))
    later = door.desk.clock.now().replace(year=2027)
    assert await database.write(lambda conn: store.forget(conn, before=later)) == 1
