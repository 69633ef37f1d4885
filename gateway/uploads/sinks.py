"""What becomes of an upload once it is whole: one sink per kind, tried until it has an answer."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.uploads.threads import finish_in_thread
from gateway.uploads.upload_files import Upload, UploadFiles, UploadInfo, UploadResult
from kernel.clock import Clock
from kernel.errors import Category, PlatformError

_LOG: Final = logging.getLogger(__name__)
_LATER: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE})
_RETRY_FIRST_S: Final = 0.5
_RETRY_MAX_S: Final = 60.0
_OWN_FAULTS_MAX: Final = 3


class UploadSink(Protocol):
    """Takes whole uploads of one kind."""

    @property
    def max_bytes(self) -> int:
        """Longest upload of this kind."""
        ...

    async def admit(self, info: UploadInfo) -> None:
        """Refuse at creation what can never be taken; raises ``PlatformError``."""
        ...

    async def take(self, info: UploadInfo, path: Path) -> None:
        """Take the bytes at *path* and keep durably what comes of them.

        Called again for the same upload after a crash, or after an error that is not the
        upload's own (busy, full, unavailable), so it must be idempotent.

        Raises:
            PlatformError: of any other category: the upload is refused for good, with that code.
        """
        ...

    async def refused(self, info: UploadInfo, result: UploadResult) -> None:
        """Hear that it was refused for good; called at least once, and idempotent."""
        ...


class _OwnFault(Exception):
    """The sink failed in a way it did not mean to."""


@dataclass(slots=True)
class _Job:
    upload: Upload
    done: asyncio.Event
    delay_s: float = _RETRY_FIRST_S
    own_faults: int = 0


class Completion:
    """Hands whole uploads to their sinks, a few at a time; a stubborn one never blocks others."""

    def __init__(
        self,
        files: UploadFiles,
        sinks: Mapping[str, UploadSink],
        clock: Clock,
        *,
        workers: int = 2,
        bound: int = 20_000,
    ) -> None:
        self._files = files
        self._sinks = sinks
        self._clock = clock
        self._workers = workers
        self._waiting: asyncio.Queue[_Job] = asyncio.Queue(maxsize=bound)
        self._jobs: dict[str, _Job] = {}

    def add(self, upload: Upload) -> None:
        """Line up a whole upload that has no result yet; a second time changes nothing."""
        if upload.info.upload_id not in self._jobs:
            job = _Job(upload, asyncio.Event())
            self._jobs[upload.info.upload_id] = job
            self._waiting.put_nowait(job)

    async def wait(self, upload_id: str, timeout_s: float) -> bool:
        """Return whether the upload's sink has ended, waiting for it at most *timeout_s*."""
        job = self._jobs.get(upload_id)
        if job is None:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await job.done.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Work until cancelled; uploads in hand are taken up again at the next start."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            job = await self._waiting.get()
            try:
                await self._bring_to_an_end(job)
            except (PlatformError, OSError, _OwnFault) as exc:
                code = exc.code if isinstance(exc, PlatformError) else type(exc).__name__
                _LOG.warning(
                    "upload.later", extra={"upload_id": job.upload.info.upload_id, "code": code}
                )
                asyncio.get_running_loop().call_later(job.delay_s, self._waiting.put_nowait, job)
                job.delay_s = min(job.delay_s * 2, _RETRY_MAX_S)
            else:
                del self._jobs[job.upload.info.upload_id]
                job.done.set()

    async def _bring_to_an_end(self, job: _Job) -> None:
        info = job.upload.info
        result = await self._ask_sink(job)
        if not result.accepted:
            await self._sinks[info.kind].refused(info, result)
        await finish_in_thread(lambda: self._files.finish(job.upload, result))

    async def _ask_sink(self, job: _Job) -> UploadResult:
        info = job.upload.info
        try:
            await self._sinks[info.kind].take(info, self._files.path(info, "data"))
        except PlatformError as exc:
            if exc.category in _LATER:
                raise
            return self._refusal(exc.code, exc.detail)
        except OSError:
            raise
        except Exception as exc:  # the door: a fault of ours in one upload must not stop the rest
            _LOG.error(  # the traceback may quote what was uploaded
                "upload.own-fault",
                extra={"upload_id": info.upload_id, "error": type(exc).__name__},
            )
            job.own_faults += 1
            if job.own_faults < _OWN_FAULTS_MAX:
                raise _OwnFault from exc
            return self._refusal("internal-error", "the node could not read this upload")
        return UploadResult(accepted=True, at=self._clock.now())

    def _refusal(self, code: str, detail: str) -> UploadResult:
        return UploadResult(accepted=False, code=code, detail=detail, at=self._clock.now())
