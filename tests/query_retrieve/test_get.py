"""C-GET as pynetdicom asks: every level, contexts of every kind, cancelled, broken off."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.association import Association
from pynetdicom.presentation import build_role

from gateway.dimse.attributes import write_attributes
from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.sop_classes import STUDY_ROOT_GET
from kernel.dicom.status import Status
from tests.dimse.doors import until
from tests.dimse.peers import Answer, associated, connected
from tests.dimse.wire_bytes import (
    ABORT,
    EXPLICIT_LE,
    IMPLICIT_LE,
    RELEASE_RQ,
    associate_rq,
    context,
    p_data,
    pdv,
)
from tests.imaging.sample import CT, ROOT
from tests.query_retrieve.conftest import KEPT_DENSE, SR, numbers, report_of
from tests.query_retrieve.pacs import Pacs, serving, slice_of
from tests.query_retrieve.peers import NATIVE, Received, content, got, identifier

JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
STUDY_1 = f"{ROOT}.1"
SERIES_1 = f"{ROOT}.1.1"


@pytest.mark.parametrize(
    ("model", "level", "keys", "found"),
    [
        ("P", "PATIENT", {"PatientID": "990000199001011234"}, "4.1.1 1.1.1 1.1.2 1.2.1"),
        ("P", "STUDY", {"PatientID": "P2", "StudyInstanceUID": f"{ROOT}.2"}, "2.1.1 2.1.2"),
        ("S", "STUDY", {"StudyInstanceUID": STUDY_1}, "1.1.1 1.1.2 1.2.1"),
        ("S", "STUDY", {"StudyInstanceUID": [STUDY_1, f"{ROOT}.4"]}, "4.1.1 1.1.1 1.1.2 1.2.1"),
        (
            "S",
            "SERIES",
            {"StudyInstanceUID": STUDY_1, "SeriesInstanceUID": SERIES_1},
            "1.1.1 1.1.2",
        ),
        (
            "S",
            "IMAGE",
            {
                "StudyInstanceUID": STUDY_1,
                "SeriesInstanceUID": SERIES_1,
                "SOPInstanceUID": [f"{SERIES_1}.2", "1.2.3"],
            },
            "1.1.2",
        ),
        ("S", "STUDY", {"StudyInstanceUID": STUDY_1, "Modality": "MR"}, "1.1.1 1.1.2 1.2.1"),
        ("S", "STUDY", {"StudyInstanceUID": "1.2.3"}, ""),
        ("S", "STUDY", {"StudyInstanceUID": f"{ROOT}.9"}, ""),
    ],
)
def test_every_level_of_both_models(
    archive: Pacs, model: str, level: str, keys: dict[str, Any], found: str
) -> None:
    heard, received = got(archive, identifier(level, **keys), model=model)
    assert numbers(received.uids) == found
    assert heard.last == Status.SUCCESS
    assert heard.counts[-1] == (None, len(received.files), 0, 0)
    assert heard.failed == []


@pytest.mark.parametrize(
    ("model", "level", "keys", "said"),
    [
        ("S", "", {"StudyInstanceUID": STUDY_1}, "Query/Retrieve Level is missing."),
        ("S", "PATIENT", {"PatientID": "P2"}, "Study root has no level PATIENT."),
        ("S", "STUDY", {}, "StudyInstanceUID is missing."),
        ("S", "SERIES", {"SeriesInstanceUID": SERIES_1}, "StudyInstanceUID is missing."),
        ("P", "STUDY", {"StudyInstanceUID": STUDY_1}, "PatientID is missing."),
        ("P", "PATIENT", {"PatientID": "P*"}, "PatientID has to be a value."),
        (
            "S",
            "STUDY",
            {"StudyInstanceUID": STUDY_1, "SOPInstanceUID": f"{SERIES_1}.1"},
            "SOPInstanceUID is below the level.",
        ),
        (
            "S",
            "SERIES",
            {"StudyInstanceUID": [STUDY_1, f"{ROOT}.2"], "SeriesInstanceUID": SERIES_1},
            "StudyInstanceUID has to be one value here.",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    archive: Pacs, model: str, level: str, keys: dict[str, Any], said: str
) -> None:
    heard, received = got(archive, identifier(level, **keys), model=model)
    assert (heard.statuses, heard.comment) == ([0xA900], said)
    assert received.files == []


TEN_THOUSAND = "\\".join(f"1.2.{number}" for number in range(10_000))


@pytest.mark.parametrize(
    ("uids", "said"),
    [
        pytest.param("*", "StudyInstanceUID has to be a value.", id="anything"),
        pytest.param("1.2.*", "StudyInstanceUID: not a UID.", id="wildcard"),
        pytest.param(TEN_THOUSAND, "StudyInstanceUID: more than 1000 UIDs.", id="10,000"),
    ],
)
async def test_uids_no_client_would_write_are_refused_with_a_sentence(
    archive: Pacs, uids: str, said: str
) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uids}
    asked = write_attributes(keys, IMPLICIT_LE)
    async with associated(archive.address, STUDY_ROOT_GET, IMPLICIT_LE, calling="VIEWER") as scu:
        pieces = [asked[start : start + 16_000] for start in range(0, len(asked), 16_000)]
        whole = [p_data(pdv(1, 0, piece)) for piece in pieces[:-1]]
        await scu.send(p_data(pdv(1, 3, get_command(7))) + b"".join(whole))
        await scu.send(p_data(pdv(1, 2, pieces[-1])))
        assert await scu.answer() == Answer(0xA900, said)
        await scu.release()


def test_an_empty_identifier_is_refused(archive: Pacs) -> None:
    heard, _ = got(archive, identifier("", PatientID=""))
    assert heard.statuses == [0xA900]


def test_a_series_is_had_without_its_study_where_that_is_agreed(archive: Pacs) -> None:
    ds = identifier("SERIES", SeriesInstanceUID=[SERIES_1, f"{ROOT}.4.1"])
    heard, received = got(archive, ds, extended=b"\1")
    assert heard.last == Status.SUCCESS
    assert numbers(received.uids) == "4.1.1 1.1.1 1.1.2"


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, HTJ2K_RPCL, JPEG_LS])
def test_what_lies_compressed_comes_in_the_form_the_peer_takes(archive: Pacs, syntax: str) -> None:
    ds = identifier("STUDY", StudyInstanceUID=f"{ROOT}.2")
    heard, received = got(archive, ds, contexts=[(CT, [syntax])])
    assert heard.last == Status.SUCCESS
    assert received.syntaxes == [syntax, syntax]
    assert [content(one) for one in received.files] == [content(one) for one in KEPT_DENSE]


def test_what_a_device_made_native_is_encoded_for_a_peer_that_takes_nothing_else(
    archive: Pacs,
) -> None:
    ds = identifier("STUDY", StudyInstanceUID=f"{ROOT}.4")
    heard, received = got(archive, ds, contexts=[(CT, [JPEG_LS])])
    assert (heard.last, received.syntaxes) == (Status.SUCCESS, [JPEG_LS])
    assert content(received.files[0]) == content(slice_of(4, StudyDate="20260401"))


def test_objects_come_as_they_lie_where_that_has_a_context_of_its_own(archive: Pacs) -> None:
    ds = identifier("STUDY", StudyInstanceUID=f"{ROOT}.2")
    _, received = got(archive, ds, contexts=[(CT, NATIVE), (CT, [HTJ2K_RPCL])])
    assert received.syntaxes == [HTJ2K_RPCL, HTJ2K_RPCL]


def test_what_has_no_context_fails_and_the_others_come(archive: Pacs) -> None:
    ds = identifier("STUDY", StudyInstanceUID=f"{ROOT}.3")
    heard, received = got(archive, ds)
    assert numbers(received.uids) == "3.1.1"
    assert heard.last == Status.SUBOPERATIONS_WITH_FAILURES
    assert heard.counts[-1] == (None, 1, 1, 0)
    assert numbers(heard.failed) == "3.5.1"
    assert heard.comment == "The peer takes it in no form it can be had in."


def test_an_object_without_pixels_is_not_encoded(archive: Pacs) -> None:
    ds = identifier("STUDY", StudyInstanceUID=f"{ROOT}.3")
    heard, received = got(archive, ds, contexts=[(SR, [IMPLICIT_LE]), (CT, [JPEG_BASELINE])])
    assert numbers(received.uids) == "3.5.1"
    assert numbers(heard.failed) == "3.1.1"
    assert content(received.files[0]) == content(report_of(3, PatientID="P3"))


@pytest.mark.parametrize(
    ("contexts", "roles"),
    [
        pytest.param([], True, id="no-storage-context"),
        pytest.param([(CT, NATIVE)], False, id="no-role"),
        pytest.param([(CT, [JPEG_BASELINE])], True, id="no-syntax-that-can-be-made"),
    ],
)
def test_a_peer_that_takes_no_object_hears_that_all_failed(
    archive: Pacs, contexts: list[tuple[str, list[str]]], roles: bool
) -> None:
    ds = identifier("STUDY", StudyInstanceUID=STUDY_1)
    heard, received = got(archive, ds, contexts=contexts, roles=roles)
    assert (heard.last, received.files) == (Status.CANNOT_PERFORM_SUBOPERATIONS, [])
    assert numbers(heard.failed) == "1.1.1 1.1.2 1.2.1"


def test_refusals_and_warnings_of_the_peer_are_counted(archive: Pacs) -> None:
    statuses = iter([0xB007, 0xA700, 0x0000])
    ds = identifier("STUDY", StudyInstanceUID=STUDY_1)
    heard, _ = got(archive, ds, answer=lambda _, __: next(statuses))
    assert heard.last == Status.SUBOPERATIONS_WITH_FAILURES
    assert heard.counts[-1] == (None, 1, 1, 1)
    assert numbers(heard.failed) == "1.1.2"
    assert [one[0] for one in heard.counts[:-1]] == [2, 1]


def test_an_entity_that_may_not_store_gets_and_cannot_store(archive: Pacs) -> None:
    ds = identifier("STUDY", StudyInstanceUID=STUDY_1)
    heard, received = got(archive, ds, title="READER")
    assert heard.last == Status.SUCCESS
    assert len(received.files) == 3


def test_a_cancelled_retrieval_ends_with_what_is_left(archive: Pacs) -> None:
    def cancel(assoc: Association, received: Received) -> int:
        if len(received.files) == 1:
            assoc.send_c_cancel(7, query_model=STUDY_ROOT_GET)
        return 0

    ds = identifier("STUDY", StudyInstanceUID=STUDY_1)
    heard, received = got(archive, ds, answer=cancel)
    assert heard.last == Status.CANCELLED
    remaining, completed, failed, warning = heard.counts[-1]
    assert (remaining, completed) == (3 - len(received.files), len(received.files))
    assert (failed, warning) == (0, 0)
    assert len(received.files) in {1, 2}


def test_a_cancel_of_another_message_changes_nothing(archive: Pacs) -> None:
    def cancel(assoc: Association, received: Received) -> int:
        assoc.send_c_cancel(8, query_model=STUDY_ROOT_GET)
        return 0

    ds = identifier("STUDY", StudyInstanceUID=STUDY_1)
    heard, received = got(archive, ds, answer=cancel)
    assert (heard.last, len(received.files)) == (Status.SUCCESS, 3)


def get_command(message_id: int) -> bytes:
    return Command(
        CommandField.C_GET_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(STUDY_ROOT_GET),
            Element.MESSAGE_ID: us_bytes(message_id),
            Element.PRIORITY: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(1),
        },
    ).encode()


def open_objects(folder: Path) -> int:
    held = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            held.append(str(link.readlink()))
    return sum(str(folder / "objects") in one for one in held)


@pytest.mark.parametrize(
    "goodbye",
    [
        pytest.param(ABORT, id="abort"),
        pytest.param(RELEASE_RQ, id="release"),
        pytest.param(b"", id="gone"),
    ],
)
async def test_a_peer_that_leaves_in_the_middle_stops_the_reading_at_once(
    tmp_path: Path, goodbye: bytes
) -> None:
    # Far beyond what is read ahead and what two sockets hold.
    large = slice_of(1, Rows=4096, Columns=4096, PixelData=bytes(4096 * 4096 * 2))
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY_1}
    asked = write_attributes(keys, EXPLICIT_LE)
    contexts = [context(1, STUDY_ROOT_GET, [EXPLICIT_LE]), context(3, CT, [EXPLICIT_LE])]
    role = build_role(CT, scp_role=True)
    with serving(tmp_path, [(large, None)]) as pacs:
        async with connected(pacs.address) as scu:
            await scu.send(associate_rq(contexts, calling="VIEWER", more=[role]))
            assert (await scu.pdu())[0] == 2
            await scu.send(p_data(pdv(1, 3, get_command(7))) + p_data(pdv(1, 2, asked)))
            for _ in range(20):
                assert (await scu.pdu())[0] == 4
            assert open_objects(tmp_path) > 0
            await scu.send(goodbye)
            if goodbye:
                await until(lambda: not open_objects(tmp_path))
        await until(lambda: not open_objects(tmp_path))
        # The door serves the next.
        images = await asyncio.to_thread(pacs.ask, "STUDY", StudyInstanceUID=STUDY_1)
        assert images.last == Status.SUCCESS
