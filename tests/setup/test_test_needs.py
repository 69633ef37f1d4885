"""What the tests need of the system is installed where that is allowed, and named where not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import test_needs

Program = Callable[[str, str], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with a path of its own: `install`, `rm`, `env` and what a test puts there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("install", "rm", "env", "sh", "cat", "touch"):
        (programs / name).symlink_to(Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(test_needs, "POLICY", tmp_path / "policy")
    return tmp_path


@pytest.fixture
def program(machine: Path) -> Program:
    def put(name: str, script: str) -> None:
        path = machine / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put


def no_root() -> int:
    return 1000


def root() -> int:
    return 0


ONLY_DCMTK = "echo 'dcmtk installed'; echo 'orthanc config-files'; exit 1"
# Installs for good: what was asked for is there from then on.
APT = """echo "$*" >> {folder}/asked
[ -e {folder}/policy ] && echo held >> {folder}/asked
case "$*" in *install*) touch {folder}/done;; esac"""
ALL_ONCE_DONE = "[ -e {folder}/done ] && for p in {names}; do echo $p installed; done; true"


def test_without_rights_every_missing_package_is_named_with_what_is_skipped(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program("dpkg-query", ONLY_DCMTK)
    program("apt-get", "exit 100")
    program("sudo", "exit 1")
    monkeypatch.setattr(os, "geteuid", no_root)
    assert test_needs.main() == 0
    said = capsys.readouterr().err
    assert "dcmtk is not installed" not in said
    assert "orthanc is not installed; skipped: " in said
    assert "as root: apt-get install --no-install-recommends dicom3tools orthanc" in said


def test_root_installs_what_is_missing_and_starts_no_server(
    machine: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("dpkg-query", ALL_ONCE_DONE.format(folder=machine, names=" ".join(test_needs.NEEDS)))
    program("apt-get", APT.format(folder=machine))
    monkeypatch.setattr(os, "geteuid", root)
    assert test_needs.main() == 0
    asked = (machine / "asked").read_text("utf-8").splitlines()
    assert asked[0].endswith("install -q " + " ".join(test_needs.NEEDS))
    assert asked[1] == "held"
    assert not (machine / "policy").exists()
    assert test_needs.missing() == []


def test_a_policy_of_the_machine_is_left_as_it_is(
    machine: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "policy").write_text("theirs")
    program("dpkg-query", "true")
    program("apt-get", APT.format(folder=machine))
    monkeypatch.setattr(os, "geteuid", root)
    test_needs.main()
    assert (machine / "policy").read_text("utf-8") == "theirs"


def test_one_package_the_archive_lacks_keeps_no_other_back(
    machine: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("dpkg-query", "true")
    program("apt-get", f'echo "$*" >> {machine}/asked; case "$*" in *orthanc*) exit 100;; esac')
    monkeypatch.setattr(os, "geteuid", root)
    test_needs.main()
    asked = (machine / "asked").read_text("utf-8").splitlines()
    assert any(line.endswith("update -q") for line in asked)
    assert any(line.endswith("install -q strace") for line in asked)


def test_a_machine_without_dpkg_is_told_everything(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not (machine / "bin" / "dpkg-query").exists()
    monkeypatch.setattr(os, "geteuid", root)
    assert test_needs.main() == 0
    said = capsys.readouterr().err
    assert all(f"{package} is not installed" in said for package in test_needs.NEEDS)
