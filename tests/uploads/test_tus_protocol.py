"""What tus 1.0.0 asks of a server, one sentence a test."""

import base64
import datetime as dt
import hashlib
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gateway.uploads.tus import TusSettings
from kernel.clock import FrozenClock
from kernel.errors import Unavailable
from tests.uploads.tus_door import Door, FolderSink, tus_door, until

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = TUS | {"Content-Type": "application/offset+octet-stream"}
KIND = "kind " + base64.b64encode(b"box").decode()


class Client:
    """Raw requests to one door."""

    def __init__(self, session: aiohttp.ClientSession, door: Door, sink: FolderSink) -> None:
        self.session = session
        self.door = door
        self.sink = sink

    async def ask(self, method: str, url: str, **rest: Any) -> aiohttp.ClientResponse:
        async with self.session.request(method, url, allow_redirects=False, **rest) as response:
            await response.read()
        return response

    async def create(self, length: int, metadata: str = KIND, **headers: str) -> str:
        asked = TUS | {"Upload-Length": str(length), "Upload-Metadata": metadata} | headers
        response = await self.ask("POST", self.door.url, headers=asked)
        assert response.status == 201, await response.text()
        return f"http://127.0.0.1:{self.door.port}{response.headers['Location']}"

    async def patch(self, url: str, offset: int, data: bytes, **headers: str) -> Any:
        asked = OCTETS | {"Upload-Offset": str(offset)} | headers
        return await self.ask("PATCH", url, headers=asked, data=data)

    async def offset(self, url: str) -> int:
        response = await self.ask("HEAD", url, headers=TUS)
        assert response.status == 200
        return int(response.headers["Upload-Offset"])


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    sink = FolderSink(tmp_path / "taken")
    async with (
        tus_door(tmp_path / "uploads", {"box": sink}) as door,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, door, sink)


async def test_options_says_what_is_offered_and_nothing_that_is_not(client: Client) -> None:
    response = await client.ask("OPTIONS", client.door.url)
    assert response.status == 204
    assert response.headers["Tus-Version"] == "1.0.0"
    offered = set(response.headers["Tus-Extension"].split(","))
    assert offered == {
        "creation",
        "creation-with-upload",
        "checksum",
        "expiration",
        "termination",
    }
    assert response.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
    assert int(response.headers["Tus-Max-Size"]) == client.sink.max_bytes


async def test_an_upload_in_two_parts_reaches_its_sink_once(client: Client) -> None:
    content = bytes(range(256)) * 4000
    url = await client.create(len(content))
    assert await client.offset(url) == 0
    first = await client.patch(url, 0, content[:700_000])
    assert (first.status, first.headers["Upload-Offset"]) == (204, "700000")
    assert await client.offset(url) == 700_000
    last = await client.patch(url, 700_000, content[700_000:])
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(content)))
    await until(lambda: client.sink.taken)
    assert client.sink.digests() == [hashlib.sha256(content).hexdigest()]
    assert await client.offset(url) == len(content)
    again = await client.patch(url, len(content), b"")
    assert again.status == 204
    assert len(client.sink.taken) == 1


async def test_bytes_may_come_with_the_creation(client: Client) -> None:
    headers = OCTETS | {"Upload-Length": "10", "Upload-Metadata": KIND}
    response = await client.ask("POST", client.door.url, headers=headers, data=b"01234")
    assert (response.status, response.headers["Upload-Offset"]) == (201, "5")
    url = f"http://127.0.0.1:{client.door.port}{response.headers['Location']}"
    assert (await client.patch(url, 5, b"56789")).status == 204
    await until(lambda: client.sink.taken)


async def test_an_empty_upload_is_whole_at_once(client: Client) -> None:
    await client.create(0)
    await until(lambda: client.sink.taken)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Tus-Resumable": "0.2.2"}, 412, id="other-version"),
        pytest.param({"Upload-Length": ""}, 400, id="empty-length"),
        pytest.param({"Upload-Length": "-1"}, 400, id="negative-length"),
        pytest.param({"Upload-Length": "٣"}, 400, id="arabic-digit"),
        pytest.param({"Upload-Length": "9" * 30}, 400, id="length-of-30-digits"),
        pytest.param({"Upload-Length": str(64 * 1024 * 1024 + 1)}, 413, id="over-the-limit"),
        pytest.param({"Upload-Defer-Length": "1"}, 400, id="deferred-length"),
        pytest.param({"Upload-Concat": "partial"}, 400, id="concatenation"),
        pytest.param({"Upload-Metadata": "kind !!!"}, 400, id="metadata-not-base64"),
        pytest.param({"Upload-Metadata": KIND + "," + KIND}, 400, id="repeated-key"),
        pytest.param({"Upload-Metadata": "filename"}, 400, id="no-kind"),
        pytest.param(
            {"Upload-Metadata": KIND + ",filename Zm9yYmlkZGVu"}, 400, id="refused-by-the-sink"
        ),
        pytest.param({"Upload-Checksum": "crc32 AAAA"}, 400, id="unknown-checksum"),
        pytest.param({"Content-Encoding": "gzip"}, 415, id="encoded-body"),
    ],
)
async def test_a_creation_that_cannot_be_served_is_refused(
    client: Client, headers: dict[str, str], status: int
) -> None:
    asked = TUS | {"Upload-Length": "5", "Upload-Metadata": KIND} | headers
    response = await client.ask("POST", client.door.url, headers=asked)
    assert response.status == status
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert response.content_type == "application/problem+json"
    if status == 412:
        assert response.headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Content-Type": "application/octet-stream"}, 415, id="content-type"),
        pytest.param({"Upload-Offset": "1"}, 409, id="offset-ahead"),
        pytest.param({"Upload-Offset": "x"}, 400, id="offset-not-a-number"),
        pytest.param({"Trailer": "Upload-Checksum"}, 400, id="trailer"),
        pytest.param({"Upload-Checksum": "md5 AAAA"}, 400, id="unknown-checksum"),
        pytest.param({"Upload-Checksum": "sha1 AAAA"}, 400, id="digest-too-short"),
        pytest.param({"Tus-Resumable": ""}, 412, id="no-version"),
    ],
)
async def test_a_patch_that_cannot_be_served_changes_nothing(
    client: Client, headers: dict[str, str], status: int
) -> None:
    url = await client.create(5)
    response = await client.patch(url, 0, b"01234", **headers)
    assert response.status == status
    assert await client.offset(url) == 0


async def test_more_bytes_than_declared_are_refused_however_they_come(client: Client) -> None:
    url = await client.create(5)
    assert (await client.patch(url, 0, b"012345")).status == 413

    async def chunked() -> AsyncIterator[bytes]:
        yield b"0123"
        yield b"4567"

    headers = OCTETS | {"Upload-Offset": "0"}
    response = await client.ask("PATCH", url, headers=headers, data=chunked())
    assert response.status == 413
    assert await client.offset(url) == 0


async def test_a_right_checksum_counts_and_a_wrong_one_is_460_with_its_own_reason(
    client: Client,
) -> None:
    url = await client.create(10)
    right = "sha1 " + base64.b64encode(hashlib.sha1(b"01234").digest()).decode()  # noqa: S324
    assert (await client.patch(url, 0, b"01234", **{"Upload-Checksum": right})).status == 204
    wrong = "sha256 " + base64.b64encode(hashlib.sha256(b"no").digest()).decode()
    response = await client.patch(url, 5, b"56789", **{"Upload-Checksum": wrong})
    assert (response.status, response.reason) == (460, "Checksum Mismatch")
    assert await client.offset(url) == 5
    assert (await client.patch(url, 5, b"56789")).status == 204


async def test_an_upload_is_not_there_for_anybody_else(client: Client) -> None:
    url = await client.create(5)
    for method in ("HEAD", "PATCH", "DELETE"):
        headers = OCTETS | {"Upload-Offset": "0", "X-Test-User": "bertha"}
        response = await client.ask(method, url, headers=headers)
        assert response.status == 404
    assert await client.offset(url) == 0


async def test_a_terminated_upload_is_gone_from_the_disk(client: Client) -> None:
    url = await client.create(5)
    await client.patch(url, 0, b"012")
    assert (await client.ask("DELETE", url, headers=TUS)).status == 204
    assert (await client.ask("HEAD", url, headers=TUS)).status == 404
    assert list(client.door.directory.iterdir()) == []


async def test_the_method_may_be_named_in_a_header(client: Client) -> None:
    url = await client.create(5)
    headers = OCTETS | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await client.ask("POST", url, headers=headers, data=b"01234")).status == 204
    assert (await client.ask("POST", url, headers=TUS)).status == 405


async def test_an_upload_the_sink_refuses_ends_and_one_it_puts_off_is_tried_again(
    client: Client,
) -> None:
    client.sink.trouble.append(Unavailable("the journal sleeps"))
    later = await client.create(4)
    await client.patch(later, 0, b"good")
    bad = await client.create(3)
    await client.patch(bad, 0, b"BAD")
    await until(lambda: client.sink.refusals and client.sink.taken)
    assert client.sink.refusals == [(bad.rsplit("/", 1)[1], "bad-bytes")]
    assert client.sink.taken == [later.rsplit("/", 1)[1]]


async def test_a_sink_that_fails_in_its_own_way_blocks_nobody_and_is_given_up(
    client: Client,
) -> None:
    client.sink.trouble.extend(RuntimeError("a fault of ours") for _ in range(3))
    await client.create(0)
    await until(lambda: client.sink.refusals)
    assert client.sink.refusals[0][1] == "internal-error"


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path / "taken")
    async with aiohttp.ClientSession() as session:
        async with tus_door(tmp_path / "uploads", {"box": sink}) as door:
            client = Client(session, door, sink)
            path = (await client.create(10)).rsplit("/", 1)[1]
            await client.patch(door.url + path, 0, b"01234")
        with (tmp_path / "uploads" / f"{path}.data").open("ab") as file:
            file.write(b"never acknowledged")
        async with tus_door(tmp_path / "uploads", {"box": sink}) as door:
            client = Client(session, door, sink)
            assert await client.offset(door.url + path) == 5
            await client.patch(door.url + path, 5, b"56789")
            await until(lambda: sink.taken)
    assert sink.digests() == [hashlib.sha256(b"0123456789").hexdigest()]


async def test_an_upload_expires_unless_it_grows(tmp_path: Path) -> None:
    clock = FrozenClock(dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC))
    sink = FolderSink(tmp_path / "taken")
    settings = TusSettings(reserve_bytes=0, keep=dt.timedelta(days=2))
    async with (
        tus_door(tmp_path / "uploads", {"box": sink}, settings=settings, clock=clock) as door,
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, door, sink)
        idle, growing = await client.create(5), await client.create(5)
        clock.advance(dt.timedelta(days=1, hours=23))
        response = await client.patch(growing, 0, b"01")
        expires = parsedate_to_datetime(response.headers["Upload-Expires"])
        assert expires == clock.now() + settings.keep
        clock.advance(dt.timedelta(hours=2))
        await door.server.sweep()
        assert (await client.ask("HEAD", idle, headers=TUS)).status == 404
        assert await client.offset(growing) == 2


async def test_a_full_disk_is_507_and_nothing_is_begun(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path / "taken")
    settings = TusSettings(reserve_bytes=1 << 60)
    async with (
        tus_door(tmp_path / "uploads", {"box": sink}, settings=settings) as door,
        aiohttp.ClientSession() as session,
    ):
        headers = TUS | {"Upload-Length": "5", "Upload-Metadata": KIND}
        response = await Client(session, door, sink).ask("POST", door.url, headers=headers)
        assert response.status == 507
        assert list(door.directory.iterdir()) == []
