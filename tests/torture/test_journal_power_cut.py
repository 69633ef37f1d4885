"""Power cuts: what the journal acknowledged is on the disk, not only in memory."""

import asyncio
import json
import random
import sys
from pathlib import Path

import pytest

from kernel.journal.writer import JournalCorrupt
from tests.kernel.programs.journal_writer import digests
from tests.torture.ext4_image import Ext4Image, missing

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.timeout(600),
]


async def acked_until_the_cut(image: Ext4Image, cut_after: int, *extra: str) -> dict[str, str]:
    """Write to the image, cut its power after *cut_after* acknowledged objects."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kernel.programs.journal_writer"),
        *(str(image.root / "journal"), "1000000", *extra),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert child.stdout is not None
    acked: dict[str, str] = {}
    async with asyncio.timeout(60):
        while len(acked) < cut_after:
            line = await child.stdout.readline()
            name, digest = json.loads(line)
            acked[name] = digest
        # What is acknowledged from here on does not count: a real cut would end the process too,
        # while here a flush that runs into the shutdown may be told it succeeded.
        image.cut_power()
        child.kill()
        await child.communicate()
    return acked


@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param(10, id="10-cycles"),
        pytest.param(200, id="200-cycles", marks=pytest.mark.torture),
    ],
)
async def test_nothing_acknowledged_is_lost_in_a_power_cut(tmp_path: Path, cycles: int) -> None:
    chance = random.Random(cycles)
    for _ in range(cycles):
        image = Ext4Image(tmp_path / f"{chance.random()}")
        acked: dict[str, str] = {}
        # The second cut falls on a journal that one has gone over already.
        for _ in range(2):
            with image.mounted():
                acked |= await acked_until_the_cut(image, chance.randint(1, 60))
        with image.mounted() as root:
            found = digests(root / "journal")
        assert len(found) == len(set(found))
        assert acked.items() <= dict(found).items()


async def test_the_control_without_flushes_loses_what_it_acknowledged(tmp_path: Path) -> None:
    image = Ext4Image(tmp_path / "control")
    with image.mounted():
        acked = await acked_until_the_cut(image, 60, "no-flush")
    with image.mounted() as root:
        try:
            found = dict(digests(root / "journal"))
        except (JournalCorrupt, AssertionError):
            found = {}
    assert len(acked.items() - found.items()) > 0
