"""Send a folder to a DICOMweb root by STOW-RS (PS3.18 10.5), several requests at once."""

import asyncio
import os
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from kernel.errors import Category, PlatformError
from kernel.identifiers import new_id
from yilian.sending.greeting import NotReached
from yilian.sending.ledger import Ledger
from yilian.sending.run import STOP, Progress, Summary, warning
from yilian.sending.survey import Found
from yilian.sending.web_door import REFUSALS, explained, greet, pause, refused

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
_WARNING_REASON: Final = "00081196"
_SOP_INSTANCE_UID: Final = "00080018"
_NO_CONTENT: Final = 204
_NO_BODY: Final = 415
"""What a POST without a body may be answered, which says nothing of the real one."""
_ANSWERED: Final = (200, 202, 409)
_BUSY: Final = (429, 502, 503, 504, 507)
_OF_THE_BATCH: Final = (400, 413)
_OF_PARTS: Final = re.compile(
    r'"Part (?P<parts>\d{1,6}(?:, \d{1,6})*)(?: and \d+ more)?: (?P<why>[ -~]{1,200})"', re.ASCII
)


class _BatchRefused(PlatformError):
    code = "batch-refused"
    category = Category.INVALID


class StowRun:
    """Send files to a DICOMweb root; what it really holds is left out (``_missing``)."""

    def __init__(
        self,
        root: str,
        token: str,
        ledger: Ledger,
        progress: Progress,
        *,
        requests: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._root = root
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ledger = ledger
        self._progress = progress
        self._requests = requests
        self._tls = tls
        self._gone: NotReached | None = None
        self.summary = Summary()

    def run(self, files: Sequence[Found], *, stop: threading.Event) -> Summary:
        """Send *files* and say what became of them; *stop* ends the run after the batch at hand."""
        self.summary.found += len(files)
        if files:
            asyncio.run(self._run(files, stop))
        return self.summary

    async def _run(self, files: Sequence[Found], stop: threading.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=120)
        connector = aiohttp.TCPConnector(ssl=self._tls) if self._tls else None
        async with aiohttp.ClientSession(
            headers=self._headers, timeout=timeout, connector=connector
        ) as http:
            try:
                greeting = await greet(http, self._root, with_token=bool(self._headers))
                waiting = await self._missing(http, files, greeting.node_id)
            except NotReached as exc:
                self._give_up(files, exc)
                return
            turns = asyncio.Semaphore(self._requests)
            async with asyncio.TaskGroup() as tasks:
                for batch in _batches(waiting):
                    await turns.acquire()
                    if stop.is_set():
                        self._gone = STOP
                    if self._gone is not None:
                        self._give_up(batch, self._gone)
                        turns.release()
                    else:
                        task = tasks.create_task(self._send(http, batch, stop))
                        task.add_done_callback(lambda _done: turns.release())

    async def _missing(
        self, http: aiohttp.ClientSession, files: Sequence[Found], node_id: str
    ) -> list[Found]:
        """Return what the root does not hold yet, the rest reported as there.

        There is what the ledger knows as this very file and the root lists. A node that is known
        again but does not let us ask still has what it acknowledged; anybody else gets it all.
        """
        self._ledger.bind(f"node {node_id}" if node_id else f"web {self._root}")
        by_study: dict[str, list[Found]] = defaultdict(list)
        for found in files:
            if self._ledger.has(found):
                by_study[found.study_instance_uid].append(found)
        there: set[Found] = set()
        for study, members in by_study.items():
            listed = await self._listed(http, study)
            if listed is None:
                there |= set(members) if node_id else set()
            else:
                there |= {found for found in members if found.sop_instance_uid in listed}
        for found in there:
            self.summary.already_there += 1
            self._progress(found, "there")
        return [found for found in files if found not in there]

    async def _listed(self, http: aiohttp.ClientSession, study: str) -> set[str] | None:
        """Return the SOP instances of *study* by QIDO-RS; None where it may not be asked."""
        listed: set[str] = set()
        while True:
            query = {"limit": str(_PAGE), "offset": str(len(listed)), "StudyInstanceUID": study}
            try:
                async with http.get(
                    f"{self._root}/instances",
                    params=query,
                    headers={"Accept": "application/dicom+json"},
                ) as answer:
                    if answer.status == _NO_CONTENT:
                        return listed
                    if not answer.ok:
                        return None
                    rows: list[dict[str, Any]] = await answer.json(content_type=None)
                new = {row[_SOP_INSTANCE_UID]["Value"][0] for row in rows} - listed
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                raise explained(self._root, exc) from exc
            except (ValueError, TypeError, LookupError):
                return None
            if not new:
                return listed
            listed |= new

    async def _send(
        self, http: aiohttp.ClientSession, batch: Sequence[Found], stop: threading.Event
    ) -> None:
        batch = self._readable(batch)
        why = STOP
        for pause_s in (0.0, *_RETRY_S):
            await pause(stop, pause_s)
            if not batch or self._gone or stop.is_set():
                break
            try:
                self._note(batch, *await self._post(http, batch))
            except _BatchRefused as exc:
                self._refuse(batch, exc.detail)
                return
            except NotReached as exc:
                why = exc
                if not exc.soon:
                    break
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                why = await self._why(http, exc)
                if not why.again:
                    break
            else:
                return
        if not stop.is_set():
            # The rest fares no better; what is under way on other requests says so itself.
            self._gone = self._gone or why
        self._give_up(batch, self._gone or why)

    async def _why(self, http: aiohttp.ClientSession, exc: Exception) -> NotReached:
        """Return why a POST broke off; a server that refuses it early is asked without a body."""
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with http.post(f"{self._root}/studies") as answer:
                if answer.status in REFUSALS and answer.status != _NO_BODY:
                    return refused(self._root, answer.status)
        return explained(self._root, exc)

    def _readable(self, batch: Sequence[Found]) -> list[Found]:
        gone = [found for found in batch if not os.access(found.path, os.R_OK)]
        self._refuse(gone, "unreadable: the file is gone or closed to us")
        return [found for found in batch if found not in gone]

    async def _post(
        self, http: aiohttp.ClientSession, batch: Sequence[Found]
    ) -> tuple[dict[str, Any], dict[int, str]]:
        """Return the answer, and what it says in words of parts, counted from 1."""
        boundary = f"yilian-{new_id()}"
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        }
        body = _parts(batch, boundary)
        async with http.post(f"{self._root}/studies", data=body, headers=headers) as answer:
            if answer.status in _BUSY:
                raise NotReached(
                    f"{self._root}: it has no room or no time now ({answer.status})",
                    again=True,
                    soon=True,
                )
            if answer.status in _OF_THE_BATCH:
                raise _BatchRefused(f"HTTP {answer.status} {answer.reason}")
            if answer.status not in _ANSWERED:
                raise refused(self._root, answer.status)
            try:
                made: dict[str, Any] = await answer.json(content_type=None)
                made.get(_REFERENCED)
            except (ValueError, AttributeError) as exc:
                raise NotReached(
                    f"{self._root} answers, but not as STOW-RS does", again=False
                ) from exc
            return made, _words(answer.headers.getall("Warning", []))

    def _note(self, batch: Sequence[Found], answer: dict[str, Any], words: dict[int, str]) -> None:
        taken: dict[str, list[int]] = {}
        for row in _rows(answer, _REFERENCED):
            reason = _number(row, _WARNING_REASON)
            taken.setdefault(_value(row, _SOP_INSTANCE), []).append(reason)
        failed = {
            _value(row, _SOP_INSTANCE): _number(row, _FAILURE_REASON)
            for row in _rows(answer, _FAILED)
        }
        # Parts without a SOP instance cannot be told apart in the answer (PS3.18 I.2.2).
        unnamed = {_number(row, _FAILURE_REASON) for row in _rows(answer, _OTHER_FAILURES)}
        for part, found in enumerate(batch, start=1):
            uid = found.sop_instance_uid
            if uid in taken and uid not in failed:
                self._ledger.add(found)
                self.summary.sent += 1
                self.summary.sent_bytes += found.size_bytes
                # One UID may be there several times, each with its own content and answer.
                if reason := taken[uid].pop(0) if taken[uid] else 0:
                    self.summary.warned.append((found.path, warning(reason)))
                self._progress(found, "sent")
            else:
                code = failed.get(uid, next(iter(unnamed), 0))
                why = words.get(part, "refused")
                self._refuse([found], f"0x{code:04X} {why}" if code else "not answered")

    def _refuse(self, files: Sequence[Found], reason: str) -> None:
        for found in files:
            self.summary.refused.append((found.path, reason))
            self._progress(found, "refused")

    def _give_up(self, files: Sequence[Found], why: NotReached) -> None:
        self.summary.again = self.summary.again and why.again
        for found in files:
            self.summary.not_sent.append((found.path, why.detail))
            self._progress(found, "not-sent")


def _words(warnings: Sequence[str]) -> dict[int, str]:
    """Return what Yilian's Warning headers say of each part; nothing of another server's."""
    told: dict[int, str] = {}
    for found in filter(None, map(_OF_PARTS.search, warnings)):
        told |= dict.fromkeys(map(int, found["parts"].split(", ")), found["why"])
    return told


def _rows(answer: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    found = (answer.get(tag) or {}).get("Value") or []
    return [row for row in found if isinstance(row, dict)]


def _value(row: dict[str, Any], tag: str) -> str:
    return str(next(iter((row.get(tag) or {}).get("Value") or []), ""))


def _number(row: dict[str, Any], tag: str) -> int:
    try:
        return int(_value(row, tag))
    except ValueError:
        return 0


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


async def _parts(batch: Sequence[Found], boundary: str) -> AsyncGenerator[bytes, None]:
    for found in batch:
        yield f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        async for block in _blocks(found.path):
            yield block
    yield f"\r\n--{boundary}--\r\n".encode()


async def _blocks(path: Path) -> AsyncGenerator[bytes, None]:
    position = 0
    while block := await asyncio.to_thread(_block, path, position):
        yield block
        position += len(block)


def _block(path: Path, position: int) -> bytes:
    # Opened each time: a request may be given up between two blocks, and leaves nothing open.
    with path.open("rb") as file:
        file.seek(position)
        return file.read(_BLOCK_BYTES)
