"""Installing: whole, repeatable, nothing of the administrator's written over, nothing open."""

import datetime as dt
import re
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.township.clinic_hours import ClinicHours
from kernel.settings import NodeKind, Settings
from tests.deploy.trial import VERSION, Trial
from tests.setup.checkout import ROOT

pytestmark = pytest.mark.timeout(120)

SCRIPTS = sorted((ROOT / "deploy").glob("*.sh"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything(root: Path) -> dict[str, bytes]:
    """Every file outside the packages, with its content; links as where they point."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if "/.venv/" in name or "__pycache__" in name:
            continue
        if path.is_symlink():
            found[name] = str(path.readlink()).encode()
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    said = Trial(tmp_path / "machine", "county", 0).install("--dry-run")
    assert "would: make release" in said
    assert not (tmp_path / "machine").exists()


def test_a_second_run_changes_nothing_and_leaves_what_was_changed(township: Trial) -> None:
    township.set("http", "# ours")
    nginx = township.root / "etc/yilian/township-nginx.conf"
    nginx.write_text(nginx.read_text("utf-8") + "# ours, too\n", "utf-8")
    before = everything(township.root)
    assert "wrote" not in township.install()
    assert everything(township.root) == before


def test_nothing_of_it_is_open_to_others(county: Trial) -> None:
    assert mode(county.home) == 0o700
    assert mode(county.home / "yilian.toml") == 0o600
    release = county.prefix / "releases" / VERSION
    assert (county.prefix / "current").resolve() == release
    writable = [
        path
        for path in release.rglob("*")
        if not path.is_symlink() and mode(path) & 0o022 and ".venv" not in path.parts
    ]
    assert writable == []
    assert mode(release / "deploy/upgrade.sh") & 0o055 == 0o055


@pytest.mark.parametrize("role", ["county", "township"])
def test_the_settings_it_writes_are_taken_and_open_nothing(
    role: str, request: pytest.FixtureRequest
) -> None:
    trial = request.getfixturevalue(role)
    settings = Settings.load(NodeKind(role), file=trial.home / "yilian.toml", environ={})
    assert settings.http.host == settings.dicom.host == "127.0.0.1"
    assert settings.http.public_origins == ("https://yilian.example",)
    assert "@" not in re.sub(r"postgresql://yilian@", "", (trial.home / "yilian.toml").read_text())
    # Every line with a # in front must be a setting, too, should somebody take it away.
    lines = (trial.home / "yilian.toml").read_text("utf-8").splitlines()
    opened = [re.sub(r"^# (?=[a-z_]+ = )", "", line) for line in lines]
    opened = [line for line in opened if not re.match(r"(url|rules) = ", line)]
    changed = trial.root / "opened.toml"
    kept: dict[str, str] = {}
    for number, line in enumerate(opened):
        name = line.partition(" =")[0] if " = " in line and line[0] != "#" else f"{number}"
        kept[f"{sum(1 for one in opened[:number] if one[:1] == '[')}.{name}"] = line
    changed.write_text("\n".join(kept.values()), "utf-8")
    Settings.load(NodeKind(role), file=changed, environ={})


def test_a_township_leaves_the_clinic_half_the_line_in_its_hours_out_of_the_box(
    township: Trial,
) -> None:
    settings = Settings.load(NodeKind.TOWNSHIP, file=township.home / "yilian.toml", environ={})
    hours = ClinicHours.parse(settings.line.clinic_hours)
    day = dt.datetime(2026, 5, 12)  # noqa: DTZ001  # a Tuesday by the clinic's clock
    assert hours.hold(day.replace(hour=9))
    assert hours.hold(day.replace(hour=15))
    assert not hours.hold(day.replace(hour=13))
    assert not hours.hold(day.replace(hour=20))
    assert settings.line.share_in_clinic_hours == 0.5
    assert settings.township.commitment == "county"
    text = (township.home / "yilian.toml").read_text("utf-8")
    assert '# commitment = "county"' in text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--role", "village"], "--role"),
        (["--home", "relative"], "whole path"),
        (["--home", "/srv/a;b"], "only letters"),
        (["--home", "/home/yilian"], "may not lie"),
        (["--user", "a b"], "only letters"),
        (["--name", 'x"\nport = 1'], "--name"),
        (["--institution", "a.b"], "--institution"),
        (["--port-offset", "x"], "number"),
        (["--version", "1 2"], "only letters"),
        (["--version", "../1"], "--version"),
        (["--wrong", "x"], "unknown option"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    tmp_path: Path, words: list[str], reason: str
) -> None:
    root = tmp_path / "machine"
    asked = ["--role", "county", "--institution", "c", "--root", str(root), *words]
    done = subprocess.run(
        [ROOT / "deploy/install.sh", *asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert reason in done.stderr
    assert not root.exists()


def test_the_installed_township_starts_as_its_unit_says_and_tells_when_it_is_ready(
    township: Trial,
) -> None:
    said = township.yilian("township", "--prepare", "--port-offset", str(township.offset))
    assert "shown this once" in said
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        # Short, for such an address may have 107 bytes.
        manager.bind("")
        manager.settimeout(60)
        address = f"@{manager.getsockname()[1:].decode()}"
        program = township.prefix / "current/.venv/bin/yilian"
        words = ["township", "--home", str(township.home), "--port-offset", str(township.offset)]
        environment = {
            "PATH": "/usr/bin:/bin",
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": "2000000",
        }
        with subprocess.Popen([program, *words], cwd="/", env=environment) as node:
            assert manager.recv(100) == b"READY=1"
            assert VERSION in township.answers()
            assert manager.recv(100) == b"WATCHDOG=1"
            node.terminate()
            while (heard := manager.recv(100)) == b"WATCHDOG=1":
                pass
            assert heard == b"STOPPING=1"
            assert node.wait(15) == 0


def test_the_nightly_copy_becomes_a_node_again_and_old_copies_go(township: Trial) -> None:
    township.yilian("township", "--prepare")
    backups = township.root / "var/backups/yilian/township"
    databases = backups / "databases"
    databases.mkdir()
    for old in range(3):
        (databases / f"2020010{old}T000000Z.sqlite").touch()
    words = ["--home", str(township.home), "--to", str(backups), "--keep", "2"]
    program = township.prefix / "current/deploy/backup.sh"
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
    assert len(list(databases.iterdir())) == 2
    words[-1] = "1"
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
    assert len(list(databases.iterdir())) == 1
    assert not list(databases.glob("2020*"))
    assert all(mode(path) & 0o077 == 0 for path in [backups / "node", *databases.iterdir()])
    shutil.move(township.home, township.root / "lost")
    township.yilian("db", "restore", "--from", str(backups / "node"))
    assert (township.home / "node.kind").read_text() == "township"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_clean_to_shellcheck(script: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        ["shellcheck", "-x", "-P", ROOT, script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
