"""A county's upload door on loopback, over a real journal and real receipts."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.uploads.parcel_sink import CountyIdentity, ParcelSink, Taken
from gateway.uploads.receipt_http import ReceiptDoor
from gateway.uploads.receipts import Receipt, ReceiptBook, open_receipt
from gateway.uploads.tus import TusServer, TusSettings
from gateway.uploads.tus_headers import format_metadata
from kernel.arrival import Arrival, decode_arrival
from kernel.clock import SystemClock
from kernel.dicom.codecs import InThread
from kernel.errors import PlatformError
from kernel.journal.writer import JournalReader, JournalWriter, Position
from kernel.web import problem
from tests.uploads.tus_door import owner_by_header

KEY = Ed25519PrivateKey.generate()


class County:
    """A running county, what it committed, and a client to it."""

    def __init__(self, home: Path, session: aiohttp.ClientSession, uploads: TusServer) -> None:
        self.home = home
        self.session = session
        self.uploads = uploads
        self.base = ""
        self.port = 0

    def committed(self) -> list[tuple[Arrival, bytes]]:
        """Everything in the journal, in order."""
        reader = JournalReader.open(self.home / "journal", after=Position(0, 0))
        try:
            return [
                (decode_arrival(stored.meta), b"".join(stored.chunks()))
                for batch in reader.poll(10_000)
                for stored in batch.entries
            ]
        finally:
            reader.close()

    def batches(self) -> list[int]:
        """How many instances each commit held."""
        reader = JournalReader.open(self.home / "journal", after=Position(0, 0))
        try:
            return [len(batch.entries) for batch in reader.poll(10_000)]
        finally:
            reader.close()

    async def upload(self, raw: bytes, parcel_id: str, user: str = "anna") -> None:
        """Upload a parcel in one request."""
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(raw)),
            "Upload-Metadata": format_metadata({"kind": "parcel", "parcel": parcel_id}),
            "Content-Type": "application/offset+octet-stream",
            "X-Test-User": user,
        }
        url = self.base + "/uploads/"
        async with self.session.post(url, headers=headers, data=raw) as answer:
            assert answer.status == 201, await answer.text()

    async def announced(self, length: int, **metadata: str) -> tuple[int, str, str]:
        """Announce a parcel; return status, code where it is refused, and the longest taken."""
        told = {"kind": "parcel", "parcel": "0" * 26} | metadata
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(length),
            "Upload-Metadata": format_metadata(told),
        }
        async with self.session.post(self.base + "/uploads/", headers=headers) as answer:
            problem = await answer.json(content_type=None) if answer.status != 201 else {}
            return answer.status, problem.get("code", ""), answer.headers.get("Tus-Max-Size", "")

    async def receipt(self, parcel_id: str, wait: float = 10) -> tuple[int, bytes]:
        """Ask for a receipt."""
        url = f"{self.base}/uploads/receipts/{parcel_id}?wait={wait}"
        async with self.session.get(url) as answer:
            return answer.status, await answer.read()

    async def delivered(self, raw: bytes, parcel_id: str) -> Receipt:
        """Upload a parcel and return its receipt."""
        await self.upload(raw, parcel_id)
        status, body = await self.receipt(parcel_id)
        assert status == 200, body
        return open_receipt(body, KEY.public_key())


@web.middleware
async def errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer what a handler raises as the shell does."""
    try:
        return await handler(request)
    except PlatformError as exc:
        return problem(exc)


@asynccontextmanager
async def county_door(
    home: Path,
    journal: JournalWriter | None = None,
    *,
    taken: Taken | None = None,
    tells_versions: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[County]:
    """Run a county in *home* on an ephemeral port."""
    own = journal or JournalWriter.open(home / "journal", reserve_bytes=0)
    book = ReceiptBook(home / "receipts")
    sink = ParcelSink(
        own,
        book,
        CountyIdentity("county", KEY),
        decoder=InThread(),
        clock=SystemClock(),
        taken=taken,
    )
    uploads = TusServer(
        home / "uploads",
        {"parcel": sink},
        owner_of=owner_by_header,
        allow=lambda _request, _kind: None,
        clock=SystemClock(),
        settings=TusSettings(reserve_bytes=0, options=sink.options if tells_versions else {}),
    )
    app = web.Application(middlewares=[errors])
    app.add_routes(ReceiptDoor(book, uploads, owner_of=owner_by_header).routes())
    app.add_routes(uploads.routes())
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    async with aiohttp.ClientSession() as session, uploads.running():
        county = County(home, session, uploads)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        county.port = runner.addresses[0][1]
        county.base = f"http://127.0.0.1:{county.port}"
        try:
            yield county
        finally:
            await runner.cleanup()
            await own.close()
