"""The units hold what they promise, and systemd understands every line of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.service_manager import setting
from tests.setup.checkout import ROOT

UNITS = ROOT / "deploy/systemd"
SERVICES = sorted(UNITS.glob("*.service"))
NODES = [UNITS / "yilian-county.service", UNITS / "yilian-township.service"]
FILLED = {
    "PREFIX": "/opt/yilian",
    "HOME": "/srv/yilian",
    "USER": "daemon",
    "PORT_OFFSET": "0",
    "BACKUPS": "/var/backups/yilian",
}
WORST_EXPOSURE = 2.0
ENDS_WITHIN_S = 10
CLOSED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "RestrictNamespaces": "yes",
    "LimitCORE": "0",
    "UMask": "0077",
}


def filled(unit: Path) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda name: FILLED[name[1]], unit.read_text("utf-8"))


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that systemd takes for a machine with these units installed."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in UNITS.iterdir():
        (units / unit.name).write_text(filled(unit), "utf-8")
    for program in ("current/.venv/bin/yilian", "current/deploy/backup.sh"):
        path = tmp_path / "opt/yilian" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    for target in ("sysinit", "basic", "shutdown", "network-online", "time-sync", "timers"):
        (units / f"{target}.target").write_text("[Unit]\n")
    (tmp_path / "srv/yilian").mkdir(parents=True)
    return tmp_path


def analyze(*words: str) -> str:
    """What systemd says, without what it says of this machine."""
    done = subprocess.run(
        ["systemd-analyze", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("unit", sorted(UNITS.iterdir()), ids=lambda path: path.name)
def test_systemd_understands_every_line(machine: Path, unit: Path) -> None:
    said = analyze("verify", "--man=no", f"--root={machine}", unit.name)
    ours = [line for line in said.splitlines() if "yilian" in line and "not found" not in line]
    assert ours == []


def test_a_line_systemd_does_not_know_is_found(machine: Path) -> None:
    """The negative control."""
    name = "yilian-county.service"
    path = machine / "etc/systemd/system" / name
    path.write_text(path.read_text("utf-8").replace("UMask=", "UMaks="), "utf-8")
    assert "UMaks" in analyze("verify", "--man=no", f"--root={machine}", name)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.stem)
def test_the_exposure_that_systemd_counts_is_small(machine: Path, unit: Path) -> None:
    said = analyze("security", "--offline=yes", f"--root={machine}", unit.name)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert level, said
    assert float(level[1]) <= WORST_EXPOSURE


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.stem)
def test_every_service_is_closed(unit: Path) -> None:
    assert {name: setting(unit, name) for name in CLOSED} == CLOSED


@pytest.mark.parametrize("unit", NODES, ids=lambda path: path.stem)
def test_a_node_is_started_again_for_ever_but_not_with_settings_it_refuses(unit: Path) -> None:
    assert setting(unit, "Restart") == "always"
    assert setting(unit, "StartLimitIntervalSec") == "0"
    assert setting(unit, "RestartPreventExitStatus") == "78"
    assert setting(unit, "OOMPolicy") == "continue"
    assert int(setting(unit, "TimeoutStopSec")) > ENDS_WITHIN_S
    for bound in ("MemoryMax", "TasksMax", "LimitNOFILE", "WatchdogSec"):
        assert setting(unit, bound)


def test_the_copies_are_made_every_night(machine: Path) -> None:
    for timer in sorted(UNITS.glob("*.timer")):
        said = analyze("calendar", setting(timer, "OnCalendar"))
        assert "Next elapse" in said
        assert setting(timer, "Persistent") == "yes"
