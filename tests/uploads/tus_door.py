"""A tus door on loopback, and the sink that shows what came through it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.uploads.sinks import UploadSink
from gateway.uploads.tus import TusServer, TusSettings
from gateway.uploads.upload_files import Owner, UploadInfo, UploadResult
from kernel.clock import Clock, SystemClock
from kernel.errors import Invalid


@dataclass
class FolderSink:
    """Keeps what it takes in a folder, by upload; refuses bytes that begin with ``BAD``."""

    folder: Path
    max_bytes: int = 64 * 1024 * 1024
    taken: list[str] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def admit(self, info: UploadInfo) -> None:
        if info.metadata.get("filename") == "forbidden":
            raise Invalid("not this one", code="name-refused")

    async def take(self, info: UploadInfo, path: Path) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        content = await asyncio.to_thread(path.read_bytes)
        if content.startswith(b"BAD"):
            raise Invalid("it says BAD", code="bad-bytes")
        self.folder.mkdir(exist_ok=True)
        (self.folder / info.upload_id).write_bytes(content)
        self.taken.append(info.upload_id)
        self.changed.set()

    async def refused(self, info: UploadInfo, result: UploadResult) -> None:
        self.refusals.append((info.upload_id, result.code))
        self.changed.set()

    def digests(self) -> list[str]:
        """SHA-256 of everything taken, in order."""
        return [
            hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in self.taken
        ]


def owner_by_header(request: web.Request) -> Owner:
    """In these tests the asker says who they are."""
    name = request.headers.get("X-Test-User", "anna")
    return Owner(user_id=name, institution="qingshan")


@dataclass
class Door:
    """One running server."""

    server: TusServer
    port: int
    directory: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/uploads/"

    def durable_bytes(self, upload_id: str) -> int:
        return (self.directory / f"{upload_id}.data").stat().st_size


@asynccontextmanager
async def tus_door(
    directory: Path,
    sinks: Mapping[str, UploadSink],
    *,
    settings: TusSettings | None = None,
    clock: Clock | None = None,
    handler_cancellation: bool = True,
) -> AsyncIterator[Door]:
    """Serve *directory* on an ephemeral port."""
    server = TusServer(
        directory,
        sinks,
        owner_of=owner_by_header,
        allow=lambda _request, _kind: None,
        clock=clock or SystemClock(),
        settings=settings or TusSettings(reserve_bytes=0),
    )
    app = web.Application()
    app.add_routes(server.routes())
    runner = web.AppRunner(app, handler_cancellation=handler_cancellation, shutdown_timeout=1)
    async with server.running():
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            yield Door(server, port, directory)
        finally:
            await runner.cleanup()


async def until(happened: object, *, timeout_s: float = 10.0) -> None:
    """Wait until the callable *happened* returns true."""
    assert callable(happened)
    async with asyncio.timeout(timeout_s):
        while not happened():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0.01)
