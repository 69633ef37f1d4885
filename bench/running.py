"""Processes of a comparison: started with a deadline, measured through /proc, ended by their id."""

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

_STARTING_S: Final = 90.0
_ENDING_S: Final = 20.0
LOOPBACK: Final = "127.0.0.1"


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody has now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def pause(seconds: float) -> None:
    """Let *seconds* go by."""
    select.select([], [], [], seconds)


def until(holds: Callable[[], bool], within_s: float, what: str, *, every_s: float = 0.02) -> None:
    """Return once *holds* does.

    Raises:
        TimeoutError: it did not within *within_s*; the message names *what*.
    """
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        pause(every_s)


@dataclass
class Program:
    """One started program with all its descendants."""

    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it; its output goes to the log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def wait_ready(self, holds: Callable[[], bool], what: str) -> None:
        """Return once *holds* does; raises where the program ended before that."""

        def ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"{what} ended with {self.process.returncode}; see {self.log}")
            return holds()

        until(ready, _STARTING_S, what)

    def wait_port(self, port: int, what: str) -> None:
        """Return once something listens on *port*."""
        self.wait_ready(lambda: _listens(port), what)

    def cpu_s(self) -> float:
        """Return the CPU seconds of the program and all its descendants, ended ones included."""
        return sum(_cpu_s(each) for each in self._family())

    def resident_bytes(self) -> int:
        """Return the resident memory of the program and its living descendants."""
        total = 0
        for each in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
        return total

    def pids(self) -> list[int]:
        """Return the ids of the program and its living descendants."""
        return [each.pid for each in self._family()]

    def _family(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        try:
            head = psutil.Process(self.process.pid)
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> None:
        """End it with SIGTERM, after a while with SIGKILL, descendants too."""
        if self.process is None:
            return
        family = self._family()
        self.process.terminate()
        try:
            self.process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_ENDING_S)
        _, alive = psutil.wait_procs(family, timeout=2.0)
        for each in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process = None


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    spent: float = times.user + times.system + times.children_user + times.children_system
    return spent


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


@contextlib.contextmanager
def busy_disk(program: Program | None) -> Iterator[None]:
    """Keep the disk busy with *program* meanwhile; nothing where there is none."""
    if program is None:
        yield
        return
    program.start()
    try:
        pause(1.0)
        yield
    finally:
        program.stop()
