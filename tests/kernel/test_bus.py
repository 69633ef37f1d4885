"""Hints cross processes while Redis lives; without it they are late, and nothing else happens."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from kernel.errors import Unavailable
from kernel.process.bus import Bus, NullBus
from kernel.process.child import HomeLock
from kernel.process.owner import Owner
from kernel.process.redis_bus import RedisBus
from kernel.process.run_directory import run_directory
from kernel.process.supervise import RestartPolicy, Supervisor
from kernel.process.valkey import bundled_server, valkey_child


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[str]:
    """A supervised Valkey; yields its URL."""
    socket_path = run_directory(home) / "redis.sock"
    spec = valkey_child(home / "redis", socket_path, log=home / "redis.log")
    lock = await HomeLock.take(home)
    stop = asyncio.Event()
    ready = asyncio.Event()
    supervisor = Supervisor([spec], lock=lock, policy=RestartPolicy(first_s=0.02, most_s=0.1))
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run(stop, on_ready=lambda _: ready.set()))
        try:
            async with asyncio.timeout(20):
                await ready.wait()
            yield f"unix://{socket_path}"
        finally:
            stop.set()
    lock.close()


@asynccontextmanager
async def bus_on(url: str) -> AsyncIterator[RedisBus]:
    bus = RedisBus(url)
    async with Owner() as owner:
        owner.keep("bus", bus.run)
        async with bus.listen() as first:
            # The first hint says that the bus listens.
            await first.wait(5)
        yield bus
    await bus.close()


def server_process(url: str) -> psutil.Process:
    path = url.removeprefix("unix://")
    for process in psutil.Process().children(recursive=True):
        if path in " ".join(process.cmdline()) and process.name() == "valkey-server":
            return process
    raise AssertionError("no server")


async def crosses(sender: Bus, receiver: Bus, within_s: float = 10) -> bool:
    async with receiver.listen(["line.changed"]) as hints, asyncio.timeout(within_s):
        while True:
            await sender.notify("line.changed")
            if await hints.wait(0.1):
                return True


async def test_a_hint_reaches_another_process_and_only_those_who_asked(tmp_path: Path) -> None:
    async with (
        server(tmp_path) as url,
        bus_on(url) as here,
        bus_on(url) as there,
        there.listen(["study.updated"]) as asked,
        there.listen(["else"]) as other,
    ):
        await here.notify("study.updated")
        assert await asked.wait(5)
        assert not await other.wait(0.05)
        assert not await asked.wait(0.05)


async def test_a_hint_reaches_its_own_process_once(tmp_path: Path) -> None:
    async with server(tmp_path) as url, bus_on(url) as bus, bus.listen() as hints:
        await bus.notify("study.updated")
        assert await hints.wait(1)
        assert not await hints.wait(0.1)


async def test_losing_redis_costs_latency_only(tmp_path: Path) -> None:
    async with server(tmp_path) as url, bus_on(url) as here, bus_on(url) as there:
        for _ in range(3):
            os.kill(server_process(url).pid, signal.SIGKILL)
            async with here.listen() as hints:
                await here.notify("line.changed")
                assert await hints.wait(1)
            assert await crosses(here, there)


async def test_a_redis_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    async with server(tmp_path) as url, bus_on(url) as bus:
        process = server_process(url)
        process.suspend()
        try:
            began_s = time.monotonic()
            for _ in range(200):
                await bus.notify("study.updated")
            assert time.monotonic() - began_s < 3
        finally:
            process.resume()


async def test_without_any_redis_hints_stay_in_the_process(tmp_path: Path) -> None:
    bus = RedisBus(f"unix://{tmp_path}/nobody.sock")
    async with Owner() as owner, bus.listen() as hints:
        owner.keep("bus", bus.run)
        await bus.notify("study.updated")
        assert await hints.wait(1)
        assert not await hints.wait(0.05)
    await bus.close()
    null = NullBus()
    async with null.listen(["a"]) as hints:
        await null.notify("b")
        await null.notify("a")
        assert await hints.wait(1)


async def test_a_damaged_file_is_moved_aside_and_the_server_starts_empty(tmp_path: Path) -> None:
    async with server(tmp_path) as url, bus_on(url) as bus:
        for _ in range(200):
            await bus.notify("study.updated")
    (written,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    raw = bytearray(written.read_bytes())
    raw[500:600] = b"\xff" * 100
    written.write_bytes(raw)
    async with server(tmp_path) as url, bus_on(url) as here, bus_on(url) as there:
        assert await crosses(here, there)
    assert (tmp_path / "redis.aside").is_dir()


async def test_a_deep_home_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 30] * 4)
    deep.mkdir(parents=True)
    found = run_directory(deep, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found == run_directory(deep, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found.parent == tmp_path
    assert found.stat().st_mode & 0o777 == 0o700


def test_a_machine_without_a_bundled_server_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(Unavailable) as refused:
        bundled_server()
    assert refused.value.code == "redis-not-bundled"


def test_the_server_listens_on_its_socket_only(tmp_path: Path) -> None:
    spec = valkey_child(tmp_path / "redis", tmp_path / "s")
    assert spec.argv[1:5] == ("--port", "0", "--unixsocket", str(tmp_path / "s"))
