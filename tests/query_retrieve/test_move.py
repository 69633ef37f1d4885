"""C-MOVE: to destinations of every kind, cancelled, broken off, refused."""

import asyncio
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.association import Association

from gateway.dimse.attributes import write_attributes
from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.sop_classes import STUDY_ROOT_MOVE
from imaging.archive.reach import give_to
from kernel.dicom.status import Status
from tests.dimse.doors import OUR_TITLE, until
from tests.dimse.peers import associated
from tests.dimse.wire_bytes import EXPLICIT_LE, IMPLICIT_LE, p_data, pdv
from tests.imaging.sample import AT, CT, ROOT
from tests.query_retrieve.conftest import KEPT_DENSE, SR, numbers
from tests.query_retrieve.pacs import BAIHE, GETS, MOVES, QINGSHAN, Pacs
from tests.query_retrieve.peers import (
    Gate,
    Heard,
    Received,
    content,
    destination,
    identifier,
    moved,
)
from tests.query_retrieve.test_access import trail, write
from tests.query_retrieve.test_get import open_objects

JPEG_LS = "1.2.840.10008.1.2.4.80"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
STUDY_1 = f"{ROOT}.1"
WHOLE = identifier("STUDY", StudyInstanceUID=STUDY_1)
DENSE = identifier("STUDY", StudyInstanceUID=f"{ROOT}.2")
MIXED = identifier("STUDY", StudyInstanceUID=f"{ROOT}.3")


def test_a_study_goes_to_the_destination_with_who_asked_for_it(archive: Pacs) -> None:
    with destination(archive, "DEST1") as received:
        heard = moved(archive, "DEST1", WHOLE)
    assert heard.last == Status.SUCCESS
    assert heard.counts[-1] == (None, 3, 0, 0)
    assert heard.statuses[0] == Status.PENDING
    assert sum(heard.counts[0][:2]) == 3  # type: ignore[arg-type]
    assert numbers(received.uids) == "1.1.1 1.1.2 1.2.1"
    assert received.originators == [("VIEWER", 7)] * 3
    event, who, subject, _, reason = trail(archive)[-1]
    assert (event, who, subject) == ("exported", "ae:VIEWER", f"study:{STUDY_1}")
    assert reason == "own-institution"


def test_a_patient_goes_study_by_study(archive: Pacs) -> None:
    with destination(archive, "DEST1") as received:
        ds = identifier("PATIENT", PatientID="990000199001011234")
        heard = moved(archive, "DEST1", ds, model="P")
    assert heard.last == Status.SUCCESS
    assert numbers(received.uids) == "4.1.1 1.1.1 1.1.2 1.2.1"


def test_images_go_without_the_keys_above_where_that_is_agreed(archive: Pacs) -> None:
    ds = identifier("IMAGE", SOPInstanceUID=[f"{STUDY_1}.2.1", f"{ROOT}.4.1.1"])
    with destination(archive, "DEST1") as received:
        assert moved(archive, "DEST1", ds).last == 0xA900
        heard = moved(archive, "DEST1", ds, extended=b"\1")
    assert heard.last == Status.SUCCESS
    assert numbers(received.uids) == "4.1.1 1.2.1"


@pytest.mark.parametrize(
    ("taken", "sent"),
    [
        pytest.param([EXPLICIT_LE, IMPLICIT_LE, HTJ2K_RPCL], HTJ2K_RPCL, id="as-it-lies"),
        pytest.param([IMPLICIT_LE, EXPLICIT_LE], EXPLICIT_LE, id="as-its-device-made-it"),
        pytest.param([IMPLICIT_LE], IMPLICIT_LE, id="implicit-only"),
        pytest.param([JPEG_LS], JPEG_LS, id="jpeg-ls-only"),
    ],
)
def test_an_object_goes_in_the_best_form_the_destination_takes(
    archive: Pacs, taken: list[str], sent: str
) -> None:
    with destination(archive, "DEST1", contexts=[(CT, taken)]) as received:
        heard = moved(archive, "DEST1", DENSE)
    assert (heard.last, received.syntaxes) == (Status.SUCCESS, [sent, sent])
    assert [content(one) for one in received.files] == [content(one) for one in KEPT_DENSE]


def test_what_the_destination_refuses_fails_and_the_rest_goes(archive: Pacs) -> None:
    with destination(archive, "DEST1", contexts=[(SR, [IMPLICIT_LE])]) as received:
        heard = moved(archive, "DEST1", MIXED)
    assert heard.last == Status.SUBOPERATIONS_WITH_FAILURES
    assert numbers(received.uids) == "3.5.1"
    assert (heard.counts[-1], numbers(heard.failed)) == ((None, 1, 1, 0), "3.1.1")


def test_a_destination_that_takes_nothing_fails_all(archive: Pacs) -> None:
    with destination(archive, "DEST1", contexts=[(SR, [JPEG_LS])]):
        heard = moved(archive, "DEST1", WHOLE)
    assert heard.last == Status.CANNOT_PERFORM_SUBOPERATIONS
    assert numbers(heard.failed) == "1.1.1 1.1.2 1.2.1"


def test_a_destination_that_is_down_fails_all(archive: Pacs, closed_port: int) -> None:
    archive.knows("DOWN", closed_port)
    heard = moved(archive, "DOWN", WHOLE)
    assert heard.last == Status.CANNOT_PERFORM_SUBOPERATIONS
    assert heard.counts[-1] == (None, 0, 3, 0)


def test_a_destination_that_never_answers_is_given_up(archive: Pacs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        archive.knows("MUTE", mute.getsockname()[1])
        heard = moved(archive, "MUTE", WHOLE)
    assert heard.last == Status.CANNOT_PERFORM_SUBOPERATIONS
    assert len(heard.failed) == 3


def test_a_destination_that_aborts_one_object_gets_the_others(archive: Pacs) -> None:
    def aborts_second(received: Received) -> int:
        return -1 if numbers(received.uids[-1:]) == "1.1.2" else 0

    with destination(archive, "DEST1", answer=aborts_second) as received:
        heard = moved(archive, "DEST1", WHOLE)
    assert heard.last == Status.SUBOPERATIONS_WITH_FAILURES
    assert heard.counts[-1] == (None, 2, 1, 0)
    assert numbers(heard.failed) == "1.1.2"
    assert numbers(received.uids) == "1.1.1 1.1.2 1.2.1"


def test_a_destination_that_aborts_every_object_is_not_called_for_ever(archive: Pacs) -> None:
    with destination(archive, "DEST1", answer=lambda _: -1) as received:
        heard = moved(archive, "DEST1", WHOLE)
    assert heard.last == Status.CANNOT_PERFORM_SUBOPERATIONS
    assert len(received.files) == 2


@pytest.mark.parametrize(
    ("title", "known"),
    [
        pytest.param("NOBODY", None, id="unknown"),
        pytest.param("VIEWER", None, id="the-asker-without-a-row-that-names-its-address"),
        pytest.param("NOHOST", {"port": 104, "host": ""}, id="no-host"),
        pytest.param("NOPORT", {"port": 0}, id="no-port"),
        pytest.param("NETWORK", {"port": 104, "host": "127.0.0.0/8"}, id="a-network"),
        pytest.param("127.0.0.1", None, id="an-address"),
    ],
)
def test_a_destination_is_only_what_the_table_says(
    archive: Pacs, title: str, known: dict[str, Any] | None
) -> None:
    if known is not None:
        archive.knows(title, **known)
    heard = moved(archive, title, WHOLE)
    assert heard.statuses == [Status.MOVE_DESTINATION_UNKNOWN]
    assert heard.comment == "The table has no host and port for this destination."


def test_a_destination_that_wants_tls_gets_nothing_in_the_clear(archive: Pacs) -> None:
    archive.knows("SECRET", 2762, tls=True)
    heard = moved(archive, "SECRET", WHOLE)
    assert heard.statuses == [Status.CANNOT_PERFORM_SUBOPERATIONS]


def test_an_entity_that_may_not_query_has_no_retrieval(archive: Pacs) -> None:
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.network_timeout = 15
    for sop_class in (*MOVES.values(), *GETS.values()):
        ae.add_requested_context(sop_class)
    assoc = ae.associate(*archive.address, ae_title=OUR_TITLE.value)
    assert [context.result for context in assoc.rejected_contexts] == [3, 3, 3, 3]
    assoc.release() if assoc.is_established else assoc.abort()


def test_another_house_gets_nothing_but_what_it_may_see(archive: Pacs) -> None:
    both = identifier("STUDY", StudyInstanceUID=[STUDY_1, f"{ROOT}.4"])
    with destination(archive, "THEIRS", institution=BAIHE) as received:
        before = trail(archive)
        heard = moved(archive, "THEIRS", WHOLE)
        assert heard.statuses == [Status.MOVE_DESTINATION_UNKNOWN]
        assert trail(archive) == before
        write(
            archive,
            lambda conn: give_to(conn, f"{ROOT}.4", [BAIHE], rule="ct", priority=None, at=AT),
        )
        heard = moved(archive, "THEIRS", both)
    assert heard.last == Status.SUBOPERATIONS_WITH_FAILURES
    assert numbers(received.uids) == "4.1.1"
    assert numbers(heard.failed) == "1.1.1 1.1.2 1.2.1"
    assert heard.comment == "The destination may not see the study."


def test_another_house_finds_nothing_to_move(archive: Pacs) -> None:
    with destination(archive, "DEST1", institution=QINGSHAN) as received:
        heard = moved(archive, "DEST1", WHOLE, title="BAIHE")
    assert (heard.last, received.files) == (Status.SUCCESS, [])
    assert heard.counts[-1] == (None, 0, 0, 0)


def test_a_cancelled_move_ends_with_its_counts(archive: Pacs) -> None:
    gate = Gate()

    def cancel(assoc: Association, heard: Heard) -> bool:
        if len(heard.statuses) == 1:
            assert gate.reached.wait(10)
            assoc.send_c_cancel(99, query_model=STUDY_ROOT_MOVE)
            assoc.send_c_cancel(7, query_model=STUDY_ROOT_MOVE)
        return True

    with destination(archive, "DEST1", answer=gate) as received:
        heard = moved(archive, "DEST1", WHOLE, after=cancel)
        gate.open()
    assert heard.last == Status.CANCELLED
    assert heard.counts[-1] == (3, 0, 0, 0)
    assert len(received.files) == 1


def test_an_asker_that_aborts_ends_the_sending(archive: Pacs) -> None:
    gate = Gate()

    def abort(assoc: Association, heard: Heard) -> bool:
        assert gate.reached.wait(10)
        assoc.abort()
        return False

    with destination(archive, "DEST1", answer=gate) as received:
        moved(archive, "DEST1", WHOLE, after=abort)
        gate.open()
        # Whoever comes next finds the destination free.
        assert moved(archive, "DEST1", WHOLE).last == Status.SUCCESS
    assert len(received.files) == 4


def test_a_third_retrieval_waits_for_its_turn_at_a_destination(archive: Pacs) -> None:
    gate = Gate()
    waiting = threading.Event()

    def third(assoc: Association, heard: Heard) -> bool:
        waiting.set()
        return True

    with destination(archive, "DEST1", answer=gate) as received, ThreadPoolExecutor(3) as pool:
        first = [pool.submit(moved, archive, "DEST1", WHOLE) for _ in range(2)]
        asyncio.run(until(lambda: len(received.files) == 2))
        last = pool.submit(moved, archive, "DEST1", DENSE, after=third)
        assert waiting.wait(10)
        assert len(received.files) == 2
        gate.open()
        assert [one.result(20).last for one in (*first, last)] == [Status.SUCCESS] * 3
    assert len(received.files) == 8


def move_command(message_id: int, to: str) -> bytes:
    return Command(
        CommandField.C_MOVE_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(STUDY_ROOT_MOVE),
            Element.MESSAGE_ID: us_bytes(message_id),
            Element.PRIORITY: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
            Element.MOVE_DESTINATION: to.encode().ljust(len(to) + len(to) % 2),
        },
    ).encode()


async def test_a_second_request_before_the_end_of_the_first_is_a_fault(archive: Pacs) -> None:
    # PS3.7 D.3.3.3: without an agreed window one operation is under way at most.
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY_1}
    asked = write_attributes(keys, EXPLICIT_LE)
    gate = Gate()
    with destination(archive, "DEST1", answer=gate) as received:
        async with associated(archive.address, STUDY_ROOT_MOVE, calling="VIEWER") as scu:
            first = p_data(pdv(1, 3, move_command(7, "DEST1"))) + p_data(pdv(1, 2, asked))
            await scu.send(first)
            assert await asyncio.to_thread(gate.reached.wait, 10)
            await scu.send(p_data(pdv(1, 3, move_command(9, "DEST1"))) + p_data(pdv(1, 2, asked)))
            said = await scu.closed()
            assert said[-10] == 7  # A-ABORT
        gate.open()
        assert len(received.files) == 1


async def test_a_cancel_while_nothing_runs_is_passed_over(archive: Pacs) -> None:
    cancel = Command(
        CommandField.C_CANCEL_RQ,
        {
            Element.MESSAGE_ID_BEING_RESPONDED_TO: us_bytes(3),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(0x0101),
        },
    ).encode()
    async with associated(archive.address, STUDY_ROOT_MOVE, calling="VIEWER") as scu:
        await scu.send(p_data(pdv(1, 3, cancel)))
        await scu.release()


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_askers_and_destinations_that_come_and_go_leave_nothing_behind(archive: Pacs) -> None:
    chance = random.Random(990000)

    def leave(assoc: Association, heard: Heard) -> bool:
        if chance.random() < 0.3:
            assoc.send_c_cancel(7, query_model=STUDY_ROOT_MOVE)
        if chance.random() < 0.2:
            assoc.abort()
            return False
        return True

    def answer(_: Received) -> int:
        return chance.choice([0, 0, 0, 0xA700, 0xB000, -1])

    ends = set()
    with destination(archive, "DEST1", answer=answer), ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(moved, archive, "DEST1", chance.choice([WHOLE, DENSE]), after=leave)
            for _ in range(120)
        ]
        ends = {one.result(60).last for one in asked}
    assert ends <= {-1, 0x0000, 0xB000, 0xA702, 0xFE00, 0xFF00}
    with destination(archive, "DEST1") as received:
        assert moved(archive, "DEST1", WHOLE).last == Status.SUCCESS
    assert len(received.files) == 3
    asyncio.run(until(lambda: not open_objects(archive.desk.folder)))
