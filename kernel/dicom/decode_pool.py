"""Decoding of foreign code streams in processes that may crash, hang or swell without harm.

Each worker has its own limits of memory and CPU time and is killed when it takes too long; a
worker that dies costs the frame it was given and nothing else. Workers end with their parent.
"""

import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, cast

import msgspec
import numpy as np

from kernel.dicom.codecs import DecodeFailed
from kernel.dicom.decode_worker import REPLY, REQUEST, Question
from kernel.dicom.frames import FRAME_MAX_BYTES, Frame, FrameLayout
from kernel.errors import Busy, Unavailable

_ROOT: Final = Path(__file__).resolve().parents[2]
_REASON_MAX_BYTES: Final = 64
_PIPE_BYTES: Final = 1 << 20
_END_S: Final = 2.0
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "PATH")


class DecoderBusy(Busy):
    """Every worker stayed busy for longer than a caller may wait."""

    code = "decoder-busy"


class DecodePool(AbstractContextManager["DecodePool"]):
    """A few worker processes behind ``decode``, started when first needed.

    Safe to call from any thread; ``decode`` blocks, so an event loop calls it through a thread.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        memory_bytes: int = 2 << 30,
        cpu_s: int = 30,
        deadline_s: float = 45.0,
        wait_s: float = 120.0,
    ) -> None:
        """Make a pool; nothing is started yet.

        Args:
            workers: processes at most.
            memory_bytes: address space of each (RLIMIT_AS).
            cpu_s: CPU seconds for one frame (RLIMIT_CPU).
            deadline_s: seconds after which a worker is killed over one frame.
            wait_s: seconds to wait for a free worker.
        """
        self._limits = (str(memory_bytes), str(cpu_s))
        self._deadline_s = deadline_s
        self._wait_s = wait_s
        self._count = workers
        self._closed = False
        # Slots, not workers: None stands for one that is not started.
        self._slots: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._slots.put(None)

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        """Return the frame as ``layout.shape`` cells of ``layout.dtype``.

        Raises:
            DecodeFailed: the stream is damaged, its picture has another size, or the worker
                crashed, ran out of memory or time over it (``decoder-ended``).
            DecoderBusy: no worker became free in time.
            Unavailable: the pool is closed, or no process can be started.
        """
        if not 0 < layout.decoded_bytes <= FRAME_MAX_BYTES:
            raise DecodeFailed("the frame does not fit into memory", code="frame-too-large")
        try:
            worker = self._slots.get(timeout=self._wait_s)
        except queue.Empty:
            raise DecoderBusy("every decoder stayed busy") from None
        try:
            if self._closed:
                raise Unavailable("the decoders are stopped", code="decoder-stopped")
            question = Question(transfer_syntax_uid, layout)
            if worker is None or not worker.alive:
                worker = self._replaced(worker)
            try:
                return worker.ask(question, stream)
            except _Killed:
                # Somebody else ended it (memory ran short on the machine): not this frame's fault
                # until it happens again.
                worker = self._replaced(worker)
                return worker.ask(question, stream)
        finally:
            self._slots.put(worker)

    def _replaced(self, worker: "_Worker | None") -> "_Worker":
        if worker is not None:
            worker.end()
        return _Worker(self._limits, self._deadline_s)

    def close(self) -> None:
        """End every worker, waiting for the frames in work. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self._count):
            worker = self._slots.get(timeout=self._deadline_s + _END_S)
            if worker is not None:
                worker.end()
        for _ in range(self._count):
            self._slots.put(None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Killed(DecodeFailed):
    """The worker was killed, and not by its own deadline or limits."""

    code = "decoder-ended"


class _Worker:
    """One process, one question at a time."""

    def __init__(self, limits: tuple[str, str], deadline_s: float) -> None:
        self._deadline_s = deadline_s
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own module, no input in it
                [sys.executable, "-P", "-m", "kernel.dicom.decode_worker", *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd="/",
                # Each thread a numeric library starts would take address space from the limit.
                env={**kept, "PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as exc:
            raise Unavailable("no decoder can be started", code="decoder-stopped") from exc
        for pipe in (self._process.stdin, self._process.stdout):
            # A frame is larger than a pipe's usual 64 KiB; each refill costs two task switches.
            with suppress(OSError):
                fcntl.fcntl(cast("IO[bytes]", pipe).fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: Question, stream: bytes) -> Frame:
        """Return the answer; whatever goes wrong, the process is then gone or ready again."""
        overdue = threading.Event()
        timer = threading.Timer(self._deadline_s, self._overdue, (overdue,))
        timer.start()
        try:
            return self._ask(question, stream)
        except (EOFError, OSError) as exc:
            self.end()
            ended = self._process.returncode
            detail = f"the decoder ended ({ended}) over {len(stream)} bytes"
            if ended == -signal.SIGKILL and not overdue.is_set():
                raise _Killed(detail) from exc
            raise DecodeFailed(detail, code="decoder-ended") from exc
        finally:
            timer.cancel()

    def _overdue(self, overdue: threading.Event) -> None:
        overdue.set()
        self._process.kill()

    def _ask(self, question: Question, stream: bytes) -> Frame:
        sink = cast("IO[bytes]", self._process.stdin)
        asked = msgspec.json.encode(question)
        for part in (REQUEST.pack(len(asked), len(stream)) + asked, stream):
            view = memoryview(part)
            while view:
                view = view[sink.write(view) :]
        status, length = REPLY.unpack(self._read(REPLY.size))
        layout = question.layout
        if not status:
            code = self._read(min(length, _REASON_MAX_BYTES)).decode("ascii", "replace")
            raise DecodeFailed(f"no frame in {len(stream)} bytes", code=code)
        if length != layout.decoded_bytes:
            raise EOFError
        return np.frombuffer(self._read(length), layout.dtype).reshape(layout.shape)

    def _read(self, size: int) -> bytearray:
        """Return exactly *size* bytes; the caller has checked that this many make sense."""
        source = cast("IO[bytes]", self._process.stdout)
        data = bytearray(size)
        view = memoryview(data)
        while view:
            got = os.readv(source.fileno(), [view])
            if not got:
                raise EOFError
            view = view[got:]
        return data

    def end(self) -> None:
        """Let the process end, by force if it does not; reap it and close its pipes."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
