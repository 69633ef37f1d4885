"""Where victims come from: a process that has loaded all they need, and forks one after the other.

Most of what a victim costs is loading its modules; forked, it is ready in milliseconds. It is a
process of its own all the same, in a session of its own, and dies alone.
``python -m tests.torture.nursery FD`` is the process; ``nursery`` starts it and asks it.
"""

import array
import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
_MESSAGE_BYTES: Final = 64 * 1024
_STARTING_S: Final = 60.0
_PR_SET_PTRACER: Final = 0x59616D61
_ANYBODY: Final = ctypes.c_ulong(-1)
_FREEZING_S: Final = 10.0
_RUNNING: Final = "R"
_TRACED: Final = b"attached"


class _Order(msgspec.Struct, frozen=True):
    words: list[str]
    """The victim's command line."""
    held: bool
    """It stops before it does anything, until it is told to go on."""


@dataclass
class Victim:
    """A process that will be killed."""

    pid: int
    stdout: asyncio.StreamReader
    _handle: int

    async def wait(self) -> None:
        """Return once it is dead."""
        loop = asyncio.get_running_loop()
        dead = asyncio.Event()
        # Of its own, for several may wait at a time.
        handle = os.dup(self._handle)
        loop.add_reader(handle, dead.set)
        try:
            await dead.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)


class Nursery:
    """Starts victims."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door

    @asynccontextmanager
    async def started(
        self, words: Sequence[str], *, tracer: Sequence[str] = ()
    ) -> AsyncIterator[Victim]:
        """Run a victim while the context is open; nothing of it is left behind.

        Args:
            words: its command line, as ``tests.torture.victim`` has it.
            tracer: a command of strace, which is told whom to attach to; the victim does nothing
                before that is done.
        """
        with contextlib.ExitStack() as held:
            (says_in, says_out), (hears_in, hears_out) = (os.pipe() for _ in range(2))
            held.callback(os.close, hears_out)
            try:
                pid, handle = await self._ordered(words, (hears_in, says_out), held=bool(tracer))
            except BaseException:
                os.close(says_in)
                raise
            finally:
                os.close(hears_in)
                os.close(says_out)
            held.callback(os.close, handle)
            stdout = asyncio.StreamReader()
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(says_in, "rb", buffering=0)
            )
            held.callback(transport.close)
            victim = Victim(pid, stdout, handle)
            try:
                async with _traced(victim, tracer):
                    yield victim
            finally:
                kill(victim)
                await victim.wait()

    async def _ordered(
        self, words: Sequence[str], ends: tuple[int, int], *, held: bool
    ) -> tuple[int, int]:
        """Return number and handle of a new victim that hears and says by *ends*."""
        loop = asyncio.get_running_loop()
        order = msgspec.json.encode(_Order(list(words), held))
        socket.send_fds(self._door, [order], ends)
        answered = asyncio.Event()
        loop.add_reader(self._door, answered.set)
        try:
            async with asyncio.timeout(_STARTING_S):
                await answered.wait()
        finally:
            loop.remove_reader(self._door)
        answer, handles, _, _ = socket.recv_fds(self._door, _MESSAGE_BYTES, 1)
        if not handles:
            msg = "the nursery has gone"
            raise RuntimeError(msg)
        return int(answer), handles[0]


@asynccontextmanager
async def nursery(environment: Mapping[str, str] | None = None) -> AsyncIterator[Nursery]:
    """Open a nursery whose victims have *environment* beside this process's own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.torture.nursery", str(theirs.fileno())),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            yield Nursery(ours)
        finally:
            process.kill()
            await process.wait()


def kill(victim: Victim) -> None:
    """End a victim at once."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(victim._handle, signal.SIGKILL)


async def freeze(victim: Victim) -> None:
    """Return once nothing of it runs on; ``kill`` follows."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(victim._handle, signal.SIGSTOP)
    async with asyncio.timeout(_FREEZING_S):
        while _RUNNING in _states(victim.pid):  # noqa: ASYNC110  # the kernel sends no event
            await asyncio.sleep(0)


def _states(pid: int) -> set[str]:
    """Return the states of all threads, proc(5); one in a system call does not leave it."""
    found = set()
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            found.add(task.read_text().rpartition(") ")[2][:1])
    return found


@asynccontextmanager
async def _traced(victim: Victim, tracer: Sequence[str]) -> AsyncIterator[None]:
    """Let *tracer* watch a victim that is held, then let that go on."""
    if not tracer:
        yield
        return
    strace = await asyncio.create_subprocess_exec(
        *tracer,
        *("-p", str(victim.pid)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert strace.stderr is not None
    try:
        async with asyncio.timeout(_STARTING_S):
            while _TRACED not in (said := await strace.stderr.readline()):
                if not said:
                    msg = "strace may not watch a victim"
                    raise RuntimeError(msg)
        signal.pidfd_send_signal(victim._handle, signal.SIGCONT)
        yield
    finally:
        # It ends with the one it watches, and only let go of it otherwise.
        kill(victim)
        await strace.communicate()


def _serve(door: socket.socket, main: Callable[[Sequence[str]], None]) -> None:
    """Fork as often as asked, until nobody can ask any more."""
    gc.freeze()
    while True:
        raw, ends, _, _ = socket.recv_fds(door, _MESSAGE_BYTES, 2)
        if not raw:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        order = msgspec.json.decode(raw, type=_Order)
        pid = os.fork()
        if not pid:
            door.close()
            _live(main, order, ends)
        handle = os.pidfd_open(pid)
        if order.held:
            # Told to go on before it has stopped, it would stop for ever.
            os.waitpid(pid, os.WUNTRACED)
        told = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [handle]))]
        door.sendmsg([b"%d" % pid], told)
        for each in (handle, *ends):
            os.close(each)


def _live(main: Callable[[Sequence[str]], None], order: _Order, ends: Sequence[int]) -> None:
    """Be the victim; never returns."""
    code = 1
    try:
        os.setsid()
        for ours, its in enumerate(ends):
            os.dup2(its, ours)
            os.close(its)
        if order.held:
            # A tracer that is no ancestor needs leave.
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
        main(order.words)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    from tests.torture import victim

    _serve(socket.socket(fileno=int(sys.argv[1])), victim.main)
