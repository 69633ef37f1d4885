"""Nobody runs without an owner: child processes under one parent, tasks under one role."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from io import FileIO
from pathlib import Path
from typing import Any, Final

import msgspec

from kernel.clock import Clock, SystemClock
from kernel.errors import PlatformError, Unavailable
from kernel.process.child import EX_CONFIG, READY_FD, SOCKETS, SUPERVISOR, HomeLock, dying_with
from kernel.process.owner import Owner, RestartPolicy

__all__ = ["ChildSpec", "Owner", "RestartPolicy", "Stage", "Supervisor", "stop_on_signals"]

_LOG: Final = logging.getLogger(__name__)
_LAST_STAGE_S: Final = 1.0
_READY_LINE_BYTES: Final = 64 << 10
_NOT_STARTED: Final = 127
_ALLOCATOR: Final = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20)}
"""What is larger goes back to the system when it is let go of. By itself glibc keeps ever larger
blocks: after three radiographs a township's gateway held 550 MB for good, with this 280."""


class Stage(IntEnum):
    """When a child is stopped: the lowest first."""

    DOOR = 0
    ROLE = 1
    STORE = 2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child process.

    Attributes:
        name: for logs, and the key of what it says when ready.
        argv: absolute program and arguments.
        stage: its turn when all are stopped.
        sockets: listening sockets, by the name ``Inherited.door`` finds them under.
        environment: added to this process's.
        foreign: a program that knows nothing of us; ready when ``probe`` returns.
        probe: raises while a foreign child does not answer yet.
        before_start: called before each start with how the last one ended (None at first).
        output: file its standard output and error are added to; None shares ours.
        ready_within_s: killed when it has not been ready by then.
        stand_in: open while a child that ended before it was ready waits for its next start;
            answers at its doors meanwhile.
    """

    name: str
    argv: tuple[str, ...]
    stage: Stage = Stage.ROLE
    sockets: Mapping[str, socket.socket] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    foreign: bool = False
    probe: Callable[[], Awaitable[None]] | None = None
    before_start: Callable[[int | None], None] | None = None
    output: Path | None = None
    ready_within_s: float = 30.0
    stand_in: Callable[[], AbstractAsyncContextManager[None]] | None = None


class _Child:
    """One child, started again whenever it ends, until told to stop."""

    def __init__(
        self, spec: ChildSpec, lock: HomeLock, policy: RestartPolicy, clock: Clock
    ) -> None:
        self.spec = spec
        self.info: asyncio.Future[Mapping[str, object]] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self._lock = lock
        self._policy = policy
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._was_ready = False

    async def run(self) -> None:
        """Return when stopped, or when the child refuses to run (then ``info`` says so)."""
        delay_s = 0.0
        ended_with: int | None = None
        try:
            while not self._stopping.is_set():
                started_s = self._clock.monotonic_s()
                ended_with = await self._live_once(ended_with)
                if self._stopping.is_set() or self._refused(ended_with):
                    return
                delay_s = self._policy.delay_s(delay_s, self._clock.monotonic_s() - started_s)
                _LOG.warning(
                    "child.ended",
                    extra={"child": self.spec.name, "code": ended_with, "again_in_s": delay_s},
                )
                await self._wait(delay_s)
        finally:
            self.gone.set()

    async def _wait(self, delay_s: float) -> None:
        # One that ran is back in a moment, and nobody notices but by waiting that long.
        stands_in = self.spec.stand_in if not self._was_ready else None
        with suppress(TimeoutError):
            async with stands_in() if stands_in else nullcontext(), asyncio.timeout(delay_s):
                await self._stopping.wait()

    def _refused(self, code: int) -> bool:
        if code != EX_CONFIG:
            return False
        _LOG.error("child.refused", extra={"child": self.spec.name})
        if not self.info.done():
            refused = Unavailable(f"{self.spec.name} refuses to start", code="child-refused")
            self.info.set_exception(refused)
        return True

    async def _live_once(self, ended_with: int | None) -> int:
        ready, told = os.pipe()
        with os.fdopen(ready, "rb", buffering=0) as pipe:
            try:
                if self.spec.before_start is not None:
                    self.spec.before_start(ended_with)
                self._process = process = await self._spawn(told)
            except OSError as exc:
                _LOG.error("child.not-started", extra={"child": self.spec.name, "reason": str(exc)})
                return _NOT_STARTED
            finally:
                os.close(told)
            self._was_ready = False
            _LOG.info("child.started", extra={"child": self.spec.name, "pid": process.pid})
            if self._stopping.is_set():
                self.signal(signal.SIGTERM)
            try:
                return await self._follow(pipe, process)
            except asyncio.CancelledError:
                self.signal(signal.SIGKILL)
                raise
            finally:
                self._process = None

    async def _follow(self, pipe: FileIO, process: asyncio.subprocess.Process) -> int:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(self._await_ready(pipe, process))
            code = await process.wait()
            waiting.cancel()
        return code

    async def _spawn(self, told: int) -> asyncio.subprocess.Process:
        spec = self.spec
        environment = {**_ALLOCATOR, **os.environ, **spec.environment}
        sockets = {name: door.fileno() for name, door in spec.sockets.items()}
        keep = [self._lock.fd, *sockets.values()]
        argv = spec.argv
        if spec.foreign:
            argv = dying_with(os.getpid(), argv)
        else:
            keep.append(told)
            environment[SUPERVISOR] = str(os.getpid())
            environment[READY_FD] = str(told)
            environment[SOCKETS] = ",".join(f"{name}={fd}" for name, fd in sockets.items())
        output = None
        if spec.output is not None:
            output = os.open(spec.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=keep,
                # Ctrl-C reaches the parent alone, which then stops the rest in order.
                start_new_session=True,
            )
        finally:
            if output is not None:
                os.close(output)

    async def _await_ready(self, pipe: FileIO, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self.spec.ready_within_s):
                info = await (self._probed() if self.spec.foreign else _ready_line(pipe))
        except TimeoutError:
            _LOG.error("child.not-ready", extra={"child": self.spec.name})
            with suppress(ProcessLookupError):
                process.kill()
            return
        if info is not None:
            self._was_ready = True
            _LOG.info("child.ready", extra={"child": self.spec.name})
            if not self.info.done():
                self.info.set_result(info)

    async def _probed(self) -> Mapping[str, object]:
        while self.spec.probe is not None:
            try:
                await self.spec.probe()
            except (OSError, PlatformError):
                await asyncio.sleep(0.01)
            else:
                break
        return {}

    def let_end(self) -> None:
        """Start the child no more when it ends."""
        self._stopping.set()

    def signal(self, number: int) -> None:
        """Send the child a signal, where there is one."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


async def _ready_line(pipe: FileIO) -> Mapping[str, object] | None:
    """Return what a child says when it is ready; None where it ended before it said so."""
    reader = asyncio.StreamReader(limit=_READY_LINE_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        line = await reader.readline()
    finally:
        transport.close()
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


class Supervisor:
    """Runs child processes until told to stop, and leaves none behind.

    Must run in the main thread: children die with the *thread* that started them.
    """

    def __init__(
        self,
        children: Sequence[ChildSpec],
        *,
        lock: HomeLock,
        policy: RestartPolicy | None = None,
        clock: Clock | None = None,
        stopping_s: float = 6.0,
    ) -> None:
        self._stopping_s = stopping_s
        self._specs = tuple(children)
        self._lock = lock
        self._policy = policy or RestartPolicy()
        self._clock = clock or SystemClock()

    async def run(
        self,
        stop: asyncio.Event,
        *,
        on_ready: Callable[[Mapping[str, Mapping[str, object]]], None] = lambda _: None,
    ) -> int:
        """Start all children and return the exit code when *stop* is set and they are gone.

        Args:
            stop: ends it all: doors first, then roles, then stores; what has not gone after
                ``stopping_s`` is killed.
            on_ready: called once, with what each child said, when all have been ready.

        Returns:
            0, or ``EX_CONFIG`` when a child refused to start before all were ready.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are started from the main thread only")
        async with asyncio.TaskGroup() as group:
            children = [_Child(each, self._lock, self._policy, self._clock) for each in self._specs]
            for child in children:
                group.create_task(child.run(), name=f"child-{child.spec.name}")
            all_ready: asyncio.Future[Any] = asyncio.gather(*(one.info for one in children))
            try:
                told: asyncio.Future[Any] = group.create_task(stop.wait())
                await asyncio.wait({told, all_ready}, return_when=asyncio.FIRST_COMPLETED)
                if all_ready.done() and all_ready.exception() is not None:
                    told.cancel()
                    return EX_CONFIG
                if all_ready.done():
                    names = (spec.name for spec in self._specs)
                    on_ready(dict(zip(names, all_ready.result(), strict=True)))
                await told
            finally:
                all_ready.cancel()
                await self._stop(children)
        return 0

    async def _stop(self, children: Sequence[_Child]) -> None:
        # Ours first, or peers would go on connecting to doors nobody will ever open.
        for spec in self._specs:
            for door in spec.sockets.values():
                door.close()
        for child in children:
            child.let_end()
        end_s = self._clock.monotonic_s() + self._stopping_s
        for stage in Stage:
            those = [child for child in children if child.spec.stage is stage]
            for child in those:
                child.signal(signal.SIGTERM)
            left_s = max(end_s - self._clock.monotonic_s(), _LAST_STAGE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    for child in those:
                        await child.gone.wait()
            for child in those:
                if not child.gone.is_set():
                    _LOG.error("child.killed", extra={"child": child.spec.name})
                    child.signal(signal.SIGKILL)
                    await child.gone.wait()


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set *stop* on SIGTERM or SIGINT; in the main thread's loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
