"""The two commands, and the ones beside them, are what the documents say."""

import os
import re
import subprocess

import pytest

from tests.setup.checkout import ROOT

NAMED_IN_DOCUMENTS = ["setup", "demo", "check", "test", "bench", "torture", "lock", "ui", "clean"]


def dry_run(target: str) -> str:
    """What make would run for *target*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    asked = ["make", "--dry-run", target]
    done = subprocess.run(asked, cwd=ROOT, env=kept, capture_output=True, text=True, check=True)
    return done.stdout


def test_continuous_integration_runs_exactly_make_test() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text("utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == ["set -e", 'cd "$(dirname "$0")/.."', "make test"]
    assert script.stat().st_mode & 0o111


def test_help_lists_every_target_people_use() -> None:
    asked = ["make", "--no-print-directory", "help"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(NAMED_IN_DOCUMENTS) <= set(re.findall(r"make ([a-z-]+)", said))


def test_the_demo_needs_no_test_package() -> None:
    plan = dry_run("demo")
    assert "bootstrap.py" in plan
    assert "--test" not in plan
    assert "test_needs" not in plan


@pytest.mark.parametrize(
    "part", ["ruff format --check", "ruff check", "mypy", "lint-imports", "--check", "-m pytest"]
)
def test_make_test_leaves_no_check_out(part: str) -> None:
    assert part in dry_run("test")


def test_make_test_leaves_out_only_timing_and_long_fault_runs() -> None:
    markers = re.findall(r'pytest .*-m "([^"]+)"', dry_run("test"))
    assert markers == [
        "not bench and not torture and not e2e",
        "e2e and not bench and not torture",
    ]
