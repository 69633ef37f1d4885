"""Questions that cannot be answered get a status, a sentence, and the key that is wrong."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway.dimse.command_set import Command, CommandField, Element, uid_bytes, us_bytes
from gateway.dimse.sop_classes import STUDY_ROOT_FIND
from imaging.query.attributes import Level
from imaging.query.parse_find import MOST
from tests.dimse.peers import associated
from tests.dimse.wire_bytes import IMPLICIT_LE, p_data, pdv
from tests.imaging.sample import ROOT
from tests.query_retrieve.pacs import Pacs, serving, slice_of

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:.*exceeds the max")

LEVEL = 0x00080052


@pytest.mark.parametrize(
    ("model", "level", "keys", "offending"),
    [
        pytest.param("S", "", {"PatientID": ""}, LEVEL, id="no-level"),
        pytest.param("S", "FRAME", {}, LEVEL, id="no-such-level"),
        pytest.param("S", "PATIENT", {}, LEVEL, id="no-patients-at-study-root"),
        pytest.param("P", "STUDY", {}, 0x00100020, id="no-patient-above"),
        pytest.param("P", "STUDY", {"PatientID": "P*"}, 0x00100020, id="a-wildcard-above"),
        pytest.param("S", "SERIES", {}, 0x0020000D, id="no-study-above"),
        pytest.param(
            "S", "SERIES", {"StudyInstanceUID": ["1.2", "1.3"]}, 0x0020000D, id="two-studies-above"
        ),
        pytest.param("S", "IMAGE", {"StudyInstanceUID": "1.2"}, 0x0020000E, id="no-series-above"),
        pytest.param("S", "STUDY", {"StudyDate": "20251301"}, 0x00080020, id="no-date"),
        pytest.param("S", "STUDY", {"StudyDate": "2025*"}, 0x00080020, id="wildcard-in-a-date"),
        pytest.param("S", "STUDY", {"StudyDate": "-"}, 0x00080020, id="a-range-without-ends"),
        pytest.param("S", "STUDY", {"StudyTime": "2500"}, 0x00080030, id="no-time"),
        pytest.param("S", "STUDY", {"StudyInstanceUID": "1.2.*"}, 0x0020000D, id="wildcard-uid"),
        pytest.param("S", "STUDY", {"StudyDescription": "x" * 2000}, 0x00081030, id="a-long-key"),
    ],
)
def test_a_question_that_does_not_fit_is_refused(
    pacs: Pacs, model: str, level: str, keys: dict[str, Any], offending: int | None
) -> None:
    asked = pacs.ask(level, model=model, **keys)
    assert asked.statuses == [0xA900]
    assert asked.comment.endswith(".")
    assert asked.offending == offending


def test_a_sequence_of_two_items_is_refused(pacs: Pacs) -> None:
    asked = pacs.ask(
        "SERIES", StudyInstanceUID="1.2", RequestAttributesSequence=[Dataset(), Dataset()]
    )
    assert asked.statuses == [0xA900]
    assert asked.offending == 0x00400275


def asked_with(pacs: Pacs, data_set: bytes | None) -> tuple[int, str]:
    """Ask with the bytes *data_set*, or with none at all."""
    command = Command(
        CommandField.C_FIND_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(STUDY_ROOT_FIND),
            Element.MESSAGE_ID: us_bytes(1),
            Element.PRIORITY: us_bytes(0),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(0x0101 if data_set is None else 1),
        },
    ).encode()

    async def ask() -> tuple[int, str]:
        async with associated(pacs.address, STUDY_ROOT_FIND, calling="VIEWER") as scu:
            await scu.send(p_data(pdv(1, 3, command)))
            if data_set is not None:
                await scu.send(p_data(pdv(1, 2, data_set)))
            answer = await scu.answer()
            await scu.release()
            return answer.status, answer.comment

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "data_set",
    [
        pytest.param(None, id="without-a-data-set"),
        pytest.param(b"", id="an-empty-one"),
        pytest.param(b"\x08\x00\x52\x00CS\xff\x7fSTUDY", id="longer-than-it-is"),
        pytest.param(b"\xff" * 64, id="noise"),
        pytest.param(b"\x08\x00\x52\x00SQ\0\0\0\0\0\0", id="the-level-is-a-sequence"),
    ],
)
def test_an_identifier_that_is_none_is_refused(pacs: Pacs, data_set: bytes | None) -> None:
    status, comment = asked_with(pacs, data_set)
    assert status == 0xA900
    assert comment.endswith(".")


def test_the_door_goes_on_after_a_refusal(pacs: Pacs) -> None:
    assert pacs.ask("FRAME").statuses == [0xA900]
    assert pacs.ask("STUDY", PatientID="PX2Y").statuses == [0xFF00, 0x0000]


def test_ten_thousand_uids_are_refused_with_a_sentence(pacs: Pacs) -> None:
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    ds.StudyInstanceUID = [f"{ROOT}.{number}" for number in range(10_000)]
    asked = pacs.send(ds, syntax=IMPLICIT_LE)
    assert asked.statuses == [0xA900]
    assert asked.comment == "StudyInstanceUID: more than 1000 UIDs."


def test_a_thousand_uids_are_a_question_like_any_other(pacs: Pacs) -> None:
    uids = [f"2.25.{number}" for number in range(999)] + [f"{ROOT}.3"]
    asked = pacs.ask("STUDY", StudyInstanceUID=uids)
    assert asked.said("StudyInstanceUID") == [f"{ROOT}.3"]


def test_over_the_bound_ends_with_a_line_that_says_so(tmp_path: Path) -> None:
    files = [(slice_of(number), None) for number in range(1, 6)]
    with serving(tmp_path, files, most={**MOST, Level.STUDY: 3}) as pacs:
        asked = pacs.ask("STUDY", StudyInstanceUID="")
        assert asked.statuses == [0xFF00, 0xFF00, 0xFF00, 0xA700]
        assert asked.comment == "Over 3 entries match: ask for fewer."
        assert len(pacs.ask("STUDY", AccessionNumber="A00002").entries) == 1
