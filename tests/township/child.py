"""A township node in a process of its own, to be killed: ``python -m tests.township.child``.

Arguments: home, county key, county port, first image, last image. Says on standard output what it
has acknowledged, and when everything is at the county.
"""

import asyncio
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.township.node import door_to, node_in, settings_for
from tests.uploads.dicom_files import ct_slice


async def run(home: Path, county_key: str, port: int, first: int, last: int) -> None:
    """Acknowledge the images one by one while the forwarder works; end when all are delivered."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(county_key))
    settings = settings_for(county_key=key)
    async with node_in(home, door_to(port), settings=settings) as node:
        for number in range(first, last + 1):
            await node.store([ct_slice(number, study=number % 3, side=256, noise=30_000)])
            say(f"acked {number}")
        await node.until(at_county=last, timeout_s=60)
        say(f"delivered {last}")


def say(line: str) -> None:
    """Write one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], *(int(number) for number in sys.argv[3:6])))
