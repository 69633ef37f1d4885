"""Victims as processes: their command lines, what they say, and those with a start of their own."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from tests.torture.victim import KEY
from tests.uploads import county_door as doors

ROOT: Final = Path(__file__).parents[2]
_STARTING_S: Final = 30.0


class Speaking(Protocol):
    """A process that says what it did."""

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """Return what it says."""
        ...


def township(home: Path, port: int, first: int, last: int, *how: str) -> list[str]:
    """Return the words of a node that acknowledges images and forwards them to *port*."""
    numbers = (str(port), str(first), str(last))
    return ["township", str(home), *numbers, *how]


def door(home: Path, port: int, total: int = 0) -> list[str]:
    """Return the words of a node with a DICOM door, which ends once *total* are at *port*."""
    return ["door", str(home), str(port), str(total)]


def county(home: Path, *how: str) -> list[str]:
    """Return the words of a county's upload door."""
    return ["county", str(home), *how]


@contextlib.contextmanager
def the_victims_key() -> Iterator[None]:
    """Let a county of this process sign with the key the victims trust."""
    before, doors.KEY = doors.KEY, KEY
    try:
        yield
    finally:
        doors.KEY = before


@asynccontextmanager
async def started(command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run *command* while the context is open; nothing of it is left behind.

    For one that needs more around it than ``nursery`` gives.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def heard(process: Speaking, *, within_s: float, enough: int = 0) -> dict[str, list[int]]:
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


async def port_of(process: Speaking) -> int:
    """Return the port a county says; 1, where nobody listens, where it died before."""
    assert process.stdout is not None
    async with asyncio.timeout(_STARTING_S):
        line = await process.stdout.readline()
    return int(line.split()[1]) if line else 1
