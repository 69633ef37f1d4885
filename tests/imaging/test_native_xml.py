"""Data sets as XML: the Native DICOM Model, held against DCMTK's."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from imaging.dicomweb.native_xml import native_xml
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, parts_of

STUDY = f"/studies/{ROOT}.1"
SERIES = f"{STUDY}/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"
XML = 'multipart/related; type="application/dicom+xml"'
DCM2XML: Final = shutil.which("dcm2xml") or "dcm2xml"
_N: Final = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def told(document: bytes) -> dict[str, object]:
    """Return every attribute of the top level: VR, keyword, creator, and the values below."""
    root = ET.fromstring(document)  # noqa: S314  # made by us, or by DCMTK of what we made
    return {each.get("tag", ""): _said(each) for each in root}


def _said(node: ET.Element) -> object:
    kind = node.tag.removeprefix(_N)
    names = {name: value for name, value in node.attrib.items() if name not in {"uri", "uuid"}}
    if kind == "Value" and re.fullmatch(r"[-+0-9.eE]+", text := (node.text or "").strip()):
        return kind, names, float(text) if text.count(".") < 2 else text
    return kind, names, (node.text or "").strip(), [_said(child) for child in node]


def sample() -> bytes:
    item = Dataset()
    item.RequestedProcedureID = "R<1>"
    item.ScheduledProcedureStepDescription = "头颅 & 颈"
    private: dict[str, Any] = {
        "PatientComments": 'a "quoted" <b>',
        "RequestAttributesSequence": Sequence([item]),
    }
    return ct(
        **private, OperatorsName=["Li^Si=李^四", "Wu"], LossyImageCompressionRatio=["1.5", "2"]
    )


async def test_dcmtk_says_the_same_of_the_same_object(
    sqlite_desk: Desk, door: WebDoor, tmp_path: Path
) -> None:
    await sqlite_desk.file(sample())
    status, headers, body = await door.get(f"{INSTANCE}/metadata", XML)
    assert status == 200
    ((kind, document),) = parts_of(headers, body)
    assert kind == "application/dicom+xml"
    file = tmp_path / "one.dcm"
    file.write_bytes(sample())
    made = subprocess.run(  # noqa: ASYNC221
        [DCM2XML, "--native-format", "--convert-to-utf8", str(file)],
        check=True,
        capture_output=True,
        timeout=20,
    )
    ours, theirs = told(document), told(made.stdout)
    for tag in ("00020000", "7FE00010"):
        ours.pop(tag, None)
        theirs.pop(tag, None)
    assert ours == {tag: each for tag, each in theirs.items() if not tag.startswith("0002")}


@pytest.mark.parametrize("path", [STUDY, SERIES])
async def test_each_instance_is_a_document_of_its_own(
    sqlite_desk: Desk, door: WebDoor, path: str
) -> None:
    await sqlite_desk.file(ct(1), ct(2))
    _, headers, body = await door.get(f"{path}/metadata", XML)
    found = [told(document)["00080018"] for _, document in parts_of(headers, body)]
    assert [str(each).count(f"{ROOT}.1.1.{n}") for n, each in enumerate(found, 1)] == [1, 1]


async def test_a_search_is_answered_as_xml_too(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ct(1), ct(1, study=2))
    status, headers, body = await door.get("/studies", XML, Accept_Encoding="identity")
    assert status == 200
    assert len(parts_of(headers, body)) == 2
    assert (await door.get("/studies?PatientID=nobody", XML))[0] == 204
    status, _, _ = await door.get("/studies", "application/dicom+xml")
    assert status == 406


def test_a_private_attribute_is_named_by_its_creator_and_not_by_its_block() -> None:
    document = native_xml(
        {
            "00090010": {"vr": "LO", "Value": ['MAKER "A"']},
            "00091002": {"vr": "LO", "Value": ["x"]},
        }
    )
    _, second = ET.fromstring(document)  # noqa: S314
    assert (second.get("tag"), second.get("privateCreator")) == ("00090002", 'MAKER "A"')


def test_what_xml_cannot_hold_is_left_out() -> None:
    document = native_xml({"00104000": {"vr": "LT", "Value": ["a\x00\x0b\x1b]]><b>\ufffe"]}})
    ((value,),) = ET.fromstring(document)  # noqa: S314
    assert value.text == "a]]><b>"
