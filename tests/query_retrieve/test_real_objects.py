"""Every real object, as it came and as a township sends it, in each form a peer may ask for."""

import asyncio
import contextlib

import pytest

from imaging.query.attributes import Level
from imaging.query.model import Query
from imaging.query.retrieve import RetrievedInstance, instances_of
from kernel.dicom.part10 import BytesSource, file_meta_bytes, read_file_meta
from kernel.errors import PlatformError
from kernel.policy import Reach
from tests.imaging.compressed import as_sent
from tests.imaging.desk import Desk
from tests.query_retrieve.pacs import QINGSHAN
from tests.query_retrieve.peers import content
from tests.shared_data import single_files
from yilian.wiring.archive_pixels import ArchivedObject, ArchivePixels

LOSSLESS = {
    f"1.2.840.10008.1.2{end}"
    for end in (
        "",
        ".1",
        ".2",
        ".1.99",
        ".5",
        ".4.57",
        ".4.70",
        ".4.80",
        ".4.90",
        ".4.201",
        ".4.202",
    )
}


async def taken(one: ArchivedObject, form: str) -> bytes:
    """Return the object as a peer that takes *form* writes it to a file."""
    head = file_meta_bytes(
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        transfer_syntax_uid=form,
    )
    return head + b"".join([piece async for piece in one.pieces(form)])


async def filed(desk: Desk, *, dense: bool) -> list[RetrievedInstance]:
    for _, raw in single_files():
        file, told = raw, None
        if dense:
            with contextlib.suppress(PlatformError, AssertionError):
                file, told = await asyncio.to_thread(as_sent, raw)
        with contextlib.suppress(PlatformError):
            await desk.file(file, told=told)
    query = Query(level=Level.INSTANCE, limit=10_000)
    return await desk.database.read(lambda conn: instances_of(conn, query, Reach(QINGSHAN)))


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dense", [False, True], ids=["as-it-came", "as-a-township-sends-it"])
async def test_every_form_of_every_real_object_says_the_same(
    sqlite_desk: Desk, dense: bool
) -> None:
    desk, pixels = sqlite_desk, ArchivePixels(sqlite_desk.objects)
    await pixels.load()
    made = refused = 0
    try:
        for instance in await filed(desk, dense=dense):
            one = ArchivedObject(instance, pixels)
            stored = await taken(one, one.forms[0])
            assert read_file_meta(BytesSource(stored)).transfer_syntax_uid == one.forms[0]
            if one.forms[0] not in LOSSLESS:
                continue
            try:
                expected = await asyncio.to_thread(content, stored)
            except PlatformError:
                continue
            for form in one.forms[1:]:
                try:
                    file = await taken(one, form)
                except PlatformError:
                    refused += 1
                    continue
                made += 1
                found = await asyncio.to_thread(content, file)
                assert found == expected, (instance.sop_class_uid, one.forms[0], form)
    finally:
        await asyncio.to_thread(pixels.close)
    assert made > refused
    assert made > 300
