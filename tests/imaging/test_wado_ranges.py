"""An object in parts: a client goes on where its line was cut."""

import pytest

from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor

INSTANCE = f"/studies/{ROOT}.1/series/{ROOT}.1.1/instances/{ROOT}.1.1.1"
STORED = "application/dicom; transfer-syntax=*"


async def test_the_rest_of_an_object_comes_from_the_byte_asked_for(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct())
    whole = ct()
    status, headers, body = await door.get(INSTANCE, STORED, Range="bytes=700-")
    assert (status, body) == (206, whole[700:])
    assert headers["Content-Range"] == f"bytes 700-{len(whole) - 1}/{len(whole)}"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Disposition"].startswith("attachment;")
    status, headers, body = await door.get(INSTANCE, STORED, Range="bytes=0-99")
    assert (status, body, headers["Content-Length"]) == (206, whole[:100], "100")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=9-1", "bytes=-"])
async def test_what_is_no_single_range_gets_the_whole(
    sqlite_desk: Desk, door: WebDoor, asked: str
) -> None:
    await sqlite_desk.file(ct())
    status, _, body = await door.get(INSTANCE, STORED, Range=asked)
    assert (status, body) == (200, ct())


async def test_nothing_lies_beyond_the_end(sqlite_desk: Desk, door: WebDoor) -> None:
    await sqlite_desk.file(ct())
    status, headers, _ = await door.get(INSTANCE, STORED, Range=f"bytes={len(ct())}-")
    assert status == 416
    assert headers["Content-Range"] == f"bytes */{len(ct())}"


async def test_a_part_of_another_object_is_not_gone_on_with(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct())
    _, headers, _ = await door.get(INSTANCE, STORED)
    mine = {"Range": "bytes=10-", "If-Range": headers["ETag"]}
    status, _, body = await door.get(INSTANCE, STORED, **mine)
    assert (status, body) == (206, ct()[10:])
    status, _, body = await door.get(INSTANCE, STORED, **(mine | {"If-Range": '"another"'}))
    assert (status, body) == (200, ct())
