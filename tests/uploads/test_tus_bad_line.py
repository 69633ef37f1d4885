"""The upload door on a line that is cut, falls silent, or comes back under the old connection."""

import asyncio
import base64
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.uploads.turns import StillBusy, Turns
from gateway.uploads.tus import TusSettings
from tests.uploads.test_tus_protocol import Client
from tests.uploads.tus_door import Door, FolderSink, tus_door, until

CONTENT = hashlib.shake_256(b"an image").digest(777_777)


@asynccontextmanager
async def served(
    folder: Path, *, idle_s: float = 30.0, handler_cancellation: bool = True
) -> AsyncIterator[Client]:
    sink = FolderSink(folder / "taken")
    limits = TusSettings(reserve_bytes=0, idle_s=idle_s)
    async with (
        tus_door(
            folder / "uploads",
            {"box": sink},
            settings=limits,
            handler_cancellation=handler_cancellation,
        ) as door,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, door, sink)


class RawPatch:
    """A PATCH spoken by hand over a socket that can be left lying."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def begin(cls, door: Door, url: str, offset: int, announced: int) -> "RawPatch":
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        path = "/" + url.split("/", 3)[3]
        writer.write(
            f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
            f"Content-Length: {announced}\r\n\r\n".encode()
        )
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close so that the peer sees RST, not FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def has_arrived(door: Door, url: str, size: int) -> None:
    """Wait until the server is inside the body and has taken *size* bytes off the socket."""
    upload_id = url.rsplit("/", 1)[1]
    await until(lambda: door.server.receiving(upload_id))
    await until(lambda: door.server.received(upload_id) >= size)


@pytest.mark.parametrize("handler_cancellation", [True, False])
async def test_an_upload_is_taken_over_from_a_silent_peer(
    tmp_path: Path, *, handler_cancellation: bool
) -> None:
    async with served(tmp_path, handler_cancellation=handler_cancellation) as client:
        url = await client.create(len(CONTENT))
        silent = await RawPatch.begin(client.door, url, 0, len(CONTENT))
        await silent.send(CONTENT[:300_001])
        await has_arrived(client.door, url, 300_001)

        # The old connection is neither closed nor reset: for the server it looks alive.
        async with asyncio.timeout(5):
            assert await client.offset(url) == 300_001
            assert (await client.patch(url, 300_001, CONTENT[300_001:])).status == 204
        await until(lambda: client.sink.taken)
        assert client.sink.digests() == [hashlib.sha256(CONTENT).hexdigest()]
        async with asyncio.timeout(5):
            assert await silent.reader.read() == b""  # the server let the old connection go
        silent.close()


async def test_a_patch_takes_over_without_a_head_before_it(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        url = await client.create(len(CONTENT))
        silent = await RawPatch.begin(client.door, url, 0, len(CONTENT))
        await silent.send(CONTENT[:1000])
        await has_arrived(client.door, url, 1000)
        stale = await client.patch(url, 0, CONTENT)
        assert (stale.status, stale.headers["Upload-Offset"]) == (409, "1000")
        assert (await client.patch(url, 1000, CONTENT[1000:])).status == 204
        silent.close()
        await until(lambda: client.sink.taken)


async def test_of_many_that_come_at_once_all_get_an_answer_and_the_bytes_are_right(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as client:
        url = await client.create(len(CONTENT))
        silent = await RawPatch.begin(client.door, url, 0, len(CONTENT))
        await silent.send(CONTENT[:5000])
        await has_arrived(client.door, url, 5000)
        statuses: list[int] = []

        async def contend() -> None:
            try:
                statuses.append((await client.patch(url, 5000, CONTENT[5000:])).status)
            except aiohttp.ClientConnectionError:
                statuses.append(0)  # taken over by a newer one

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(contend())
        silent.close()
        at = await client.offset(url)
        if at < len(CONTENT):
            assert (await client.patch(url, at, CONTENT[at:])).status == 204
        await until(lambda: client.sink.taken)
        assert client.sink.digests() == [hashlib.sha256(CONTENT).hexdigest()]
        assert len(statuses) == 5
        assert set(statuses) <= {0, 204, 409}


@pytest.mark.parametrize("handler_cancellation", [True, False])
@pytest.mark.parametrize("way", ["fin", "reset"])
async def test_a_cut_keeps_what_came_before_it(
    tmp_path: Path, way: str, *, handler_cancellation: bool
) -> None:
    async with served(tmp_path, handler_cancellation=handler_cancellation) as client:
        url = await client.create(len(CONTENT))
        peer = await RawPatch.begin(client.door, url, 0, len(CONTENT))
        await peer.send(CONTENT[:500_000])
        await has_arrived(client.door, url, 500_000)
        peer.close() if way == "fin" else peer.reset()
        assert await client.offset(url) == 500_000


@pytest.mark.parametrize("handler_cancellation", [True, False])
@pytest.mark.parametrize("seed", range(5))
async def test_an_upload_whose_peer_is_gone_right_after_its_last_byte_is_taken(
    tmp_path: Path, seed: int, *, handler_cancellation: bool
) -> None:
    async with served(tmp_path, handler_cancellation=handler_cancellation) as client:
        url = await client.create(len(CONTENT))
        upload_id = url.rsplit("/", 1)[1]
        peer = await RawPatch.begin(client.door, url, 0, len(CONTENT))
        await peer.send(CONTENT)
        for _ in range(seed * 20):
            await asyncio.sleep(0)
        peer.close()  # nobody waits for the answer
        await until(lambda: client.door.server.received(upload_id) > 0)
        await until(lambda: not client.door.server.held(upload_id))
        if client.door.server.received(upload_id) < len(CONTENT):
            # What was still inside the HTTP library when the connection went comes again.
            at = await client.offset(url)
            assert at >= len(CONTENT) - 256 * 1024
            await client.patch(url, at, CONTENT[at:])
        # Else no other request comes, and it is taken all the same.
        await until(lambda: client.sink.taken)
        assert client.sink.digests() == [hashlib.sha256(CONTENT).hexdigest()]


async def test_a_peer_that_stops_in_the_body_is_let_go_after_the_idle_time(tmp_path: Path) -> None:
    async with served(tmp_path, idle_s=0.2) as client:
        url = await client.create(10)
        peer = await RawPatch.begin(client.door, url, 0, 10)
        await peer.send(b"0123")
        async with asyncio.timeout(10):
            assert (await peer.reader.readline()).startswith(b"HTTP/1.1 408 ")
        peer.close()
        assert await client.offset(url) == 4


async def test_a_cut_chunk_under_a_checksum_is_dropped_whole(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        url = await client.create(len(CONTENT))
        digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
        reader, writer = await asyncio.open_connection("127.0.0.1", client.door.port)
        path = "/" + url.split("/", 3)[3]
        writer.write(
            f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nUpload-Checksum: sha256 {digest}\r\n"
            f"Content-Length: {len(CONTENT)}\r\n\r\n".encode()
        )
        await RawPatch(reader, writer).send(CONTENT[:600_000])
        await has_arrived(client.door, url, 600_000)
        writer.close()
        assert await client.offset(url) == 0


@pytest.mark.parametrize("seed", range(12))
async def test_cuts_at_any_byte_end_in_the_same_bytes(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)  # where to cut
    cuts = [draw.randrange(len(CONTENT)) for _ in range(5)]
    async with served(tmp_path) as client:
        url = await client.create(len(CONTENT))
        at = 0
        for cut in sorted(cuts):
            if cut < at:
                continue
            peer = await RawPatch.begin(client.door, url, at, len(CONTENT) - at)
            await peer.send(CONTENT[at:cut])
            await has_arrived(client.door, url, cut)
            peer.reset() if cut % 2 else peer.close()
            at = await client.offset(url)
            assert at == cut
        assert (await client.patch(url, at, CONTENT[at:])).status == 204
        await until(lambda: client.sink.taken)
        assert client.sink.digests() == [hashlib.sha256(CONTENT).hexdigest()]


async def test_whoever_does_not_let_go_in_time_keeps_the_turn() -> None:
    turns = Turns()
    async with turns.take("one", timeout_s=1):  # not receiving: its disk is writing
        with pytest.raises(StillBusy):
            await asyncio.wait_for(_take(turns), timeout=5)
        assert turns.held("one")
    await _take(turns)


async def _take(turns: Turns) -> None:
    async with turns.take("one", timeout_s=0.05):
        pass
