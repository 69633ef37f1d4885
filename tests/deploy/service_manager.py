"""What stands in for systemctl in a trial: runs a unit's ExecStart below the trial's root.

    service_manager.py ROOT daemon-reload | is-active | start | restart | stop …

It reads the very unit file that was installed, with its paths below ROOT.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

INACTIVE: Final = 3


def setting(unit: Path, name: str) -> str:
    """The last value of *name* in the unit file."""
    lines = unit.read_text("utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")][-1]


class Unit:
    """One service of the trial."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.file = root / "etc/systemd/system" / name
        self.pid_file = root / f"{name}.pid"
        self.log = root / f"{name}.log"

    def open_process(self) -> int | None:
        """A descriptor of the running main process."""
        try:
            pid = int(self.pid_file.read_text("ascii"))
            running = f"{self.root}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
            return os.pidfd_open(pid) if running else None
        except (FileNotFoundError, ProcessLookupError):
            return None

    def start(self) -> None:
        """As Type=notify without waiting: the caller asks the node itself."""
        words = setting(self.file, "ExecStart").split()
        argv = [f"{self.root}{word}" if word.startswith("/") else word for word in words]
        with self.log.open("ab") as log:
            made = subprocess.Popen(
                argv, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        self.pid_file.write_text(str(made.pid), "ascii")

    def stop(self) -> bool:
        """Whether it ended by itself in the time the unit gives it."""
        process = self.open_process()
        if process is None:
            return True
        signal.pidfd_send_signal(process, signal.SIGTERM)
        in_time = bool(
            select.select([process], [], [], int(setting(self.file, "TimeoutStopSec")))[0]
        )
        if not in_time:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [], 10)
        os.close(process)
        return in_time


def main(root: Path, act: str, *words: str) -> int:
    """One act, as systemctl would answer it."""
    if act == "daemon-reload":
        return 0
    unit = Unit(root, words[-1])
    if act == "is-active":
        process = unit.open_process()
        return INACTIVE if process is None else 0
    ended = unit.stop()
    if act != "stop":
        unit.start()
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
