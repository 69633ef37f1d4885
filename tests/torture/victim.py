"""One node of a hop in a process of its own, to be killed at any system call.

``python -m tests.torture.victim township HOME PORT FIRST LAST [ack-first]`` acknowledges images,
forwards them to the county at PORT and ends when all are delivered. ``... county HOME`` opens a
county's upload door until it is ended. Both say on standard output what they have done. With
``ack-first`` the node says that an image is safe before it is: the control. With ``one-lost`` it
ends when all but one are delivered and no more come. The controls of a county: with ``sign-first``
it signs for a parcel before it commits it, with ``no-flush`` it commits without a flush.
``... door HOME PORT TOTAL`` is a node that takes images in over DICOM at a port it says; it ends
when TOTAL are delivered, where that is above 0. ``... cramped HOME PORT LAST`` is a node whose
disk somebody else fills until images are refused, and frees again.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.dimse.access import PeerTable
from gateway.dimse.store_scp import JournalSink
from kernel.clock import SystemClock
from kernel.errors import PlatformError
from kernel.identifiers import InstitutionCode
from kernel.journal.writer import Disk, Draft, JournalWriter, Position
from tests.dimse.doors import OUR_TITLE, open_door
from tests.township.node import Node, door_to, node_in, settings_for
from tests.uploads import county_door as doors
from tests.uploads.dicom_files import ct_slice

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Of the county that dies and comes back; a test's, and nobody else's."""
_HERE: Final = InstitutionCode("qingshan")
_SEGMENT_BYTES: Final = 1 << 20
_SIDE: Final = 64
_LARGE_SIDE: Final = 256
_LEFT_BYTES: Final = 6 << 20
_REFUSED_ENOUGH: Final = 10
_QUIET_LOOKS: Final = 100


def raw_image(number: int) -> bytes:
    """Return the image of that number, as a Part 10 file."""
    return ct_slice(number, study=number % 2, side=_SIDE, noise=30_000)


def large_image(number: int) -> bytes:
    """Return a larger one, 131 KB."""
    return ct_slice(number, study=number % 2, side=_LARGE_SIDE, noise=30_000)


async def township(home: Path, port: int, first: int, last: int, how: Sequence[str]) -> None:
    """Acknowledge images one by one while the forwarder works; end when all are delivered."""
    ack_first = "ack-first" in how
    settings = settings_for(county_key=KEY.public_key())
    async with node_in(
        home, door_to(port), settings=settings, segment_bytes=_SEGMENT_BYTES
    ) as node:
        for number in range(first, last + 1):
            if ack_first:
                say(f"acked {number}")
            await node.store([raw_image(number)])
            if not ack_first:
                say(f"acked {number}")
        delivered = last - ("one-lost" in how)
        await node.until(at_county=delivered, timeout_s=60)
        for _ in range(_QUIET_LOOKS if "one-lost" in how else 0):
            await asyncio.sleep(0.01)
            await node.until(at_county=delivered, timeout_s=60)
        say(f"delivered {delivered}")


async def door(home: Path, port: int, total: int) -> None:
    """Take in what modalities send while the forwarder works."""
    settings = settings_for(county_key=KEY.public_key())
    async with (
        node_in(home, door_to(port), settings=settings, segment_bytes=_SEGMENT_BYTES) as node,
        open_door(
            JournalSink(node.journal, clock=SystemClock()),
            peers=PeerTable(OUR_TITLE, [], loopback=_HERE),
        ) as opened,
    ):
        say(f"port {opened.addresses[0][1]}")
        if not total:
            await asyncio.to_thread(sys.stdin.readline)
            return
        # After many kills nearly everything still waits.
        await node.until(at_county=total, timeout_s=60 + total / 20)
        say(f"delivered {total}")


async def cramped(home: Path, port: int, last: int, *, ack_first: bool) -> None:
    """Acknowledge images on a disk that gets full; a refused one is offered again."""
    settings = settings_for(county_key=KEY.public_key())
    async with node_in(
        home, door_to(port), settings=settings, segment_bytes=_SEGMENT_BYTES
    ) as node:
        ballast = home / "ballast"
        await asyncio.to_thread(_fill, ballast, leave=_LEFT_BYTES)
        refused, stored, freed_s = 0, 0, 0.0
        for number in range(1, last + 1):
            if ack_first:
                say(f"acked {number}")
            while not (taken := await _is_stored(node, number)):
                say(f"refused {number}")
                refused += 1
                if refused == _REFUSED_ENOUGH:
                    ballast.unlink()
                    freed_s = time.monotonic()
                if ack_first:
                    break
                await asyncio.sleep(0.05)
            stored += taken
            if taken and not ack_first:
                say(f"acked {number}")
            if taken and freed_s:
                say(f"resumed {round(1000 * (time.monotonic() - freed_s))}")
                freed_s = 0.0
        await node.until(at_county=stored, timeout_s=60)
        say(f"delivered {stored}")


async def _is_stored(node: Node, number: int) -> bool:
    try:
        await node.store([large_image(number)])
    except PlatformError:
        return False
    return True


def _fill(path: Path, *, leave: int) -> None:
    """Take all of a disk but *leave* bytes."""
    with path.open("wb") as file:
        found = os.statvfs(path.parent)
        os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_frsize - leave))


class _NeverFlushed(Disk):
    """Takes every write for durable."""

    def fdatasync(self, fd: int) -> None:
        """Do nothing."""


class _SignedFirst(JournalWriter):
    """Calls a parcel committed that it commits when the next one comes."""

    _due: Sequence[tuple[Draft, bytes]] = ()

    async def commit(self, entries: Sequence[tuple[Draft, bytes]]) -> Position:
        """Commit those of the call before."""
        before, self._due = self._due, list(entries)
        return await super().commit(before) if before else Position(0, 0)


async def county(home: Path, how: Sequence[str]) -> None:
    """Serve until standard input ends."""
    doors.KEY = KEY
    writer = _SignedFirst if "sign-first" in how else JournalWriter
    # Nobody files here, so no segment is ever released: small ones, or the disk is soon full.
    journal = writer.open(
        home / "journal",
        reserve_bytes=0,
        segment_bytes=_SEGMENT_BYTES,
        disk=_NeverFlushed() if "no-flush" in how else None,
    )
    async with doors.county_door(home, journal) as opened:
        say(f"port {opened.port}")
        await asyncio.to_thread(sys.stdin.readline)


def say(line: str) -> None:
    """Write one line at once, in one system call."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main(words: Sequence[str]) -> None:
    """Do what the command line says."""
    role, home, *rest = words
    if role == "county":
        asyncio.run(county(Path(home), rest))
    elif role == "cramped":
        port, last = (int(each) for each in rest[:2])
        asyncio.run(cramped(Path(home), port, last, ack_first="ack-first" in rest))
    elif role == "door":
        port, total = (int(each) for each in rest)
        asyncio.run(door(Path(home), port, total))
    else:
        port, first, last = (int(each) for each in rest[:3])
        asyncio.run(township(Path(home), port, first, last, rest[3:]))


if __name__ == "__main__":
    main(sys.argv[1:])
