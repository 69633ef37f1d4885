"""Victims as processes: started, listened to, frozen, killed with everything they started."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.torture.victim import KEY
from tests.uploads import county_door as doors

ROOT: Final = Path(__file__).parents[2]
_STARTING_S: Final = 30.0


def township(home: Path, port: int, first: int, last: int, *how: str) -> list[str]:
    """Return the command of a node that acknowledges images and forwards them to *port*."""
    numbers = (str(port), str(first), str(last))
    return [sys.executable, "-m", "tests.torture.victim", "township", str(home), *numbers, *how]


def county(home: Path, *how: str) -> list[str]:
    """Return the command of a county's upload door."""
    return [sys.executable, "-m", "tests.torture.victim", "county", str(home), *how]


@contextlib.contextmanager
def the_victims_key() -> Iterator[None]:
    """Let a county of this process sign with the key the victims trust."""
    before, doors.KEY = doors.KEY, KEY
    try:
        yield
    finally:
        doors.KEY = before


@asynccontextmanager
async def started(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run *command* while the context is open; nothing of it is left behind."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill(process)
        await process.wait()


def kill(process: asyncio.subprocess.Process) -> None:
    """End a program and what it started, at once; strace alone would only let go of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def freeze(process: asyncio.subprocess.Process) -> None:
    """Let nothing of it run on; ``kill`` follows."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGSTOP)


async def heard(
    process: asyncio.subprocess.Process, *, within_s: float, enough: int = 0
) -> dict[str, list[int]]:
    """Return the numbers a victim said, by their word.

    Returns at its end, after *within_s*, or once it said *enough* lines where that is above 0.
    """
    assert process.stdout is not None
    said: dict[str, list[int]] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while line := await process.stdout.readline():
                word, number = line.decode().split()
                said.setdefault(word, []).append(int(number))
                if sum(map(len, said.values())) == enough:
                    break
    return said


async def port_of(process: asyncio.subprocess.Process) -> int:
    """Return the port a county says; 1, where nobody listens, where it died before."""
    assert process.stdout is not None
    async with asyncio.timeout(_STARTING_S):
        line = await process.stdout.readline()
    return int(line.split()[1]) if line else 1
