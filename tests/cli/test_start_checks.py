"""A node that cannot work as it is set up says so in one line, before anything is started."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.process.child import EX_CONFIG
from kernel.settings import NodeKind, Settings, SettingsRefused
from yilian.wiring.files_named import check_files, with_absolute_files
from yilian.wiring.homes import Home

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "tls.cert_file": '[tls]\ncert_file = "gone.pem"\nkey_file = "gone.key"\n',
    "tls.client_ca_file": '[tls]\nclient_ca_file = "gone.pem"\n',
    "routing.rules": '[routing]\nrules = "gone.toml"\n',
    "township.token_file": '[township]\ntoken_file = "secrets/gone"\n',
    "township.county_ca_file": '[township]\ncounty_ca_file = "/nonexistent/gone.pem"\n',
}


def home_with(tmp_path: Path, settings: str) -> Home:
    home = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    home.settings_file.write_text(
        settings + "[http]\nport = 0\n[dicom]\nport = 0\ntls_port = 0\n", "utf-8"
    )
    return home


def start(home: Home) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "yilian", "county", "--home", str(home.root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


@pytest.mark.parametrize("setting", FILES)
def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path, setting: str) -> None:
    home = home_with(tmp_path, FILES[setting])
    with pytest.raises(SettingsRefused, match=f"^{setting}: .*gone.* is not there") as refused:
        check_files(home, Settings.load(NodeKind.COUNTY, file=home.settings_file))
    assert "take the key out of" in refused.value.detail


def test_files_that_are_there_but_useless_are_named(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[tls]\ncert_file = "a.pem"\nkey_file = "a.key"\n')
    for name in ("a.pem", "a.key"):
        (home.root / name).write_text("no PEM", "ascii")
    settings = Settings.load(NodeKind.COUNTY, file=home.settings_file)
    with pytest.raises(SettingsRefused, match=r"^tls.key_file: "):
        check_files(home, settings)
    home.settings_file.write_text('[routing]\nrules = "r.toml"\n', "utf-8")
    (home.root / "r.toml").write_text("[[rule]]\nnome = 1\n", "utf-8")
    with pytest.raises(SettingsRefused, match=r"(?s)routing.rules: .*line 2"):
        check_files(home, Settings.load(NodeKind.COUNTY, file=home.settings_file))
    home.settings_file.write_text('[township]\ncounty_public_key = "xyz"\n', "utf-8")
    with pytest.raises(SettingsRefused, match="64 hex digits"):
        check_files(home, Settings.load(NodeKind.COUNTY, file=home.settings_file))


def test_names_begin_at_the_home_folder(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[tls]\nclient_ca_file = "ca.pem"\n[log]\nfile = "logs/node.log"\n')
    settings = with_absolute_files(home, Settings.load(NodeKind.COUNTY, file=home.settings_file))
    assert settings.tls.client_ca_file == str(home.root / "ca.pem")
    assert settings.tls.cert_file == ""


def test_the_start_ends_at_once_and_prints_no_password(tmp_path: Path) -> None:
    ended = start(home_with(tmp_path, FILES["routing.rules"]))
    assert ended.returncode == EX_CONFIG
    assert "password" not in ended.stdout
    (line,) = [one for one in ended.stderr.splitlines() if not one.startswith("{")]
    assert line.startswith("yilian county: routing.rules: ")
    assert line.endswith("[settings-refused]")


def test_an_address_of_another_machine_is_said_to_be_one(tmp_path: Path) -> None:
    home = home_with(tmp_path, "")
    home.settings_file.write_text(
        '[http]\nhost = "192.0.2.7"\nport = 0\nallow_network = true\nallow_unencrypted = true\n',
        "utf-8",
    )
    ended = start(home)
    assert ended.returncode == 1
    assert "not-our-address" in ended.stderr
    assert "password" not in ended.stdout


def test_a_port_in_use_prints_no_password(tmp_path: Path) -> None:
    home = home_with(tmp_path, "")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        home.settings_file.write_text(f"[http]\nport = {taken.getsockname()[1]}\n", "utf-8")
        ended = start(home)
    assert ended.returncode == 1
    assert "port-in-use" in ended.stderr
    assert "password" not in ended.stdout
