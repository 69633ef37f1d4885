"""The tus clients that exist, each against a real door."""

import asyncio
import hashlib
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tusclient.client import TusClient

from tests.uploads.tus_door import Door, FolderSink, tus_door, until

CONTENT = hashlib.shake_256(b"a study").digest(2_500_000)
SCRIPT = Path(__file__).with_name("tus_js.cjs")
MODULES = Path(__file__).parents[2] / "gateway" / "ui" / "node_modules"


@pytest.fixture
def sink(tmp_path: Path) -> FolderSink:
    return FolderSink(tmp_path / "taken")


@pytest_asyncio.fixture
async def door(tmp_path: Path, sink: FolderSink) -> AsyncIterator[Door]:
    async with tus_door(tmp_path / "uploads", {"box": sink}) as door:
        yield door


def expect(content: bytes) -> list[str]:
    return [hashlib.sha256(content).hexdigest()]


def by_tuspy(door: Door, content: bytes, **options: Any) -> Any:
    client = TusClient(door.url)
    uploader = client.uploader(
        file_stream=io.BytesIO(content), metadata={"kind": "box", "filename": "影像.dcm"}, **options
    )
    uploader.upload()
    return uploader


@pytest.mark.parametrize("checksum", [False, True])
async def test_tuspy_uploads_in_chunks(door: Door, sink: FolderSink, *, checksum: bool) -> None:
    await asyncio.to_thread(by_tuspy, door, CONTENT, chunk_size=400_000, upload_checksum=checksum)
    await until(lambda: sink.taken)
    assert sink.digests() == expect(CONTENT)


async def test_tuspy_goes_on_by_url(door: Door, sink: FolderSink) -> None:
    def in_two_goes() -> None:
        client = TusClient(door.url)
        first = client.uploader(
            file_stream=io.BytesIO(CONTENT), chunk_size=300_000, metadata={"kind": "box"}
        )
        first.upload_chunk()  # type: ignore[no-untyped-call]
        second = client.uploader(file_stream=io.BytesIO(CONTENT), chunk_size=300_000, url=first.url)
        assert second.offset == 300_000
        second.upload()

    await asyncio.to_thread(in_two_goes)
    await until(lambda: sink.taken)
    assert sink.digests() == expect(CONTENT)


async def by_tus_js(door: Door, tmp_path: Path, content: bytes, **job: Any) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None or not (MODULES / "tus-js-client").is_dir():
        pytest.skip("needs node and the workstation's packages (make ui)")
    file = tmp_path / "content"
    file.write_bytes(content)
    process = await asyncio.create_subprocess_exec(
        node,
        str(SCRIPT),
        str(MODULES),
        json.dumps({"endpoint": door.url, "file": str(file), **job}),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(25):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.mark.parametrize(
    ("job", "content"),
    [
        pytest.param({}, CONTENT, id="one-patch"),
        pytest.param({"options": {"chunkSize": 400_000}}, CONTENT, id="chunks"),
        pytest.param({"options": {"uploadDataDuringCreation": True}}, CONTENT, id="with-creation"),
        pytest.param({}, b"", id="empty"),
        pytest.param(
            {"options": {"chunkSize": 400_000}, "interruptAfter": 800_000}, CONTENT, id="resumed"
        ),
        pytest.param({"again": True}, CONTENT, id="resume-of-a-whole-one"),
        pytest.param({"options": {"overridePatchMethod": True}}, CONTENT, id="method-override"),
    ],
)
async def test_tus_js_client_uploads(
    door: Door, sink: FolderSink, tmp_path: Path, job: dict[str, Any], content: bytes
) -> None:
    told = await by_tus_js(door, tmp_path, content, **job)
    assert "error" not in told, told
    await until(lambda: sink.taken)
    assert sink.digests() == expect(content)


async def test_tus_js_client_begins_anew_when_its_upload_is_gone(
    door: Door, sink: FolderSink, tmp_path: Path
) -> None:
    told = await by_tus_js(door, tmp_path, CONTENT[:1000], afterGone=True)
    assert told.get("url") != told.get("first"), told
    await until(lambda: len(sink.taken) == 2)


async def test_tus_js_client_takes_a_refusal_as_final(door: Door, tmp_path: Path) -> None:
    parallel = await by_tus_js(door, tmp_path, CONTENT, options={"parallelUploads": 2})
    assert parallel["status"] == 400
    nameless = await by_tus_js(door, tmp_path, CONTENT, options={"metadata": {"kind": "none"}})
    assert nameless["status"] == 400
