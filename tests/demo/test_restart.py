"""Each role is killed under load; nobody who connects is ever refused."""

import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.demo.running import RunningDemo, until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def demo(mortal: RunningDemo) -> RunningDemo:
    return mortal


class Knocker:
    """Connects to a door again and again, and counts who was refused."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.connected = 0
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Knocker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            try:
                socket.create_connection(self.address, timeout=10).close()
            except ConnectionRefusedError:
                self.refused += 1
            except OSError:
                continue
            else:
                self.connected += 1


@pytest.mark.parametrize(
    ("node", "role", "door"),
    [
        pytest.param("county", "gateway", "http", id="county-gateway"),
        pytest.param("county", "dicom", "dicom", id="county-dicom"),
        pytest.param("county", "worker", "http", id="county-worker"),
        pytest.param("qingshan", "gateway", "http", id="township-gateway"),
        pytest.param("qingshan", "dicom", "dicom", id="township-dicom"),
    ],
)
def test_a_killed_role_is_back_and_nobody_was_refused(
    demo: RunningDemo, node: str, role: str, door: str
) -> None:
    home = demo.home / node
    host, port = _address(demo, node, door)
    (before,) = demo.pids(str(home), f"--role {role}")
    with Knocker(host, port) as knocker:
        until(lambda: knocker.connected > 5, 20, "the first connections")
        os.kill(before, signal.SIGKILL)
        until(lambda: _other(demo, home, role, before), 20, f"another {role}")
        connected = knocker.connected
        until(lambda: knocker.connected > connected + 20, 30, "connections after the restart")
    assert knocker.refused == 0
    until(lambda: _answers(demo, node), 30, "the node to answer again")


def _other(demo: RunningDemo, home: Path, role: str, before: int) -> bool:
    found = demo.pids(str(home), f"--role {role}")
    return bool(found) and before not in found


def _address(demo: RunningDemo, node: str, door: str) -> tuple[str, int]:
    if door == "dicom":
        found = demo.door(node)
        return found["host"], found["port"]
    host, _, port = _http(demo, node).removeprefix("http://").rpartition(":")
    return host, int(port)


def _http(demo: RunningDemo, node: str) -> str:
    return demo.http(node)


def _answers(demo: RunningDemo, node: str) -> bool:
    try:
        with urllib.request.urlopen(_http(demo, node) + "/health/live", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_sigterm_ends_everything_within_ten_seconds(demo: RunningDemo) -> None:
    assert demo.process is not None
    demo.process.terminate()
    assert demo.process.wait(10) == 0
    until(lambda: not demo.pids(), 5, "every process to be gone")
