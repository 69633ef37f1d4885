"""One node of a hop in a process of its own, to be killed at any system call.

``python -m tests.torture.victim township HOME PORT FIRST LAST [ack-first]`` acknowledges images,
forwards them to the county at PORT and ends when all are delivered. ``... county HOME`` opens a
county's upload door until it is ended. Both say on standard output what they have done. With
``ack-first`` the node says that an image is safe before it is: the control.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.township.node import door_to, node_in, settings_for
from tests.uploads import county_door as doors
from tests.uploads.dicom_files import ct_slice

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Of the county that dies and comes back; a test's, and nobody else's."""
_SIDE: Final = 64


def raw_image(number: int) -> bytes:
    """Return the image of that number, as a Part 10 file."""
    return ct_slice(number, study=number % 2, side=_SIDE, noise=30_000)


async def township(home: Path, port: int, first: int, last: int, *, ack_first: bool) -> None:
    """Acknowledge images one by one while the forwarder works; end when all are delivered."""
    settings = settings_for(county_key=KEY.public_key())
    async with node_in(home, door_to(port), settings=settings, segment_bytes=1 << 20) as node:
        for number in range(first, last + 1):
            if ack_first:
                say(f"acked {number}")
            await node.store([raw_image(number)])
            if not ack_first:
                say(f"acked {number}")
        await node.until(at_county=last, timeout_s=60)
        say(f"delivered {last}")


async def county(home: Path) -> None:
    """Serve until standard input ends."""
    doors.KEY = KEY
    async with doors.county_door(home) as opened:
        say(f"port {opened.port}")
        await asyncio.to_thread(sys.stdin.readline)


def say(line: str) -> None:
    """Write one line at once, in one system call."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main() -> None:
    """Do what the command line says."""
    role, home, *rest = sys.argv[1:]
    if role == "county":
        asyncio.run(county(Path(home)))
    else:
        port, first, last = (int(each) for each in rest[:3])
        asyncio.run(township(Path(home), port, first, last, ack_first="ack-first" in rest))


if __name__ == "__main__":
    main()
