"""One object, two doors: C-STORE and STOW-RS answer it with the same code and sentence."""

import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from imaging.archive.tables import instance, study
from kernel.dicom.part10 import file_meta_bytes
from kernel.dicom.status import COMMENTS
from kernel.sql.db import Database, metadata
from tests.dimse.houses import house
from tests.dimse.peers import associated
from tests.dimse.samples import INSTANCE, dataset, element, uid
from tests.dimse.test_store_scp import BROKEN, DEFLATED, deflated
from tests.dimse.wire_bytes import CT, EXPLICIT_LE
from tests.imaging.desk import Desk, open_desk
from tests.imaging.web_door import open_door

# What only one door can see: STOW has no request that names class and instance.
_OF_ONE_DOOR = {"another-instance", "another-class"}
REFUSED = {
    **{
        name: (data, EXPLICIT_LE)
        for name, (data, _, _) in BROKEN.items()
        if name not in _OF_ONE_DOOR
    },
    "deflate-bomb": (deflated(dataset(element(0x7FE00010, "OB", bytes(80 << 20)))), DEFLATED),
    "deflate-broken": (b"\xff" * 400, DEFLATED),
    "header-over-the-limit": (
        dataset(struct.pack("<HH2sHI", 0x0009, 0x1001, b"SQ", 0, 0xFFFFFFFF) + bytes(8)),
        EXPLICIT_LE,
    ),
}
NO_STUDY = element(0x00080016, "UI", uid(CT)) + element(0x00080018, "UI", uid(INSTANCE))


@pytest_asyncio.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = await Database.open(sqlite_url)
    await database.write(metadata.create_all)
    async with open_desk(database, tmp_path / "desk") as opened:
        yield opened
    await database.close()


async def by_dimse(folder: Path, data: bytes, syntax: str) -> tuple[int, str]:
    """Return status and Error Comment."""
    async with house(folder) as at:
        async with associated(at.door.addresses[0], CT, syntax) as scu:
            answer = await scu.store(data, sop_class=CT, instance=INSTANCE)
            await scu.release()
        return answer.status, answer.comment


async def by_stow(desk: Desk, data: bytes, syntax: str) -> tuple[int, int, str]:
    """Return HTTP status, Failure Reason (0 where it is kept) and Warning header."""
    file = (
        file_meta_bytes(sop_class_uid=CT, sop_instance_uid=INSTANCE, transfer_syntax_uid=syntax)
        + data
    )
    async with open_door(desk) as door:
        status, headers, body = await door.post("/studies", file, "application/dicom")
        await door.get("/studies/9.9/metadata")
    told = json.loads(body)
    failed = [
        item["00081197"]["Value"][0]
        for tag in ("00081198", "0008119A")
        for item in told.get(tag, {}).get("Value", [])
    ]
    return status, failed[0] if failed else 0, headers.get("Warning", "")


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_at_one_door_is_refused_at_the_other_alike(
    desk: Desk, tmp_path: Path, name: str
) -> None:
    data, syntax = REFUSED[name]
    code, comment = await by_dimse(tmp_path / "house", data, syntax)
    status, reason, warning = await by_stow(desk, data, syntax)
    assert (status, reason) == (409, code)
    assert code == 0xC000
    # A file that ends with its meta group was cut short; C-STORE sends no such group.
    if name != "empty":
        assert warning == f'299 yilian "Part 1: {comment}"'


async def test_an_object_without_a_study_is_kept_by_both_in_the_same_place(
    desk: Desk, tmp_path: Path
) -> None:
    code, _ = await by_dimse(tmp_path / "house", NO_STUDY, EXPLICIT_LE)
    status, reason, warning = await by_stow(desk, NO_STUDY, EXPLICIT_LE)
    assert (code, status, reason, warning) == (0, 200, 0, "")
    (row,) = await desk.rows(
        sa.select(study.c.study_instance_uid).join(instance, instance.c.study == study.c.id)
    )
    async with open_door(desk) as door:
        file = file_meta_bytes(
            sop_class_uid=CT, sop_instance_uid=INSTANCE, transfer_syntax_uid=EXPLICIT_LE
        )
        _, _, body = await door.post("/studies", file + NO_STUDY, "application/dicom")
        told = json.loads(body)["00081199"]["Value"][0]["00081190"]["Value"][0]
        assert f"/studies/{row['study_instance_uid']}/" in told
        found, _, _ = await door.get(f"{told.partition('/dicom-web')[2]}/metadata")
        assert found == 200
        status, headers, _ = await door.post(
            "/studies/2.25.1", file + NO_STUDY, "application/dicom"
        )
        assert (status, COMMENTS["other-study"] in headers["Warning"]) == (409, True)
