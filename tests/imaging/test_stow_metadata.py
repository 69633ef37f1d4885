"""STOW-RS of metadata and bulk values in parts of their own."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from imaging.dicomweb.dataset_of_json import pieces
from kernel.dicom.part10 import BrokenDataset
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor

MULTIPART = 'multipart/related; type="application/dicom+json"; boundary=b1'
INSTANCE = f"/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
DCIODVFY: Final = shutil.which("dciodvfy") or "dciodvfy"
JPEG_LS = "1.2.840.10008.1.2.4.80"


def body(datasets: Any, *bulk: tuple[str, bytes], syntax: str = "") -> bytes:
    """Return the parts: metadata, then values with the head each is named by."""
    raw = datasets if isinstance(datasets, bytes) else json.dumps(datasets).encode()
    parts = [b"Content-Type: application/dicom+json\r\n\r\n" + raw]
    kind = f"image/jls; transfer-syntax={syntax}" if syntax else "application/octet-stream"
    for head, value in bulk:
        parts.append(f"Content-Type: {kind}\r\n{head}\r\n\r\n".encode() + value)
    return b"".join(b"\r\n--b1\r\n" + part for part in parts) + b"\r\n--b1--\r\n"


def apart(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the metadata of *raw* as pydicom writes them, and its pixels."""
    ds = pydicom.dcmread(io.BytesIO(raw))
    pixels = bytes(ds.PixelData)
    told = ds.to_json_dict(bulk_data_threshold=1, bulk_data_element_handler=_named)
    told["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels/1"}
    return told, pixels


def _named(element: Any) -> str:
    return f"other/{element.tag}"


async def stored(door: WebDoor) -> Dataset:
    status, _, raw = await door.get(INSTANCE, "application/dicom; transfer-syntax=*")
    assert status == 200
    return pydicom.dcmread(io.BytesIO(raw))


@pytest.mark.parametrize("head", ["Content-Location: pixels/1", "Content-ID: <pixels/1>"])
async def test_metadata_and_pixels_become_the_object_they_were(
    filing_door: WebDoor, head: str
) -> None:
    item = Dataset()
    item.RequestedProcedureID = "R1"
    item.ReferencedStudySequence = Sequence([Dataset()])
    original = ct(
        RequestAttributesSequence=Sequence([item]),
        OperatorsName=["Li^Si=李^四", "Wu"],
        FrameIncrementPointer=0x00181063,
        RealWorldValueSlope=0.1,
        PatientComments="a\r\nb",
    )
    told, pixels = apart(original)
    if "ID" in head:
        told["7FE00010"]["BulkDataURI"] = "cid:pixels/1"
    status, _, answer = await filing_door.post("/studies", body([told], (head, pixels)), MULTIPART)
    assert status == 200, answer
    assert len(json.loads(answer)["00081199"]["Value"]) == 1
    assert await stored(filing_door) == pydicom.dcmread(io.BytesIO(original))


async def test_what_is_made_of_metadata_is_valid_to_dciodvfy(
    filing_door: WebDoor, tmp_path: Path
) -> None:
    item = Dataset()
    item.RequestedProcedureID = "R1"
    original = ct(RequestAttributesSequence=Sequence([item]))
    told, pixels = apart(original)
    sent = body([told], ("Content-Location: pixels/1", pixels))
    await filing_door.post("/studies", sent, MULTIPART)
    _, _, made = await filing_door.get(INSTANCE, "application/dicom; transfer-syntax=*")
    said = []
    for raw in (original, made):
        file = tmp_path / "one.dcm"
        file.write_bytes(raw)
        command = [DCIODVFY, str(file)]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)  # noqa: ASYNC221
        said.append({line for line in done.stderr.splitlines() if line.startswith(b"Error")})
    # The sample is no whole CT image; what was made of it has no more faults than it has.
    assert said[1] <= said[0]


async def test_a_compressed_frame_keeps_its_encoding(filing_door: WebDoor) -> None:
    cells = np.arange(256, dtype=np.uint16).reshape(16, 16)
    stream = bytes(imagecodecs.jpegls_encode(cells))
    told, _ = apart(ct(PixelRepresentation=0))
    sent = body([told], ("Content-Location: pixels/1", stream), syntax=JPEG_LS)
    status, _, answer = await filing_door.post("/studies", sent, MULTIPART)
    assert status == 200, answer
    ds = await stored(filing_door)
    assert ds.file_meta.TransferSyntaxUID == JPEG_LS
    _, _, frame = await filing_door.get(
        f"{INSTANCE}/frames/1", "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    )
    assert frame == cells.astype("<u2").tobytes()


async def test_one_bad_object_is_its_own_trouble(filing_door: WebDoor, sqlite_desk: Desk) -> None:
    good, pixels = apart(ct(1))
    elsewhere, _ = apart(ct(2))
    elsewhere["7FE00010"]["BulkDataURI"] = "http://127.0.0.1:9/pixels"
    wrong, _ = apart(ct(3))
    wrong["00280010"] = {"vr": "US", "Value": ["sixteen"]}
    nameless, _ = apart(ct(4))
    del nameless["00080018"]
    sent = body([elsewhere, good, wrong, nameless], ("Content-Location: pixels/1", pixels))
    status, headers, answer = await filing_door.post("/studies", sent, MULTIPART)
    assert status == 202
    told = json.loads(answer)
    assert len(told["00081199"]["Value"]) == 1
    failed = told["00081198"]["Value"]
    assert [each["00081155"]["Value"][0] for each in failed] == [f"{ROOT}.1.1.{n}" for n in (2, 3)]
    assert {each["00081197"]["Value"][0] for each in failed} == {0xC000}
    assert len(told["0008119A"]["Value"]) == 1
    assert "Part 1, 3:" in headers["Warning"]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param(body(b"{"), 400, "invalid-metadata", id="no-json"),
        pytest.param(body({"a": 1}), 400, "invalid-metadata", id="no-array"),
        pytest.param(body(b"[" * 100_000), 400, "invalid-metadata", id="deep"),
        pytest.param(
            b"\r\n--b1\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n--b1--\r\n",
            400,
            "metadata-not-first",
            id="values-first",
        ),
        pytest.param(
            b"\r\n--b1\r\nContent-Type: application/dicom+xml\r\n\r\n<a/>\r\n--b1--\r\n",
            400,
            "metadata-not-first",
            id="xml",
        ),
        pytest.param(body([])[:-6], 400, "truncated-multipart", id="cut"),
    ],
)
async def test_a_body_that_cannot_be_read_stores_nothing(
    filing_door: WebDoor, sent: bytes, status: int, code: str
) -> None:
    got, _, answer = await filing_door.post("/studies", sent, MULTIPART)
    assert (got, json.loads(answer)["code"]) == (status, code)


async def test_metadata_as_xml_are_not_taken(filing_door: WebDoor) -> None:
    kind = 'multipart/related; type="application/dicom+xml"; boundary=b1'
    assert (await filing_door.post("/studies", b"", kind))[0] == 415


@pytest.mark.parametrize(
    "element",
    [
        {},
        {"vr": "XX"},
        {"vr": "US", "Value": [70000]},
        {"vr": "US", "Value": "1"},
        {"vr": "SQ", "Value": [1]},
        {"vr": "PN", "Value": ["Li"]},
        {"vr": "LO", "Value": [1]},
        {"vr": "OB", "InlineBinary": "=="},
        {"vr": "AT", "Value": ["x"]},
        {"vr": "LO", "Value": ["x" * 70000]},
        {"vr": "OB", "BulkDataURI": "nowhere"},
        7,
    ],
)
def test_what_is_no_element_is_refused(element: Any) -> None:
    def nowhere(_: str) -> Any:
        raise BrokenDataset("no-such-bulk-value", "")

    with pytest.raises(BrokenDataset):
        b"".join(pieces({"00091001": element}, nowhere))


def test_a_data_set_without_a_bottom_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"00081140": {"vr": "SQ", "Value": [deep]}}
    with pytest.raises(BrokenDataset):
        b"".join(pieces(deep, lambda _: pytest.fail("no value is asked for")))
