"""Start ``yilian demo`` as a process of its own, wait for its doors, end it as one should."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.ports import LAST, drawn

ROOT: Final = Path(__file__).resolve().parents[2]
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
_PORTS: Final = (8080, 8081, 8090, 8091, 11112, 11113, 11114, 2575)
_STARTING_S: Final = 90.0
_ENDING_S: Final = 20.0
_PAUSE_S: Final = 0.02


def free_offset() -> int:
    """Return an offset under which every port of the demo is free, and given to nobody else."""
    ports = drawn(lambda chance: _under(chance.randrange(2_000, LAST - max(_PORTS), 10)))
    return ports[0] - _PORTS[0]


def _under(offset: int) -> list[int]:
    return [port + offset for port in _PORTS]


@dataclass
class RunningDemo:
    """A demo county in a folder; ``ready`` is its ready file.

    ``launcher`` is put before the command line, and must become what it starts.
    """

    home: Path
    offset: int
    samples: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()
    ready: dict[str, Any] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it and return once all doors answer."""
        ready_file = self.home.with_suffix(".ready.json")
        ready_file.unlink(missing_ok=True)
        argv = [*self.launcher, sys.executable, "-m", "yilian", "demo", "--home", str(self.home)]
        argv += ["--port-offset", str(self.offset), "--ready-file", str(ready_file)]
        if not self.samples:
            argv.append("--no-samples")
        environment = {**os.environ, **self.environment}
        with self.home.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        until(ready_file.exists, _STARTING_S, "the demo to be ready", alive=self.process)
        self.ready = json.loads(ready_file.read_text("utf-8"))

    def freeze(self) -> None:
        """Let no process of it run on, as none does once the current is gone; ``kill`` follows.

        A process inside a system call stays there: what it is flushing may or may not arrive.
        """
        pids = self._everything()
        _signal(pids, signal.SIGSTOP)
        until(lambda: not any(map(_may_run, pids)), _ENDING_S, "the frozen demo to stand still")

    def kill(self) -> None:
        """End every process at once, no goodbye."""
        assert self.process is not None
        pids = self._everything()
        _signal(pids, signal.SIGKILL)
        self.process.wait(_ENDING_S)
        until(
            lambda: not (self.pids() or any(map(_state, pids))),
            _ENDING_S,
            "the killed demo to be gone",
        )

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(_ENDING_S)
        until(lambda: not self.pids(), _ENDING_S, "the stopped demo to be gone")
        return code

    def pids(self, *words: str) -> list[int]:
        """Return the living processes of this home whose command line holds all of *words*."""
        mark = str(self.home)
        found = []
        for pid in _all_pids():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue
            if mark in line and _state(pid) and all(word in line for word in words):
                found.append(pid)
        return found

    def _everything(self) -> list[int]:
        """Return also those that do not name the home, such as the bundled Redis."""
        parents = {pid: _stat(pid)[1] for pid in _all_pids()}
        found = set(self.pids())
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def door(self, institution: str) -> dict[str, Any]:
        """Return the DICOM door of a township, or of the county."""
        doors = {t["institution"]: t["dicom"] for t in self.ready["townships"]}
        found: dict[str, Any] = doors.get(institution, self.ready["county"]["dicom"])
        return found

    def account(self, role: str) -> dict[str, str]:
        """Return the first account of *role*."""
        found: dict[str, str] = next(a for a in self.ready["accounts"] if a["role"] == role)
        return found

    def http(self, institution: str) -> str:
        """Return the HTTP door of a township, or of the county."""
        doors = {t["institution"]: t["http"] for t in self.ready["townships"]}
        return str(doors.get(institution, self.ready["county"]["http"]))

    def get(self, path: str, *, at: str = "", role: str = "radiologist") -> Any:
        """Return the JSON the county, or the township *at*, answers to GET *path*."""
        body = self.fetch(path, at=at, role=role)
        return json.loads(body) if body else []

    def fetch(
        self, path: str, *, accept: str = "*/*", at: str = "", role: str = "radiologist"
    ) -> bytes:
        """Return what the county, or the township *at*, answers to GET *path*."""
        token = self.account(role)["token"]
        request = urllib.request.Request(
            self.http(at) + path,
            headers={"Authorization": f"Bearer {token}", "Accept": accept},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
        return body

    def objects(self, study_instance_uid: str) -> list[bytes]:
        """Return the Part 10 file of every instance of a study, in explicit VR little endian."""
        body = self.fetch(
            f"/dicom-web/studies/{study_instance_uid}",
            accept=f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT_LE}',
        )
        boundary = body.partition(b"\r\n")[0] or body.split(b"\r\n", 2)[1]
        parts = (b"\r\n" + body).split(b"\r\n" + boundary)[1:-1]
        return [part.partition(b"\r\n\r\n")[2] for part in parts]

    def instances(self) -> list[str]:
        """Return the SOP Instance UID of every instance the county lists, with repetitions."""
        found: list[str] = []
        while True:
            page = self.get(f"/dicom-web/instances?limit=500&offset={len(found)}")
            if not page:
                return found
            found += [row["00080018"]["Value"][0] for row in page]


def _all_pids() -> list[int]:
    entries = (entry.name for entry in Path("/proc").iterdir())
    return [int(name) for name in entries if name.isdigit() and int(name) != os.getpid()]


def _stat(pid: int | str) -> tuple[str, int]:
    """Return state and parent of a process or ``pid/task/tid``; ("", 0) where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return ("" if fields[0] in "ZX" else fields[0]), int(fields[1])


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _may_run(pid: int) -> bool:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    # T is stopped; D is inside the kernel, and stops before it comes back.
    return any(_stat(f"{pid}/task/{thread.name}")[0] in ("R", "S") for thread in threads)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def running_demo(
    home: Path,
    *,
    samples: bool = False,
    offset: int | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[RunningDemo]:
    """Give a started demo; whatever happens, nothing of it is left behind.

    A demo that called a page of its journal damaged fails its test, whatever else was right: no
    test damages one, so something receipted may never be filed.
    """
    offset = free_offset() if offset is None else offset
    demo = RunningDemo(home, offset, samples, environment or {})
    try:
        demo.start()
        yield demo
    finally:
        if demo.process is not None:
            demo.kill()
    logs = [home.with_suffix(".log"), *home.rglob("*.log*")]
    damaged = [log for log in logs if log.is_file() and b"journal.damaged" in log.read_bytes()]
    assert damaged == [], "a journal was called damaged"


def until(
    holds: Callable[[], bool],
    within_s: float,
    what: str,
    *,
    alive: "subprocess.Popen[bytes] | None" = None,
) -> None:
    """Return once *holds* does; raise ``AssertionError`` naming *what* after *within_s*.

    At least as long goes by between two questions as one takes: what is asked has the machine to
    itself for half the time.
    """
    begun = time.monotonic()
    end = begun + within_s
    while not holds():
        now = time.monotonic()
        if alive is not None and alive.poll() is not None:
            msg = f"ended with {alive.returncode} while waiting for {what}"
            raise AssertionError(msg)
        if now > end:
            msg = f"waited {within_s:.0f} s for {what}"
            raise AssertionError(msg)
        _let_go_by(max(_PAUSE_S, now - begun))
        begun = time.monotonic()


def _let_go_by(time_s: float) -> None:
    """Wait without the sleep that tests do without."""
    select.select([], [], [], time_s)
