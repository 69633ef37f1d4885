"""kill -9 in the middle of everything: what was acknowledged arrives, once."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from tests.uploads.county_door import KEY, county_door
from tests.uploads.dicom_files import ROOT

IMAGES = 24
ROOT_OF_CHECKOUT = Path(__file__).parents[2]


@asynccontextmanager
async def child(home: Path, port: int, first: int) -> AsyncIterator[asyncio.subprocess.Process]:
    key = KEY.public_key().public_bytes_raw().hex()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.township.child", str(home), key, str(port), str(first), str(IMAGES)),
        cwd=ROOT_OF_CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def heard(process: asyncio.subprocess.Process) -> tuple[str, int]:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().split()
    return (line[0], int(line[1])) if line else ("", 0)


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("seed", "kills"),
    [
        pytest.param(1, 2),
        *(pytest.param(seed, 6, marks=pytest.mark.torture) for seed in range(2, 12)),
    ],
)
async def test_a_killed_node_goes_on_and_nothing_is_lost_or_doubled(
    tmp_path: Path, seed: int, kills: int
) -> None:
    draw = random.Random(seed)
    acked = 0
    async with (
        county_door(tmp_path / "county") as county,
        open_line(county.port, QUICK_LINE) as line,
    ):
        line.run_at(24_000_000)
        for _ in range(kills):
            async with child(tmp_path / "node", line.port, acked + 1) as process:
                more = draw.randrange(1, 1 + IMAGES // (kills + 1))
                # Some are still to be filed, some are on the line, some are being receipted.
                while more and (told := await heard(process))[0] == "acked":
                    acked = told[1]
                    more -= 1
        line.run_at(QUICK_LINE.up_bits_per_s)
        async with child(tmp_path / "node", line.port, acked + 1) as process:
            while (told := await heard(process))[0] == "acked":
                acked = told[1]
            assert told == ("delivered", IMAGES)
        uids = sorted(arrival.sop_instance_uid for arrival, _ in county.committed())
        expected = sorted(f"{ROOT}.{n % 3}.1.{n}" for n in range(1, IMAGES + 1))
        assert uids == expected
