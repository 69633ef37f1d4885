"""500 connections that say nothing, on the county's and a township's DICOM door."""

import os
import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from tests.demo.running import RunningDemo, until

ECHOSCU = shutil.which("echoscu")
pytestmark = [
    pytest.mark.skipif(ECHOSCU is None, reason="needs DCMTK (echoscu)"),
    pytest.mark.timeout(240),
]
_SILENT = 500
_ADDRESSES = 10
_ECHOES = 40
_DEADLINE_S = 10
_MIB = 1 << 20


@pytest.fixture(autouse=True)
def files_enough(demo: RunningDemo) -> Iterator[None]:
    """Let this process and both doors hold so many connections."""
    pids = [os.getpid(), *demo.pids("--role dicom")]
    before = [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids]
    for pid, (soft, hard) in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    for pid, limits in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


class SilentCrowd:
    """Holds many connections to a door from several addresses; opens again what the door shuts."""

    def __init__(self, host: str, port: int) -> None:
        self._door = (host, port)
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.opened = 0

    def __enter__(self) -> "SilentCrowd":
        for number in range(_SILENT):
            self._open(number)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            self._close(key)
        self._selector.close()

    def _open(self, number: int) -> None:
        # Each address stays below the limit the door sets for one, so that all 500 are held.
        source = (f"127.0.0.{2 + number % _ADDRESSES}", 0)
        made = socket.create_connection(self._door, timeout=20, source_address=source)
        self._selector.register(made, selectors.EVENT_READ, number)
        self.opened += 1

    def _close(self, key: selectors.SelectorKey) -> None:
        assert isinstance(key.fileobj, socket.socket)
        self._selector.unregister(key.fileobj)
        key.fileobj.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.05):
                self._close(key)
                self._open(key.data)


def _echo(door: dict[str, Any]) -> float:
    """Return how many seconds DCMTK's echo took."""
    began = time.monotonic()
    limit = str(_DEADLINE_S)
    subprocess.run(
        [
            *(ECHOSCU or "", "-to", limit, "-ta", limit, "-td", limit),
            *("-aec", door["ae_title"], door["host"], str(door["port"])),
        ],
        check=True,
        capture_output=True,
        timeout=_DEADLINE_S,
    )
    return time.monotonic() - began


@dataclass
class Tried:
    """One door, and what was measured at it."""

    node: str
    door: dict[str, Any]
    role: psutil.Process
    alone_s: list[float]
    before_bytes: int
    highest_bytes: int = 0
    took_s: list[float] = field(default_factory=list)

    def echo(self) -> None:
        self.took_s.append(_echo(self.door))
        self.highest_bytes = max(self.highest_bytes, self.role.memory_info().rss)


def _quiet(demo: RunningDemo, node: str, place: str) -> Tried:
    door = demo.door(place)
    (pid,) = demo.pids(str(demo.home / node), "--role dicom")
    role = psutil.Process(pid)
    alone = [_echo(door) for _ in range(5)]
    return Tried(node, door, role, alone, role.memory_info().rss)


def test_echoes_go_through_and_memory_stays(demo: RunningDemo) -> None:
    doors = [_quiet(demo, "county", "county-hospital"), _quiet(demo, "qingshan", "qingshan")]
    with ExitStack() as stack:
        crowds = [
            stack.enter_context(SilentCrowd(tried.door["host"], tried.door["port"]))
            for tried in doors
        ]
        for tried, crowd in zip(doors, crowds, strict=True):
            until(lambda role=tried.role: role.num_fds() >= _SILENT, 30, "500 connections at once")  # type: ignore[misc]
            for _ in range(_ECHOES):
                tried.echo()
            # Those who say nothing are shown out after 10 s, and come again.
            until(lambda crowd=crowd: crowd.opened > 2 * _SILENT, 60, "the first 500 to go")  # type: ignore[misc]
            tried.echo()
    for tried in doors:
        until(lambda role=tried.role: role.num_fds() < _SILENT, 30, "the connections to be gone")  # type: ignore[misc]
        grown = tried.highest_bytes - tried.before_bytes
        print(  # noqa: T201  # the figures of the trial
            f"{tried.node}: C-ECHO beside {_SILENT} silent sockets: "
            f"median {statistics.median(tried.took_s):.3f} s, "
            f"p95 {sorted(tried.took_s)[int(_ECHOES * 0.95) - 1]:.3f} s, "
            f"longest {max(tried.took_s):.3f} s (alone {statistics.median(tried.alone_s):.3f} s); "
            f"memory +{grown / _MIB:.1f} MiB"
        )
        assert grown < 20 * 1000**2
