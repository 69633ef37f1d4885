"""Bring what only the tests need and no package index has: the peers we are tried against.

Debian packages, installed through apt when that is allowed (root, or sudo that asks for no
password). What is missing after that is named, and the tests that need it are skipped.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# Package -> what of the tests it is for.
NEEDS: Final = {
    "dcmtk": "DICOM conformance (storescu, echoscu, dcmdump)",
    "dicom3tools": "DICOM validation (dciodvfy)",
    "orthanc": "DICOM and DICOMweb against another archive",
    "orthanc-dicomweb": "DICOMweb against another archive",
    "postgresql": "the stores on PostgreSQL",
    "redis-server": "the event bus on another Redis",
    "chromium": "browser tests",
    "fonts-noto-cjk": "browser tests with Chinese text",
    "strace": "fault tests at system calls",
    "nginx-light": "the nodes behind nginx",
    "shellcheck": "the scripts that install and upgrade",
    "logrotate": "the rules for a node's log files",
}
POLICY: Final = Path("/usr/sbin/policy-rc.d")
APT: Final = ["apt-get", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600"]


def say(message: str) -> None:
    """Tell the person at the terminal."""
    print(f"test needs: {message}", file=sys.stderr, flush=True)


def missing() -> list[str]:
    """The packages of NEEDS that are not installed; all of them on a machine without dpkg."""
    if not shutil.which("dpkg-query"):
        return list(NEEDS)
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *NEEDS],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {
        line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")
    }
    return [package for package in NEEDS if package not in installed]


def rights() -> list[str] | None:
    """The prefix that makes a command run as root; None when we may not, or there is no apt."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if (
        sudo
        and not subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode
    ):
        return [sudo, "-n"]
    return None


def install(packages: Sequence[str], prefix: Sequence[str]) -> None:
    """Install what can be installed; a package the archive does not have keeps no other back."""
    quiet = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *APT]
    whole = [*quiet, "install", "-q", *packages]
    if not subprocess.run(whole, check=False).returncode:
        return
    subprocess.run([*quiet, "update", "-q"], check=False)
    if not subprocess.run(whole, check=False).returncode:
        return
    for package in packages:
        subprocess.run([*quiet, "install", "-q", package], check=False)


def install_without_starting(packages: Sequence[str], prefix: Sequence[str]) -> None:
    """Install, but let no package start its server: a developer's machine keeps its ports.

    The tests start their own servers on ports of their own.
    """
    if POLICY.exists():
        install(packages, prefix)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as policy:
        policy.write("#!/bin/sh\nexit 101\n")
        policy.flush()
        subprocess.run([*prefix, "install", "-m", "755", policy.name, str(POLICY)], check=True)
    try:
        install(packages, prefix)
    finally:
        subprocess.run([*prefix, "rm", "-f", str(POLICY)], check=True)


def main() -> int:
    """Install what is missing, or say what is; never fails, for the other tests can still run."""
    wanted = missing()
    if not wanted:
        return 0
    prefix = rights()
    if prefix is not None:
        say(f"installing {' '.join(wanted)}")
        install_without_starting(wanted, prefix)
        wanted = missing()
    for package in wanted:
        say(f"{package} is not installed; skipped: {NEEDS[package]}")
    if wanted:
        say(f"as root: apt-get install --no-install-recommends {' '.join(wanted)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
