"""The modality worklist as devices ask it: DCMTK and pynetdicom over the real acceptor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from gateway.dimse.acceptor import Door
from gateway.dimse.access import PeerTable
from gateway.dimse.sop_classes import MODALITY_WORKLIST
from kernel.errors import Conflict, PlatformError, Unavailable
from kernel.identity import ApplicationEntity
from tests.dimse.doors import HERE, OUR_TITLE, MemorySink, command, open_door
from tests.dimse.wire_bytes import EXPLICIT_LE, IMPLICIT_LE
from tests.dimse.worklists import Book, entry, worklist


def identifier(**keys: Any) -> Dataset:
    ds = Dataset()
    step = Dataset()
    step.Modality = keys.pop("Modality", "")
    step.ScheduledProcedureStepStartDate = keys.pop("ScheduledProcedureStepStartDate", "")
    step.ScheduledProcedureStepStartTime = keys.pop("ScheduledProcedureStepStartTime", "")
    step.ScheduledProcedureStepDescription = ""
    for keyword, key in {"PatientName": "", "PatientID": "", **keys}.items():
        setattr(ds, keyword, key)
    ds.ScheduledProcedureStepSequence = [step]
    return ds


def find(door: Door, ds: Dataset, *, syntax: str = EXPLICIT_LE) -> list[tuple[int, Dataset | None]]:
    """Ask as pynetdicom does; returns each status with its identifier."""
    host, port = door.addresses[0]
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 15
    ae.add_requested_context(MODALITY_WORKLIST, syntax)
    assoc = ae.associate(host, port, ae_title=OUR_TITLE.value)
    assert assoc.is_established
    try:
        return [
            (status.Status, found) for status, found in assoc.send_c_find(ds, MODALITY_WORKLIST)
        ]
    finally:
        assoc.release()


async def asked(
    door: Door, ds: Dataset, *, syntax: str = EXPLICIT_LE
) -> list[tuple[int, Dataset | None]]:
    return await asyncio.to_thread(find, door, ds, syntax=syntax)


def names(answers: list[tuple[int, Dataset | None]]) -> list[str]:
    return [str(found.PatientName) for _, found in answers if found is not None]


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
async def test_answers_what_is_scheduled_and_nothing_that_was_not_asked(syntax: str) -> None:
    async with worklist() as door:
        answers = await asked(door, identifier(PatientID="990000-1"), syntax=syntax)
    assert [status for status, _ in answers] == [0xFF00, 0x0000]
    found = answers[0][1]
    assert found is not None
    assert found.PatientName == "Zhang^San=张^三"
    assert "AccessionNumber" not in found
    assert found.SpecificCharacterSet == "ISO_IR 192"
    step = found.ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepDescription == "胸部平扫"
    assert "ScheduledStationAETitle" not in step


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param({}, ["张", "李", "王"], id="everything"),
        pytest.param({"Modality": "DX"}, ["李"], id="inside-the-step"),
        pytest.param({"PatientName": "li*"}, ["李"], id="wildcard-without-case"),
        pytest.param(
            {"ScheduledProcedureStepStartDate": "20260105", "Modality": "CT"}, ["张"], id="today"
        ),
        pytest.param(
            {
                "ScheduledProcedureStepStartDate": "20260105-20260106",
                "ScheduledProcedureStepStartTime": "0900-0900",
            },
            ["王"],
            id="from-a-moment-to-a-moment",
        ),
        pytest.param({"StudyInstanceUID": ["2.25.99001", "2.25.99003"]}, ["张", "王"], id="uids"),
        pytest.param({"PatientID": "nobody"}, [], id="nobody"),
    ],
)
async def test_finds_what_the_keys_say(keys: dict[str, Any], expected: list[str]) -> None:
    async with worklist() as door:
        answers = await asked(door, identifier(**keys))
    assert [name.partition("=")[2][0] for name in names(answers)] == expected
    assert answers[-1][0] == 0x0000


@pytest.mark.parametrize(
    "charset",
    ["GB18030", "GBK", "ISO_IR 192"],
)
async def test_a_chinese_name_is_asked_and_answered_in_the_devices_character_set(
    charset: str,
) -> None:
    ds = identifier()
    ds.SpecificCharacterSet = charset
    ds.PatientName = "王^誠"
    async with worklist() as door:
        answers = await asked(door, ds)
    assert names(answers) == ["Wang^Cheng=王^誠"]
    assert answers[0][1] is not None
    assert answers[0][1].SpecificCharacterSet == charset


async def test_a_device_that_declares_nothing_is_answered_as_its_row_says() -> None:
    peers = PeerTable(
        OUR_TITLE,
        [ApplicationEntity("CT1", HERE.value, charset_hint="GB18030")],
    )
    async with worklist(peers=peers) as door:
        answers = await asked(door, identifier(PatientID="990000-1"))
    assert answers[0][1] is not None
    assert answers[0][1].SpecificCharacterSet == "GB18030"


async def test_another_institution_sees_nothing() -> None:
    peers = PeerTable(OUR_TITLE, [ApplicationEntity("CT1", "another-township")])
    async with worklist(peers=peers) as door:
        answers = await asked(door, identifier())
    assert [status for status, _ in answers] == [0x0000]


async def test_who_may_neither_store_nor_query_has_no_worklist() -> None:
    peers = PeerTable(OUR_TITLE, [ApplicationEntity("CT1", HERE.value, may_store=False)])
    async with worklist(peers=peers) as door, _rejecting(door) as accepted:
        assert accepted == []


@contextlib.asynccontextmanager
async def _rejecting(door: Door) -> AsyncIterator[list[Any]]:
    def associate() -> list[Any]:
        host, port = door.addresses[0]
        ae = AE(ae_title="CT1")
        ae.add_requested_context(MODALITY_WORKLIST)
        assoc = ae.associate(host, port, ae_title=OUR_TITLE.value)
        accepted = list(assoc.accepted_contexts)
        assoc.abort()
        return accepted

    yield await asyncio.to_thread(associate)


async def test_a_node_without_a_worklist_accepts_no_context_for_it() -> None:
    async with open_door(MemorySink()) as door, _rejecting(door) as accepted:
        assert accepted == []


async def test_over_the_bound_ends_with_out_of_resources() -> None:
    async with worklist(matches_max=2) as door:
        answers = await asked(door, identifier())
    assert [status for status, _ in answers] == [0xFF00, 0xFF00, 0xA700]


async def test_just_the_bound_is_a_success() -> None:
    async with worklist(matches_max=3) as door:
        answers = await asked(door, identifier())
    assert [status for status, _ in answers][-1] == 0x0000


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(Unavailable("down"), 0xA700, id="down"),
        pytest.param(Conflict("odd"), 0xC001, id="anything-else"),
    ],
)
async def test_a_worklist_that_cannot_be_read_is_said_so(error: PlatformError, status: int) -> None:
    book = Book()
    book.fails = error
    async with worklist(book) as door:
        answers = await asked(door, identifier())
    assert [said for said, _ in answers] == [status]
    assert book.closed == 1


async def test_a_key_that_is_not_matched_is_said_with_each_entry() -> None:
    ds = identifier(PatientID="990000-1")
    ds.PregnancyStatus = 4
    async with worklist() as door:
        answers = await asked(door, ds)
    assert [status for status, _ in answers] == [0xFF01, 0x0000]


def step_with(keyword: str, key: str) -> Dataset:
    ds = identifier()
    ds.ScheduledProcedureStepSequence[0].add_new(keyword, "LO", key)
    return ds


def _two_items() -> Dataset:
    ds = identifier()
    ds.ScheduledProcedureStepSequence = [Dataset(), Dataset()]
    return ds


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_two_items, id="two-items"),
        pytest.param(lambda: step_with("ScheduledProcedureStepStartDate", "soon"), id="no-date"),
        pytest.param(lambda: step_with("ScheduledProcedureStepStartTime", "-"), id="no-range"),
        pytest.param(lambda: identifier(PatientID="*?" * 600), id="over-long-key"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
async def test_an_identifier_that_is_none_is_refused(make: Callable[[], Dataset]) -> None:
    book = Book()
    async with worklist(book) as door:
        answers = await asked(door, make())
    assert [status for status, _ in answers] == [0xA900]
    assert book.asked == []


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("*.dcm"))


async def test_dcmtk_finds_chinese_patients(tmp_path: Path) -> None:
    async with worklist() as door:
        host, port = door.addresses[0]
        code, printed = await command(
            *("findscu", "-W", "-X", "-od", str(tmp_path), "-aet", "CT1", "-aec", "YILIAN"),
            *("-k", "SpecificCharacterSet=GB18030", "-k", "PatientName", "-k", "PatientID"),
            *("-k", "(0040,0100)[0].Modality=CT"),
            *("-k", "(0040,0100)[0].ScheduledProcedureStepStartDate=20260105-20260105"),
            *(host, str(port)),
        )
        assert code == 0, printed
    (found,) = _files(tmp_path)
    _, dumped = await command("dcmdump", "+U8", str(found))
    assert "Zhang^San=张^三" in dumped
    assert "GB18030" in found.read_bytes().decode("latin-1")


async def test_dcmtk_cancels_after_the_first_answer() -> None:
    book = Book([entry(number, f"N{number}") for number in range(200)])
    async with worklist(book) as door:
        host, port = door.addresses[0]
        code, printed = await command(
            *("findscu", "-v", "-W", "--cancel", "1", "-aet", "CT1", "-aec", "YILIAN"),
            *("-k", "PatientName", host, str(port)),
        )
    assert code == 0, printed
    assert book.closed == 1
