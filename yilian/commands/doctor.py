"""``yilian doctor``: look at a machine and say what to mend."""

import argparse
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kernel.errors import PlatformError
from kernel.settings import NodeKind, Settings
from kernel.valkey import bundled_server
from yilian.commands.nodes import add_home
from yilian.wiring.homes import Home
from yilian.wiring.shell import ui_folder

_MIN_FREE_BYTES: Final = 5 << 30
_SLOW_FLUSH_S: Final = 0.05
_FLUSHES: Final = 20
_MIN_FILES: Final = 1024
_MIN_MEMORY_BYTES: Final = 2 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    good: bool
    found: str
    mend: str = ""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "doctor",
        help="check this machine and say what to mend",
        epilog="example: yilian doctor --home /srv/yilian   (exit code 1 when something is wrong)",
    )
    add_home(verb)
    verb.add_argument("--kind", choices=list(NodeKind), default=NodeKind.COUNTY)
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look and return 0 when nothing has to be mended."""
    home = Home(arguments.home.absolute())
    kind = home.kind() or NodeKind(arguments.kind)
    findings = list(look(home, kind))
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'MEND'}  {finding.what}: {finding.found}")
            if not finding.good:
                print(f"      {finding.mend}")
    return 0 if all(finding.good for finding in findings) else 1


def look(home: Home, kind: NodeKind) -> Iterator[Finding]:
    """Yield what was found, one line each; changes nothing but a scratch file in the home."""
    yield Finding(
        "Python",
        sys.version_info >= (3, 11),
        platform.python_version(),
        "install Python 3.11 or newer and run `make setup` again",
    )
    place = home.root if home.root.exists() else home.root.parent
    free = shutil.disk_usage(place).free
    yield Finding(
        "free disk",
        free >= _MIN_FREE_BYTES,
        f"{free / 1e9:.1f} GB at {place}",
        "make room: below the reserve no image is accepted",
    )
    yield _flush(place)
    yield _memory()
    files = os.sysconf("SC_OPEN_MAX")
    yield Finding("open files", files >= _MIN_FILES, f"{files}", "raise the limit: ulimit -n 4096")
    yield _settings(home, kind)
    if kind is NodeKind.COUNTY:
        yield _redis()
    pages = ui_folder()
    yield Finding(
        "workstation pages", pages is not None, str(pages or "not built"), "run `make ui`"
    )


def _flush(place: Path) -> Finding:
    with tempfile.TemporaryFile(dir=place) as file:
        times: list[float] = []
        for _ in range(_FLUSHES):
            file.write(b"x" * 4096)
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    middle = sorted(times)[len(times) // 2]
    return Finding(
        "disk flush",
        middle <= _SLOW_FLUSH_S,
        f"{middle * 1000:.2f} ms",
        "the disk is slow or busy: each image waits for one flush; use an SSD",
    )


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Finding(
        "memory", total >= _MIN_MEMORY_BYTES, f"{total / 1e9:.1f} GB", "a node wants 2 GB at least"
    )


def _settings(home: Home, kind: NodeKind) -> Finding:
    try:
        settings = Settings.load(kind, file=home.settings_file)
    except PlatformError as exc:
        return Finding("settings", good=False, found="refused", mend=exc.detail)
    taken = [
        f"{name} {door.host}:{door.port}"
        for name, door in (("http", settings.http), ("dicom", settings.dicom))
        if _taken(door.host, door.port)
    ]
    return Finding(
        "ports",
        not taken,
        ", ".join(taken) + " in use" if taken else "free",
        "another program (or this node, running) listens there; or use --port-offset",
    )


def _taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _redis() -> Finding:
    try:
        return Finding("bundled Valkey", good=True, found=str(bundled_server().name))
    except PlatformError as exc:
        return Finding("bundled Valkey", good=False, found="none", mend=exc.detail)
