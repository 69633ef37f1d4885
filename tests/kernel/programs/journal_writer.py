"""A writer that says on standard output what was acknowledged to it, until it is killed.

Run as ``python -m tests.kernel.programs.journal_writer DIRECTORY [BATCHES] [no-flush]``. Every line
is a JSON pair: the name of an object and the digest of its bytes, written only after the commit.
"""

import asyncio
import hashlib
import json
import os
import random
import sys
from pathlib import Path

from kernel.errors import PlatformError
from kernel.journal.writer import Disk, JournalReader, JournalWriter, Position

EXIT_FAILED = 3
_CALLERS = 4


class NoFlush(Disk):
    """The control: an operating system that says yes and does nothing."""

    def fdatasync(self, fd: int) -> None:
        """Do nothing."""

    def fsync(self, fd: int) -> None:
        """Do nothing."""


def digests(directory: Path) -> list[tuple[str, str]]:
    """Return name and digest of every object in the journal, each byte of it read and checked."""
    reader = JournalReader.open(directory, after=Position(0, 0))
    found = []
    while batch := reader.poll():
        for committed in batch:
            for stored in committed.entries:
                digest = hashlib.sha256()
                for chunk in stored.chunks():
                    digest.update(chunk)
                found.append((stored.meta.decode(), digest.hexdigest()))
    assert reader.damage == []
    reader.close()
    return found


async def _call(writer: JournalWriter, chance: random.Random, batches: int) -> None:
    for _ in range(batches):
        entries, names = [], []
        for _ in range(chance.choice((1, 1, 1, 3))):
            data = os.urandom(chance.choice((0, 100, 5_000, 40_000, 40_000, 1_500_000)))
            draft = writer.begin()
            for at in range(0, len(data), 30_000):
                await draft.write(data[at : at + 30_000])
            name = os.urandom(8).hex()
            entries.append((draft, name.encode()))
            names.append((name, hashlib.sha256(data).hexdigest()))
        if chance.random() < 0.1:
            for draft, _ in entries:
                draft.discard()
            continue
        await writer.commit(entries)
        for pair in names:
            os.write(sys.stdout.fileno(), json.dumps(pair).encode() + b"\n")


async def _write(directory: Path, batches: int, disk: Disk) -> int:
    writer = JournalWriter.open(directory, segment_bytes=1 << 20, reserve_bytes=0, disk=disk)
    calls = (_call(writer, random.Random(n), batches) for n in range(_CALLERS))
    results = await asyncio.gather(*calls, return_exceptions=True)
    await writer.close()
    for result in results:
        if isinstance(result, PlatformError):
            sys.stderr.write(f"{result.code}\n")
        elif result is not None:
            raise result
    return EXIT_FAILED if any(results) else 0


def main() -> int:
    batches = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    disk = NoFlush() if "no-flush" in sys.argv else Disk()
    return asyncio.run(_write(Path(sys.argv[1]), batches, disk))


if __name__ == "__main__":
    sys.exit(main())
