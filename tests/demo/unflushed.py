"""A library to load before a program that makes every flush a lie: the trial's own control."""

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = """
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
int syncfs(int fd) { return 0; }
int sync_file_range(int fd, long long from, long long count, unsigned flags) { return 0; }
int msync(void *address, unsigned long length, int flags) { return 0; }
void sync(void) { }
"""


def library(folder: Path) -> Path:
    """Return the built library; skips the test where there is no compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("the control needs gcc")
    source, built = folder / "unflushed.c", folder / "unflushed.so"
    source.write_text(_SOURCE)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-fno-builtin", "-o", str(built), str(source)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return built
