"""Send a folder to a DICOMweb root by STOW-RS (PS3.18 10.5), several requests at once."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from kernel.errors import Category, PlatformError
from kernel.identifiers import new_id
from yilian.sending.ledger import Ledger
from yilian.sending.run import Progress, Summary
from yilian.sending.survey import Found

_BATCH_BYTES: Final = 32 << 20
_BATCH_FILES: Final = 200
_BLOCK_BYTES: Final = 1 << 20
_PAGE: Final = 1000
_RETRY_S: Final = (1.0, 5.0, 15.0)
_FAILED: Final = "00081198"
_REFERENCED: Final = "00081199"
_OTHER_FAILURES: Final = "0008119A"
_SOP_INSTANCE: Final = "00081155"
_FAILURE_REASON: Final = "00081197"
_SOP_INSTANCE_UID: Final = "00080018"


class ServerRefused(PlatformError):
    """The server answered something that sending again cannot mend."""

    code = "server-refused"
    category = Category.INVALID


class StowRun:
    """Send files to a DICOMweb root; what it already holds is left out."""

    def __init__(
        self, root: str, token: str, ledger: Ledger, progress: Progress, *, requests: int
    ) -> None:
        self._root = root.rstrip("/").removesuffix("/studies")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ledger = ledger
        self._progress = progress
        self._requests = requests
        self.summary = Summary()

    def run(self, files: Sequence[Found], *, stop: threading.Event) -> Summary:
        """Send *files* and say what became of them; *stop* ends the run after the batch at hand."""
        return asyncio.run(self._run(files, stop))

    async def _run(self, files: Sequence[Found], stop: threading.Event) -> Summary:
        self.summary.found += len(files)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=120)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as http:
            waiting = await self._missing(http, files)
            turns = asyncio.Semaphore(self._requests)
            async with asyncio.TaskGroup() as tasks:
                for batch in _batches(waiting):
                    await turns.acquire()
                    if stop.is_set():
                        self._give_up(batch, "stopped")
                        turns.release()
                    else:
                        task = tasks.create_task(self._send(http, batch))
                        task.add_done_callback(lambda _done: turns.release())
        return self.summary

    async def _missing(self, http: aiohttp.ClientSession, files: Sequence[Found]) -> list[Found]:
        by_study: dict[str, list[Found]] = defaultdict(list)
        for found in files:
            by_study[found.study_instance_uid].append(found)
        waiting: list[Found] = []
        for study, members in by_study.items():
            there = await self._held(http, study)
            for found in members:
                if self._ledger.has(found) and found.sop_instance_uid in there:
                    self.summary.already_there += 1
                    self._progress(found, "there")
                else:
                    waiting.append(found)
        return waiting

    async def _held(self, http: aiohttp.ClientSession, study: str) -> set[str]:
        held: set[str] = set()
        while True:
            query = {"limit": str(_PAGE), "offset": str(len(held)), "StudyInstanceUID": study}
            async with http.get(
                f"{self._root}/instances",
                params=query,
                headers={"Accept": "application/dicom+json"},
            ) as answer:
                if answer.status in (204, 404):
                    return held
                if not answer.ok:
                    raise ServerRefused(f"{self._root} answered {answer.status} to a query")
                rows: list[dict[str, Any]] = await answer.json(content_type=None)
            new = {row[_SOP_INSTANCE_UID]["Value"][0] for row in rows} - held
            if not new:
                return held
            held |= new

    async def _send(self, http: aiohttp.ClientSession, batch: Sequence[Found]) -> None:
        reason = ""
        for pause_s in (*_RETRY_S, None):
            try:
                self._note(batch, await self._post(http, batch))
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                reason = f"{type(exc).__name__}"
            else:
                return
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        self._give_up(batch, reason)

    async def _post(self, http: aiohttp.ClientSession, batch: Sequence[Found]) -> dict[str, Any]:
        boundary = f"yilian-{new_id()}"
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        }
        body = _parts(batch, boundary)
        async with http.post(f"{self._root}/studies", data=body, headers=headers) as answer:
            if answer.status in (429, 502, 503, 504, 507):
                raise aiohttp.ClientError(f"busy {answer.status}")
            if answer.status not in (200, 202, 409):
                raise ServerRefused(f"{self._root} answered {answer.status}")
            made: dict[str, Any] = await answer.json(content_type=None)
            return made

    def _note(self, batch: Sequence[Found], answer: dict[str, Any]) -> None:
        taken = {
            row[_SOP_INSTANCE]["Value"][0] for row in answer.get(_REFERENCED, {}).get("Value", [])
        }
        failed = {
            row.get(_SOP_INSTANCE, {}).get("Value", [""])[0]: _reason(row)
            for row in answer.get(_FAILED, {}).get("Value", [])
        }
        # Parts without a SOP instance cannot be told apart in the answer (PS3.18 I.2.2).
        unnamed = {_reason(row) for row in answer.get(_OTHER_FAILURES, {}).get("Value", [])}
        for found in batch:
            uid = found.sop_instance_uid
            if uid in taken and uid not in failed:
                self._ledger.add(found)
                self.summary.sent += 1
                self.summary.sent_bytes += found.size_bytes
                self._progress(found, "sent")
            else:
                code = failed.get(uid, next(iter(unnamed), 0))
                reason = f"0x{code:04X} refused" if code else "not answered"
                self.summary.refused.append((found.path, reason))
                self._progress(found, "refused")

    def _give_up(self, batch: Sequence[Found], reason: str) -> None:
        for found in batch:
            self.summary.not_sent.append((found.path, reason))
            self._progress(found, "not-sent")


def _reason(row: dict[str, Any]) -> int:
    return int(row.get(_FAILURE_REASON, {}).get("Value", [0])[0])


def _batches(files: Sequence[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size = 0
    for found in files:
        if batch and (size + found.size_bytes > _BATCH_BYTES or len(batch) >= _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(found)
        size += found.size_bytes
    if batch:
        yield batch


async def _parts(batch: Sequence[Found], boundary: str) -> AsyncIterator[bytes]:
    for found in batch:
        yield f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        async for block in _blocks(found.path):
            yield block
    yield f"\r\n--{boundary}--\r\n".encode()


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while block := await asyncio.to_thread(file.read, _BLOCK_BYTES):
            yield block
