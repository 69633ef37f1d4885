"""Death and refusal at the journal's own system calls: each write, each flush, each rename."""

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.kernel.programs.journal_writer import EXIT_FAILED, digests

ROOT = Path(__file__).parents[2]
BATCHES = 5
pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.timeout(600),
]
# The few that a normal run tries; the torture run goes on until a call no longer happens.
FEW = (1, 3)
EVERY = range(1, 400)
CALLS = ("pwritev,pwritev2", "fdatasync", "fsync", "rename,renameat,renameat2", "fallocate")


async def run_with(directory: Path, *injections: str) -> tuple[int, dict[str, str], str]:
    """Write a few batches under strace; returns exit code, what was acknowledged, and errors."""
    inject = [part for one in injections for part in ("-e", f"inject={one}")]
    calls = ",".join(one.partition(":")[0] for one in injections)
    child = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={calls}", *inject),
        *(sys.executable, "-m", "tests.kernel.programs.journal_writer", directory, f"{BATCHES}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    async with asyncio.timeout(60):
        out, errors = await child.communicate()
    assert child.returncode is not None
    return child.returncode, dict(map(json.loads, out.splitlines())), errors.decode()


def check(directory: Path, acked: dict[str, str]) -> None:
    found = digests(directory) if directory.exists() else []
    assert len(found) == len(set(found))
    assert acked.items() <= dict(found).items()


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize(
    "places",
    [pytest.param(FEW, id="few"), pytest.param(EVERY, id="every", marks=pytest.mark.torture)],
)
async def test_dying_at_a_call_loses_nothing_acknowledged(
    tmp_path: Path, calls: str, places: tuple[int, ...]
) -> None:
    for place in places:
        directory = tmp_path / f"{place}"
        code, acked, _ = await run_with(directory, f"{calls}:signal=KILL:when={place}")
        check(directory, acked)
        # Whatever it left, the next one goes on and keeps what was there.
        again, more, errors = await run_with(directory, "fchown:error=EIO")
        assert again == 0, errors
        check(directory, acked | more)
        shutil.rmtree(directory)
        if code != -signal.SIGKILL:
            break


@pytest.mark.parametrize("error", ["EIO", pytest.param("ENOSPC", marks=pytest.mark.torture)])
@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize(
    "places",
    [pytest.param(FEW, id="few"), pytest.param(EVERY, id="every", marks=pytest.mark.torture)],
)
async def test_a_refused_call_acknowledges_nothing_that_is_not_there(
    tmp_path: Path, calls: str, error: str, places: tuple[int, ...]
) -> None:
    for place in places:
        directory = tmp_path / f"{place}"
        code, acked, errors = await run_with(directory, f"{calls}:error={error}:when={place}")
        assert "Traceback" not in errors
        check(directory, acked)
        again, more, errors = await run_with(directory, "fchown:error=EIO")
        assert again == 0, errors
        check(directory, acked | more)
        shutil.rmtree(directory)
        if code == 0:
            break


async def test_a_disk_that_refuses_every_flush_acknowledges_nothing(tmp_path: Path) -> None:
    code, acked, errors = await run_with(tmp_path / "journal", "fdatasync:error=EIO:when=1+")
    assert code == EXIT_FAILED
    assert acked == {}
    assert "journal-failed" in errors
