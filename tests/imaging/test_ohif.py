"""What OHIF 3.13 sends, word for word, in its order; and what it must find in the answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from kernel.sql.db import metadata
from tests.databases import open_filled
from tests.imaging.desk import Desk, open_desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, open_door, parts_of

STUDY = f"{ROOT}.1"
JSON = "application/dicom+json"
FRAMES = "multipart/related; type=application/octet-stream; transfer-syntax=*"
LIST = (
    "limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030"
)


@pytest_asyncio.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[WebDoor]:
    database = await open_filled(sqlite_url)
    async with open_desk(database, tmp_path) as desk, open_door(desk) as opened:
        await file(desk)
        yield opened
    await database.close()


async def file(desk: Desk) -> None:
    await desk.receive_together([ct(n, series=s) for s in (1, 2) for n in range(1, 6)])
    async with asyncio.timeout(20):
        while True:
            rows = await desk.rows(metadata.tables["instance"].select())
            if len(rows) == 10:
                return
            await asyncio.sleep(0.01)


async def query(door: WebDoor, path: str) -> list[dict[str, Any]]:
    status, headers, body = await door.get(path, JSON, Accept_Encoding="identity")
    assert (status, headers["Content-Type"]) == (200, JSON)
    found: list[dict[str, Any]] = json.loads(body)
    return found


async def test_the_study_list_opens_a_study_and_shows_it(door: WebDoor) -> None:
    (study,) = await query(door, f"/studies?{LIST}")
    assert study["00080061"]["Value"] == ["CT"]
    assert study["00201208"]["Value"] == [10]
    assert study["00100010"]["Value"][0]["Alphabetic"]
    patient = study["00100020"]["Value"][0]
    for wanted in (
        f"StudyInstanceUID={STUDY}",
        f"00100020={patient}",
        "PatientName=*zhang*",
        "AccessionNumber=*A0*",
        "ModalitiesInStudy=CT",
        "StudyDate=20260101-20261231",
    ):
        assert len(await query(door, f"/studies?{LIST}&{wanted}")) == 1, wanted

    fields = "includefield=00080021%2C00080031%2C0008103E%2C00200011"
    series = await query(door, f"/studies/{STUDY}/series?{fields}")
    uids = [each["0020000E"]["Value"][0] for each in series]
    assert [each["00201209"]["Value"] for each in series] == [[5], [5]]
    # All series of the study at once.
    told = await asyncio.gather(
        *(query(door, f"/studies/{STUDY}/series/{uid}/metadata") for uid in uids)
    )
    first = told[0][0]
    for tag in ("00280010", "00280011", "00280030", "00200032", "00080016", "00080018"):
        assert first[tag]["Value"]
    assert first["7FE00010"]["BulkDataURI"]
    # One frame to a request, a hundred of them on their way.
    addresses = [
        f"/studies/{STUDY}/series/{uid}/instances/{each['00080018']['Value'][0]}/frames/1"
        for uid, instances in zip(uids, told, strict=True)
        for each in instances
    ]
    answers = await asyncio.gather(*(door.get(address, FRAMES) for address in addresses * 10))
    assert {status for status, _, _ in answers} == {200}
    for _, headers, body in answers:
        ((kind, pixels),) = parts_of(headers, body)
        assert kind == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
        assert len(pixels) == 512


async def test_its_thumbnails_ask_by_the_address_and_not_by_the_header(door: WebDoor) -> None:
    octets = 'multipart/related; type="application/octet-stream"'
    instance = f"/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
    for path, query_ in ((instance, "?accept=image%2Fjpeg"), (f"/studies/{STUDY}", "")):
        status, headers, body = await door.get(f"{path}/thumbnail{query_}", octets)
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert body.startswith(b"\xff\xd8\xff")
    status, headers, _ = await door.get(f"{instance}/rendered?accept=image%2Fjpeg", octets)
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")


async def test_it_stores_what_it_made_and_finds_it(door: WebDoor) -> None:
    boundary = "b8f1d4de-3f7c-4b2e-9a51-1c2d3e4f5a6b"
    body = (
        f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + ct(1, series=9, Modality="SR", PixelData=None, Rows=None, Columns=None)
        + f"\r\n--{boundary}--".encode()
    )
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    status, _, _ = await door.post("/studies", body, kind)
    assert status == 200
    series = await query(door, f"/studies/{STUDY}/series")
    assert f"{STUDY}.9" in [each["0020000E"]["Value"][0] for each in series]
