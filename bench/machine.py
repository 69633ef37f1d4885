"""What the figures were measured on."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil


def load() -> tuple[float, float, float]:
    """Return the load averages of 1, 5 and 15 minutes."""
    return os.getloadavg()


def described(folder: Path) -> Mapping[str, Any]:
    """Return processor, memory, system, and the file system *folder* is on."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return {
        "processor": found[1] if found else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "file_system": _file_system(folder.resolve()),
        "load_average": [round(each, 2) for each in load()],
    }


def _file_system(folder: Path) -> str:
    mounts = {each.mountpoint: each for each in psutil.disk_partitions(all=True)}
    for place in (folder, *folder.parents):
        if str(place) in mounts:
            return f"{mounts[str(place)].fstype} ({mounts[str(place)].opts})"
    return "unknown"
