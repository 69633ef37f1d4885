"""A service manager hears that the node is ready, well and ending, and nothing that is not so."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.process.service_notice import ServiceNotice

WATCHDOG_S = 0.2


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "notify"))
        door.settimeout(0)
        yield door


async def heard(manager: socket.socket) -> str:
    async with asyncio.timeout(5):
        return (await asyncio.get_running_loop().sock_recv(manager, 100)).decode()


def notice_to(manager: socket.socket, watchdog_s: float = 0.0) -> ServiceNotice:
    return ServiceNotice(str(manager.getsockname()), watchdog_s)


def test_children_are_not_handed_the_way_to_the_manager(manager: socket.socket) -> None:
    environ = {
        "NOTIFY_SOCKET": str(manager.getsockname()),
        "WATCHDOG_USEC": "200000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    notice = ServiceNotice.enter(environ)
    assert environ == {"HOME": "/"}
    assert notice.watchdog_s == WATCHDOG_S
    notice.ready()
    assert manager.recv(100) == b"READY=1"


def test_a_watchdog_set_for_another_process_is_not_ours() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
    assert ServiceNotice.enter(environ).watchdog_s == 0


@pytest.mark.parametrize("address", ["", "vsock:1:2", "relative"])
def test_without_a_manager_nothing_is_said_and_nothing_fails(address: str) -> None:
    ServiceNotice.enter({"NOTIFY_SOCKET": address}).ready()


def test_a_manager_that_is_gone_stops_no_node(tmp_path: Path) -> None:
    ServiceNotice(str(tmp_path / "gone")).ready()


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind("")
        name = door.getsockname()[1:].decode()
        ServiceNotice.enter({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert door.recv(100) == b"READY=1"


async def test_signs_of_life_come_while_all_is_well_and_then_the_end(
    manager: socket.socket,
) -> None:
    stop = asyncio.Event()

    async def well() -> bool:
        return True

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(notice_to(manager, WATCHDOG_S).follow(stop, well))
        assert [await heard(manager) for _ in range(3)] == ["WATCHDOG=1"] * 3
        stop.set()
        while (said := await heard(manager)) == "WATCHDOG=1":
            pass
        assert said == "STOPPING=1"


@pytest.mark.parametrize("fault", [None, OSError(), TimeoutError(), EOFError()])
async def test_a_node_that_is_not_well_says_nothing_so_that_it_is_restarted(
    manager: socket.socket, fault: Exception | None
) -> None:
    stop, asked = asyncio.Event(), 0

    async def not_well() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            stop.set()
        if fault is not None:
            raise fault
        return False

    async with asyncio.timeout(5):
        await notice_to(manager, WATCHDOG_S).follow(stop, not_well)
    assert await heard(manager) == "STOPPING=1"


async def test_a_question_without_an_answer_is_no(manager: socket.socket) -> None:
    stop, asked = asyncio.Event(), 0

    async def hangs() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            stop.set()
        await asyncio.Event().wait()
        return True

    async with asyncio.timeout(5):
        await notice_to(manager, WATCHDOG_S).follow(stop, hangs)
    assert await heard(manager) == "STOPPING=1"
