"""Set-up as a newcomer meets it: a fresh clone, an empty home, only the system's programs."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.setup.checkout import ROOT

pytestmark = [pytest.mark.torture, pytest.mark.timeout(900)]

# What a machine may need to reach its package index; all else is taken away.
KEPT = ("_proxy", "_PROXY", "SSL_CERT_FILE", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")
SECOND_RUN_S = 5.0


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    there = tmp_path / "a folder of its own"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(there)], check=True)
    return there


def start(clone: Path, home: Path, target: str) -> subprocess.Popen[str]:
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name.endswith(KEPT)}
    return subprocess.Popen(
        ["make", target],
        cwd=clone,
        env={**kept, "HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(running: subprocess.Popen[str]) -> str:
    said, _ = running.communicate(timeout=600)
    assert running.returncode == 0, said
    return said


def test_two_makes_at_once_in_a_fresh_clone_both_succeed(clone: Path, tmp_path: Path) -> None:
    both = [start(clone, tmp_path / "home", "setup") for _ in range(2)]
    for running in both:
        finish(running)
    imports = "import kernel, pydicom, imagecodecs, uvloop"
    subprocess.run([clone / ".venv/bin/python", "-c", imports], cwd=tmp_path, check=True)


def test_a_second_set_up_finds_nothing_to_do(clone: Path, tmp_path: Path) -> None:
    finish(start(clone, tmp_path / "home", "setup"))
    started = time.monotonic()
    said = finish(start(clone, tmp_path / "home", "setup"))
    assert "installing" not in said
    assert time.monotonic() - started < SECOND_RUN_S


def test_a_clone_that_was_moved_mends_itself(clone: Path, tmp_path: Path) -> None:
    finish(start(clone, tmp_path / "home", "setup"))
    moved = clone.rename(tmp_path / "moved")
    finish(start(moved, tmp_path / "home", "setup"))
    asked = [str(moved / ".venv/bin/python"), "-c", "import kernel; print(kernel.__file__)"]
    found = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == moved / "kernel" / "__init__.py"


def test_set_up_leaves_nothing_git_would_see(clone: Path, tmp_path: Path) -> None:
    finish(start(clone, tmp_path / "home", "setup"))
    asked = ["git", "status", "--porcelain"]
    assert subprocess.run(asked, cwd=clone, capture_output=True, check=True).stdout == b""
