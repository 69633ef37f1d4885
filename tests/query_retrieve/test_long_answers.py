"""Answers of many entries: read page by page, and ended early by C-CANCEL."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.dimse.attributes import write_attributes
from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.sop_classes import STUDY_ROOT_FIND
from imaging.query.find import find
from imaging.query.parse_find import FindOptions, parse_find
from kernel.dicom.status import Status
from kernel.policy import Reach
from tests.dimse.peers import associated
from tests.dimse.wire_bytes import EXPLICIT_LE, p_data, pdv
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.query_retrieve.conftest import numbers
from tests.query_retrieve.pacs import QINGSHAN, serving, slice_of


async def studies(desk: Desk, *, page: int, arrives: bytes | None = None) -> str:
    """Return all studies as pages of *page* find them, *arrives* coming after the first."""
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "PatientID": "*9"}
    asked = parse_find(keys, FindOptions(), patient_root=False)
    found = []
    async for entry in find(desk.database, asked, Reach(QINGSHAN), page=page):
        found.append(str(entry["StudyInstanceUID"]))
        if arrives is not None:
            await desk.file(arrives)
            arrives = None
    return numbers(found)


async def test_pages_join_without_a_seam(desk: Desk) -> None:
    await desk.file(*(ct(1, study=number, PatientID=f"A{number}9") for number in range(1, 8)))
    expected = "7 6 5 4 3 2 1"
    for page in (1, 2, 3, 7, 8):
        assert await studies(desk, page=page) == expected


async def test_what_arrives_between_two_pages_shifts_nothing(desk: Desk) -> None:
    await desk.file(*(ct(1, study=number, PatientID=f"A{number}9") for number in range(1, 6)))
    late = ct(1, study=6, PatientID="A69")
    assert await studies(desk, page=2, arrives=late) == "5 4 3 2 1"
    assert await studies(desk, page=2) == "6 5 4 3 2 1"


CANCEL_AFTER = 2


def find_command(message_id: int) -> bytes:
    return Command(
        CommandField.C_FIND_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(STUDY_ROOT_FIND),
            Element.MESSAGE_ID: us_bytes(message_id),
            Element.PRIORITY: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
        },
    ).encode()


def cancel_command(message_id: int) -> bytes:
    return Command(
        CommandField.C_CANCEL_RQ,
        {
            Element.MESSAGE_ID_BEING_RESPONDED_TO: us_bytes(message_id),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(0x0101),
        },
    ).encode()


def test_a_cancelled_answer_ends_and_the_association_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, cancelled = 300, threading.Event()

    async def held(*words: Any) -> AsyncIterator[Any]:
        # All 300 answers fit into what the system keeps of a connection that nobody reads.
        number = 0
        async for entry in find(*words):
            if number == CANCEL_AFTER:
                assert await asyncio.to_thread(cancelled.wait, 10)
            number += 1
            yield entry

    monkeypatch.setattr("yilian.wiring.archive_find.find", held)
    files = [(slice_of(1, number=number), None) for number in range(1, images + 1)]
    keys: dict[str, Any] = {
        "QueryRetrieveLevel": "IMAGE",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.1.1",
        "InstanceNumber": "",
    }
    identifier = write_attributes(keys, EXPLICIT_LE)

    async def ask(address: tuple[str, int]) -> tuple[int, int]:
        async with associated(address, STUDY_ROOT_FIND, calling="VIEWER") as scu:
            await scu.send(p_data(pdv(1, 3, find_command(7))) + p_data(pdv(1, 2, identifier)))
            pending, status = 0, int(Status.PENDING)
            while status == Status.PENDING:
                _, body = await scu.pdu()
                if not body[5] & 1:
                    continue  # the data set of the answer before
                status = Command.decode(body[6:]).us(Element.STATUS) or 0
                pending += status == Status.PENDING
                if pending == CANCEL_AFTER:
                    await scu.send(p_data(pdv(1, 3, cancel_command(7))))
                    cancelled.set()
            await scu.release()
            return pending, status

    with serving(tmp_path, files) as pacs:
        pending, status = asyncio.run(ask(pacs.address))
        assert status == Status.CANCELLED
        assert CANCEL_AFTER <= pending < images
        asked = pacs.ask("IMAGE", **{key: value for key, value in keys.items() if value != "IMAGE"})
        assert asked.said("InstanceNumber") == [str(n + 1) for n in range(images)]
