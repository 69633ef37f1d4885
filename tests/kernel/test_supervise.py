"""Children under one parent: none is lost, none is left behind. All processes here are real."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from kernel.errors import Busy, Conflict
from kernel.process.child import EX_CONFIG, HomeLock, bind_door
from kernel.process.supervise import RestartPolicy

ROOT = Path(__file__).parents[2]


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def alive(process: psutil.Process) -> bool:
    # Where process 1 reaps nobody, a dead orphan stays as a zombie.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(processes: list[psutil.Process], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while any(alive(process) for process in processes):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextmanager
def ending(process: asyncio.subprocess.Process) -> Iterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()


@asynccontextmanager
async def started(home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    (home / "ready.json").unlink(missing_ok=True)
    with (home / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.kernel.programs.supervised",
            str(home),
            cwd=ROOT,
            stderr=log,
        )
    with ending(process):
        yield process
    await process.wait()


async def ready(home: Path, process: asyncio.subprocess.Process) -> dict[str, Any]:
    path = home / "ready.json"
    async with asyncio.timeout(20):
        while not path.exists():
            assert process.returncode is None, (home / "log").read_text()
            await asyncio.sleep(0.01)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


async def pid_behind(port: int) -> int:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return int(answer)


async def test_a_killed_child_is_followed_by_another_and_no_connection_is_refused(
    tmp_path: Path,
) -> None:
    async with started(tmp_path) as parent:
        ports = (await ready(tmp_path, parent))["ports"]
        for _ in range(3):
            first = psutil.Process(await pid_behind(ports["door"]))
            first.kill()
            await gone([first])
            assert await pid_behind(ports["door"]) != first.pid
        parent.terminate()
        assert await parent.wait() == 0


async def test_children_are_asked_to_give_large_blocks_back(tmp_path: Path) -> None:
    async with started(tmp_path) as parent:
        ports = (await ready(tmp_path, parent))["ports"]
        child = psutil.Process(await pid_behind(ports["door"]))
        assert child.environ()["MALLOC_MMAP_THRESHOLD_"] == str(4 << 20)
        parent.terminate()
        assert await parent.wait() == 0


async def test_nothing_outlives_a_killed_parent_and_the_next_start_goes_on(tmp_path: Path) -> None:
    async with started(tmp_path) as parent:
        await ready(tmp_path, parent)
        family = descendants(parent.pid)
        assert len(family) == 4
        parent.kill()
        async with started(tmp_path) as second:
            await ready(tmp_path, second)
            assert not any(alive(process) for process in family)
            second.terminate()
            assert await second.wait() == 0


async def test_sigterm_stops_doors_then_roles_then_stores_and_leaves_nobody(tmp_path: Path) -> None:
    async with started(tmp_path) as parent:
        await ready(tmp_path, parent)
        family = descendants(parent.pid)
        asked_s = time.monotonic()
        parent.terminate()
        assert await parent.wait() == 0
        assert time.monotonic() - asked_s < 10
        assert not any(alive(process) for process in family)
    assert (tmp_path / "stopped").read_text().split() == ["door", "role", "store"]


async def test_a_child_deaf_to_sigterm_is_killed_after_its_time(tmp_path: Path) -> None:
    (tmp_path / "role.stubborn").touch()
    async with started(tmp_path) as parent:
        await ready(tmp_path, parent)
        family = descendants(parent.pid)
        parent.terminate()
        assert await parent.wait() == 0
        assert not any(alive(process) for process in family)
    assert (tmp_path / "stopped").read_text().split() == ["door", "store"]


async def test_a_child_that_refuses_its_configuration_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "role.refuses").touch()
    async with started(tmp_path) as parent:
        assert await parent.wait() == EX_CONFIG
    assert not (tmp_path / "ready.json").exists()


async def test_the_second_on_one_home_is_told_so(tmp_path: Path) -> None:
    lock = await HomeLock.take(tmp_path)
    with pytest.raises(Busy) as refused:
        await HomeLock.take(tmp_path, wait_s=0.05)
    assert refused.value.code == "home-in-use"
    lock.close()
    (await HomeLock.take(tmp_path, wait_s=0.05)).close()


def test_a_taken_port_is_named() -> None:
    with bind_door("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
        with pytest.raises(Conflict) as refused:
            bind_door("127.0.0.1", port)
        assert refused.value.code == "port-in-use"
        assert str(port) in refused.value.detail


def test_restarts_come_slower_until_one_lived_long() -> None:
    policy = RestartPolicy()
    delays = []
    delay_s = 0.0
    for up_for_s in (0, 1, 1, 1, 1, 1, 1, 1, 59.9, 60, 1):
        delay_s = policy.delay_s(delay_s, up_for_s)
        delays.append(round(delay_s, 1))
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 0.1, 0.2]
