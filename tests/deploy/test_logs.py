"""What lies in a node's folder of logs is turned over, and logrotate understands how."""

import pwd
import re
import shutil
import subprocess
from os import geteuid
from pathlib import Path

import pytest

from tests.setup.checkout import ROOT

TEMPLATE = ROOT / "deploy/logs/logrotate"


def run(folder: Path, *options: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Let logrotate act by the template, filled in for a home in *folder*."""
    program = shutil.which("logrotate", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        pytest.skip("logrotate is not installed")
    filled = {"ROLE": "county", "HOME": str(folder), "USER": pwd.getpwuid(geteuid()).pw_name}
    rules = folder / "rules"
    text = text or re.sub(r"@([A-Z]+)@", lambda name: filled[name[1]], TEMPLATE.read_text("utf-8"))
    rules.write_text(text, "utf-8")
    rules.chmod(0o644)
    return subprocess.run(
        [program, *options, "--state", folder / "state", rules],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_logrotate_understands_every_line(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/redis.log").write_text("x\n")
    done = run(tmp_path, "--debug")
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower()
    assert f"considering log {tmp_path}/logs/redis.log" in done.stderr


def test_a_line_it_does_not_know_is_found(tmp_path: Path) -> None:
    """The negative control."""
    done = run(tmp_path, "--debug", text=f"{tmp_path}/*.log {{\n  weekly\n  keepp 3\n}}\n")
    assert "keepp" in done.stderr


def test_a_file_that_is_kept_open_goes_on_and_what_it_held_is_kept(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o700)
    with (logs / "redis.log").open("a") as kept:
        kept.write("before\n")
        kept.flush()
        done = run(tmp_path, "--force")
        assert done.returncode == 0, done.stderr
        kept.write("after\n")
    assert (logs / "redis.log").read_text() == "after\n"
    (old,) = logs.glob("redis.log-*")
    assert old.read_text() == "before\n"
