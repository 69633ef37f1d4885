"""The worklist message by message: C-CANCEL, what is pipelined, what is broken."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.sop_classes import MODALITY_WORKLIST
from tests.dimse.peers import Scu, associated
from tests.dimse.wire_bytes import IMPLICIT_LE, RELEASE_RP, p_data, pdv
from tests.dimse.worklists import Book, entry, worklist


def find_rq(message_id: int = 5) -> bytes:
    return Command(
        CommandField.C_FIND_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(MODALITY_WORKLIST),
            Element.MESSAGE_ID: us_bytes(message_id),
            Element.PRIORITY: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
        },
    ).encode()


def cancel_rq(message_id: int) -> bytes:
    return Command(
        CommandField.C_CANCEL_RQ,
        {
            Element.MESSAGE_ID_BEING_RESPONDED_TO: us_bytes(message_id),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(0x0101),
        },
    ).encode()


EVERYTHING = bytes.fromhex("1000100000000000")
"""Patient's Name, empty, in implicit VR."""


async def status_of(scu: Scu) -> int:
    """Return the status of the next response, its data set passed over."""
    kind, body = await scu.pdu()
    assert kind == 4
    answer = Command.decode(body[6:])
    if answer.has_data_set:
        assert (await scu.pdu())[0] == 4
    status = answer.us(Element.STATUS)
    assert status is not None
    return status


async def statuses(scu: Scu) -> list[int]:
    found = [await status_of(scu)]
    while found[-1] in {0xFF00, 0xFF01}:
        found.append(await status_of(scu))
    return found


async def test_a_cancel_ends_a_long_answer() -> None:
    book = Book([entry(number, f"N{number}") for number in range(200)])
    book.hold = asyncio.Event()
    async with (
        worklist(book) as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        await scu.send(p_data(pdv(1, 3, find_rq())) + p_data(pdv(1, 2, EVERYTHING)))
        assert await status_of(scu) == 0xFF00
        await scu.send(p_data(pdv(1, 3, cancel_rq(5))))
        # The cancel is on its way while the next entry is waited for.
        book.hold.set()
        assert (await statuses(scu))[-1] == 0xFE00
        assert book.read < 200
        await scu.release()
    assert book.closed == 1


async def test_a_cancel_of_something_else_ends_nothing() -> None:
    async with (
        worklist() as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        await scu.send(
            p_data(pdv(1, 3, find_rq()))
            + p_data(pdv(1, 2, EVERYTHING))
            + p_data(pdv(1, 3, cancel_rq(77)))
        )
        assert await statuses(scu) == [0xFF00, 0xFF00, 0xFF00, 0x0000]
        await scu.send(p_data(pdv(1, 3, cancel_rq(5))))
        await scu.release()


async def test_two_questions_in_one_write_are_answered_one_after_the_other() -> None:
    async with (
        worklist() as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        one = p_data(pdv(1, 3, find_rq(5))) + p_data(pdv(1, 2, EVERYTHING))
        two = p_data(pdv(1, 3, find_rq(6))) + p_data(pdv(1, 2, EVERYTHING))
        await scu.send(one + two)
        assert await statuses(scu) == [0xFF00, 0xFF00, 0xFF00, 0x0000]
        assert await statuses(scu) == [0xFF00, 0xFF00, 0xFF00, 0x0000]
        await scu.release()


async def test_a_device_that_leaves_in_the_middle_leaves_nothing_open() -> None:
    book = Book([entry(number, f"N{number}") for number in range(200)])
    book.hold = asyncio.Event()
    async with worklist(book) as door:
        async with associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu:
            await scu.send(p_data(pdv(1, 3, find_rq())) + p_data(pdv(1, 2, EVERYTHING)))
            assert await status_of(scu) == 0xFF00
        book.hold.set()
    assert book.closed == 1


async def test_an_identifier_over_64_kib_is_refused_and_the_association_goes_on() -> None:
    book = Book()
    async with (
        worklist(book) as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        await scu.send(p_data(pdv(1, 3, find_rq())))
        for _ in range(4):
            await scu.send(p_data(pdv(1, 0, b"\0" * 30_000)))
        await scu.send(p_data(pdv(1, 2, b"")))
        assert await statuses(scu) == [0xA900]
        await scu.send(p_data(pdv(1, 3, find_rq())) + p_data(pdv(1, 2, EVERYTHING)))
        assert (await statuses(scu))[-1] == 0x0000
    assert len(book.asked) == 1


async def test_an_identifier_without_end_ends_the_association() -> None:
    async with (
        worklist() as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        await scu.send(p_data(pdv(1, 3, find_rq())))
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                await scu.send(p_data(pdv(1, 0, b"\0" * 30_000)))
        assert (await scu.closed())[:1] in {b"\x07", b""}


@pytest.mark.parametrize(
    "data", [b"\xff" * 40, b"\x10\0\x10\0\xff\xff\xff\x7f", b"", EVERYTHING * 5000]
)
async def test_garbage_for_an_identifier_is_refused(data: bytes) -> None:
    async with (
        worklist() as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        await scu.send(p_data(pdv(1, 3, find_rq())) + p_data(pdv(1, 2, data)))
        assert await statuses(scu) == [0xA900]
        await scu.release()


async def test_another_operation_on_the_worklist_is_refused() -> None:
    async with (
        worklist() as door,
        associated(door.addresses[0], MODALITY_WORKLIST, IMPLICIT_LE) as scu,
    ):
        raw = Command.decode(find_rq())
        await scu.send(
            p_data(pdv(1, 3, replace(raw, field=CommandField.N_CREATE_RQ).encode()))
            + p_data(pdv(1, 2, EVERYTHING))
        )
        assert await statuses(scu) == [0x0211]


async def test_a_node_that_stops_says_its_whole_answer_and_then_asks_for_release() -> None:
    book = Book([entry(number, f"N{number}") for number in range(50)])
    book.hold = asyncio.Event()
    begun = asyncio.Event()
    said: list[int] = []

    async def ask(address: tuple[str, int]) -> None:
        async with associated(address, MODALITY_WORKLIST, IMPLICIT_LE) as scu:
            await scu.send(p_data(pdv(1, 3, find_rq())) + p_data(pdv(1, 2, EVERYTHING)))
            said.append(await status_of(scu))
            begun.set()
            said.extend(await statuses(scu))
            assert (await scu.pdu())[0] == 5
            await scu.send(RELEASE_RP)

    async with asyncio.TaskGroup() as group, worklist(book) as door:
        group.create_task(ask(door.addresses[0]))
        await begun.wait()
        asyncio.get_running_loop().call_later(0.05, book.hold.set)
    assert said == [0xFF00] * 50 + [0x0000]
