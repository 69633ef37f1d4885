"""Takes the body of one PATCH or POST into an upload, and keeps what came however it ends."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import ClientPayloadError, web

from gateway.uploads.threads import finish_in_thread
from gateway.uploads.turns import Turn
from gateway.uploads.tus_headers import Checksum, TusFault, TusStatus
from gateway.uploads.upload_files import Appending, Upload, UploadFiles
from kernel.clock import Clock

_WRITE_BYTES: Final = 256 * 1024
_SETTLE_BYTES: Final = 8 * 1024 * 1024
_SETTLE_S: Final = 1.0


class Body(Protocol):
    """Where the bytes come from."""

    async def readany(self) -> bytes:
        """Return what is there, ``b""`` at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """Writes request bodies behind the durable end of an upload."""

    files: UploadFiles
    clock: Clock
    idle_s: float
    """Longest silence of the peer inside a body."""

    async def receive(
        self, body: Body, upload: Upload, turn: Turn, checksum: Checksum | None
    ) -> None:
        """Append *body* to *upload* and make it durable.

        Cut, silent, taken over or cancelled: what came before is durable and counted, except
        under a checksum, where a part cannot be checked and is dropped.

        Raises:
            TusFault: 408 silent too long, 413 longer than declared, 460 checksum differs, 400
                cut off by the peer.
            StorageFull: no room; what was durable stays.
        """
        appending = await finish_in_thread(lambda: self.files.append(upload))
        copy = _Copy(self, appending, upload, checksum)
        try:
            with turn.receiving():
                await copy.run(body)
            if checksum is not None and not copy.matches():
                raise TusFault(TusStatus.CHECKSUM_MISMATCH, "checksum-mismatch", "bytes damaged")
            await copy.settle()
        except (TimeoutError, asyncio.CancelledError, ConnectionError, ClientPayloadError) as exc:
            if checksum is None:
                await copy.settle()
            if isinstance(exc, asyncio.CancelledError):
                raise
            if isinstance(exc, TimeoutError):
                raise TusFault(408, "body-idle", "no byte came for too long") from exc
            raise TusFault(400, "body-cut", "the body ended early") from exc
        finally:
            await finish_in_thread(appending.close)


class _Copy:
    """One body on its way to disk."""

    def __init__(
        self, receiver: Receiver, appending: Appending, upload: Upload, checksum: Checksum | None
    ) -> None:
        self._receiver = receiver
        self._appending = appending
        self._upload = upload
        self._room = upload.info.length - upload.offset
        self._checksum = checksum
        self._hash = checksum.start() if checksum else None
        self._pending = bytearray()
        self._settled_at = appending.position
        self._settled_s = receiver.clock.monotonic_s()

    async def run(self, body: Body) -> None:
        async with asyncio.timeout(self._receiver.idle_s) as idle:
            while chunk := await body.readany():
                self._room -= len(chunk)
                if self._room < 0:
                    self._pending.clear()
                    raise TusFault(413, "longer-than-declared", "more bytes than Upload-Length")
                if self._hash is not None:
                    self._hash.update(chunk)
                self._pending += chunk
                self._upload.received = self._upload.info.length - self._room
                if len(self._pending) >= _WRITE_BYTES:
                    await self._write()
                await self._settle_now_and_then()
                idle.reschedule(asyncio.get_running_loop().time() + self._receiver.idle_s)

    def matches(self) -> bool:
        return (
            self._hash is None
            or self._checksum is None
            or self._hash.digest() == self._checksum.digest
        )

    async def settle(self) -> None:
        await self._write()
        await finish_in_thread(lambda: self._appending.settle(self._receiver.clock.now()))
        self._settled_at = self._appending.position
        self._settled_s = self._receiver.clock.monotonic_s()

    async def _write(self) -> None:
        whole, self._pending = self._pending, bytearray()
        if whole:
            await finish_in_thread(lambda: self._appending.write(whole))

    async def _settle_now_and_then(self) -> None:
        """So that a crash of this node costs the peer little, too."""
        grown = self._appending.position + len(self._pending) - self._settled_at
        waited_s = self._receiver.clock.monotonic_s() - self._settled_s
        if self._checksum is None and (
            grown >= _SETTLE_BYTES or (grown > 0 and waited_s >= _SETTLE_S)
        ):
            await self.settle()


def body_of(request: web.Request) -> Body:
    """Return the body of *request* as it streams in, never gathered in memory."""
    return request.content
