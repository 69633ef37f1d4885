"""500 connections that say nothing, on the county's and a township's DICOM door."""

import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.demo.running import RunningDemo, running_demo, until

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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with running_demo(tmp_path_factory.mktemp("silent") / "home") as running:
        yield running


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


@pytest.mark.parametrize(
    ("node", "place"),
    [
        pytest.param("county", "county-hospital", id="county"),
        pytest.param("qingshan", "qingshan", id="township"),
    ],
)
def test_echoes_go_through_and_memory_stays(demo: RunningDemo, node: str, place: str) -> None:
    door = demo.door(place)
    (pid,) = demo.pids(str(demo.home / node), "--role dicom")
    role = psutil.Process(pid)
    alone = [_echo(door) for _ in range(5)]
    before = role.memory_info().rss
    with SilentCrowd(door["host"], door["port"]) as crowd:
        until(lambda: role.num_fds() >= _SILENT, 30, "500 connections at once")
        took, highest = [], 0
        for _ in range(_ECHOES):
            took.append(_echo(door))
            highest = max(highest, role.memory_info().rss)
        # Those who say nothing are shown out after 10 s, and come again.
        until(lambda: crowd.opened > 2 * _SILENT, 60, "the first 500 to be shown out")
        _echo(door)
        highest = max(highest, role.memory_info().rss)
    until(lambda: role.num_fds() < _SILENT, 30, "the connections to be gone")
    print(  # noqa: T201  # the figures of the trial
        f"{node}: C-ECHO beside {_SILENT} silent sockets: median {statistics.median(took):.3f} s, "
        f"p95 {sorted(took)[int(_ECHOES * 0.95) - 1]:.3f} s, longest {max(took):.3f} s "
        f"(alone {statistics.median(alone):.3f} s); memory +{(highest - before) / _MIB:.1f} MiB"
    )
    assert highest - before < 20 * 1000**2
