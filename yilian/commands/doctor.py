"""``yilian doctor``: look at a machine and say what to mend."""

import argparse
import fcntl
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from kernel.clock import SystemClock
from kernel.errors import PlatformError
from kernel.process.valkey import bundled_server
from kernel.settings import NodeKind, Settings
from yilian.cli import program_version
from yilian.commands.nodes import add_home
from yilian.doctor.certificates import certificates, key_files
from yilian.doctor.county import county
from yilian.doctor.database import database
from yilian.doctor.finding import Finding
from yilian.doctor.running import running
from yilian.wiring.files_named import files_named
from yilian.wiring.homes import Home
from yilian.wiring.pairing import paired_settings
from yilian.wiring.shell import ui_folder

_MIN_FREE_BYTES: Final = 5 << 30
_SLOW_FLUSH_S: Final = 0.05
_FLUSHES: Final = 20
_MIN_FILES: Final = 1024
_RELEASED: Final = 2026
_MIN_MEMORY_BYTES: Final = 2 << 30


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "doctor",
        help="check this machine and say what to mend",
        epilog="example: yilian doctor --home /srv/yilian   (exit code 1 when something is wrong)",
    )
    add_home(verb)
    verb.add_argument(
        "--kind", choices=[kind.value for kind in NodeKind], default=NodeKind.COUNTY.value
    )
    verb.add_argument("--port-offset", type=int, default=0, metavar="N", help="as the node's")
    verb.add_argument("--json", action="store_true")
    verb.add_argument(
        "--running",
        action="store_true",
        help="only whether the node runs, with all its parts, as this very release",
    )
    verb.add_argument(
        "--within", type=float, default=0.0, metavar="S", help="with --running: ask for so long"
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look and return 0 when nothing has to be mended."""
    home = Home(arguments.home.absolute())
    kind = home.kind() or NodeKind(arguments.kind)
    offset = arguments.port_offset
    if arguments.running:
        settings = Settings.load(kind, file=home.settings_file, port_offset=offset)
        version, within_s = program_version(), arguments.within
        findings = [running(settings, version=version, within_s=within_s)]
    else:
        findings = list(look(home, kind, port_offset=offset))
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'MEND'}  {finding.what}: {finding.found}")
            if not finding.good:
                print(f"      {finding.mend}")
    return 0 if all(finding.good for finding in findings) else 1


def look(home: Home, kind: NodeKind, *, port_offset: int = 0) -> Iterator[Finding]:
    """Yield what was found, one line each; changes nothing but a scratch file in the home."""
    now = SystemClock().now()
    yield Finding(
        "home",
        home.kind() is not None,
        f"{home.kind() or 'no node'} at {home.root}",
        f"start one: yilian {kind} --home {home.root}",
    )
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
        f"make room: {_MIN_FREE_BYTES / 1e9:.1f} GB at least; below the reserve "
        "(journal.reserve_bytes) no image is accepted",
    )
    yield _flush(place)
    yield _memory()
    files = os.sysconf("SC_OPEN_MAX")
    yield Finding("open files", files >= _MIN_FILES, f"{files}", "raise the limit: ulimit -n 4096")
    try:
        loaded = Settings.load(kind, file=home.settings_file, port_offset=port_offset)
        settings = paired_settings(home, loaded)
    except PlatformError as exc:
        yield Finding("settings", good=False, found="refused", mend=exc.detail)
    else:
        yield _ports(home, settings)
        yield from _files_named(home, settings)
        yield from certificates(home, settings, now)
        yield from key_files(home, settings)
        yield from database(home, settings, now)
        if kind is NodeKind.TOWNSHIP:
            yield from county(home, settings, now)
    yield Finding(
        "clock",
        now.year >= _RELEASED,
        f"{now:%Y-%m-%d %H:%M} UTC",
        "set the clock, best by NTP: tokens, deadlines and the trail depend on it",
    )
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


def _ports(home: Home, settings: Settings) -> Finding:
    if _runs(home):
        return Finding("ports", good=True, found="the node is running")
    doors = [
        ("http", settings.http, settings.http.port),
        ("dicom", settings.dicom, settings.dicom.port),
    ]
    if settings.tls.on:
        doors.append(("dicom-tls", settings.dicom, settings.dicom.tls_port))
    if home.kind() is NodeKind.COUNTY:
        doors.append(("hl7", settings.hl7, settings.hl7.port))
        if settings.tls.on:
            doors.append(("hl7-tls", settings.hl7, settings.hl7.tls_port))
    taken = [f"{name} {door.host}:{port}" for name, door, port in doors if _taken(door.host, port)]
    return Finding(
        "ports",
        not taken,
        ", ".join(taken) + " in use" if taken else "free",
        "another program listens there: end it, or give the node another port or --port-offset",
    )


def _runs(home: Home) -> bool:
    """Return whether somebody holds the node's lock."""
    try:
        descriptor = os.open(home.root / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _files_named(home: Home, settings: Settings) -> Iterator[Finding]:
    for key, path, meaning in files_named(home, settings):
        readable = path.is_file() and os.access(path, os.R_OK)
        yield Finding(
            key, readable, str(path), f"the file is missing or cannot be read: put there {meaning}"
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
