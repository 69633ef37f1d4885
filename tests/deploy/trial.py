"""A machine that is only a folder: installed by install.sh --root, run by a stand-in of systemd."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.setup.checkout import ROOT

VERSION: Final = "0.9.1"
_MANAGER: Final = Path(__file__).with_name("service_manager.py")
_WITHIN_S: Final = 110


@dataclass(frozen=True, slots=True)
class Trial:
    """One installation below *root*."""

    root: Path
    role: str
    offset: int

    @property
    def home(self) -> Path:
        """The node's home."""
        return self.root / "srv/yilian"

    @property
    def prefix(self) -> Path:
        """Where programs are."""
        return self.root / "opt/yilian"

    @property
    def unit(self) -> str:
        """The node's unit."""
        return f"yilian-{self.role}.service"

    @property
    def http_port(self) -> int:
        """The port of the HTTP door."""
        return self.offset + (8080 if self.role == "county" else 8090)

    @property
    def dicom_door(self) -> dict[str, object]:
        """The DICOM door, as a ready file says it."""
        port, title = (11112, "YILIAN") if self.role == "county" else (11113, "YILIAN-TWP")
        return {"host": "127.0.0.1", "port": port + self.offset, "ae_title": title}

    def install(self, *words: str) -> str:
        """Run install.sh and return what it said."""
        who = ("--institution", "county-hospital", "--name", "县人民医院")
        return self._run(
            ROOT / "deploy/install.sh",
            *("--role", self.role, "--root", str(self.root), "--version", VERSION),
            *("--packages", sys.prefix, "--ui", "none", "--port-offset", str(self.offset)),
            *(who if self.role == "county" else ()),
            *words,
        )

    def upgrade(self, version: str, *words: str, tree: Path = ROOT, code: int = 0) -> str:
        """Run the upgrade.sh of *tree* and return what it said."""
        return self._run(
            tree / "deploy/upgrade.sh",
            *("--root", str(self.root), "--version", version, "--ui", "none"),
            *("--service", str(self.service), *words),
            code=code,
        )

    @property
    def service(self) -> Path:
        """The program that stands in for systemctl."""
        program = self.root / "systemctl"
        if not program.exists():
            words = f"{sys.executable} -I {_MANAGER} {self.root}"
            program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
            program.chmod(0o755)
        return program

    def systemctl(self, act: str) -> int:
        """Ask the stand-in for something about the node's unit."""
        return subprocess.run([self.service, act, self.unit], check=False, timeout=60).returncode

    def yilian(self, *words: str, code: int = 0) -> str:
        """Run the installed program's command line on the home."""
        program = str(self.prefix / "current/.venv/bin/yilian")
        verb = [*words, "--home", str(self.home)]
        if words[0] == "admin":
            verb = ["admin", "--home", str(self.home), *words[1:]]
        return self._run(Path(program), *verb, code=code)

    def started(self) -> None:
        """Start the unit and return once this very release answers with all its parts."""
        assert self.systemctl("start") == 0
        self.answers()

    def answers(self) -> str:
        """Return what the doctor says of the running node; fails where it is not well."""
        words = ("--running", "--within", "60", "--port-offset", str(self.offset))
        return self.yilian("doctor", *words)

    def set(self, section: str, line: str) -> None:
        """Write *line* into *section* of the settings."""
        file = self.home / "yilian.toml"
        text = file.read_text("utf-8")
        assert f"[{section}]\n" in text
        file.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{line}\n"), "utf-8")

    def copy_of_tree(self, to: Path) -> Path:
        """A tree of its own, made from the installed release; upgrade.sh may be run from it."""
        release = (self.prefix / "current").resolve()
        leave = shutil.ignore_patterns(".venv", "__pycache__", ".complete", "VERSION")
        shutil.copytree(release, to, ignore=leave)
        return to

    def log(self) -> str:
        """What the unit has printed."""
        return (self.root / f"{self.unit}.log").read_text("utf-8")

    def _run(self, program: Path, *words: str, code: int = 0) -> str:
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        done = subprocess.run(
            [program, *words],
            cwd="/",
            env={**environment, "LC_ALL": "C.UTF-8", "PYTHON": os.path.realpath(sys.executable)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_WITHIN_S,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


def skip_without_packages() -> None:
    """Skip where the environment of the tests was made from another lock: nothing is fetched."""
    words = [sys.executable, "-S", "-I", "-c", _SAME_LOCK, str(ROOT), sys.prefix]
    if subprocess.run(words, check=False).returncode:
        pytest.skip("the packages were made from another lock: run make setup")


_SAME_LOCK: Final = """
import sys
sys.path.insert(0, sys.argv[1] + "/tools")
import bootstrap, pathlib
found = bootstrap.found_stamp(pathlib.Path(sys.argv[2])).get("runtime")
sys.exit(found != bootstrap.wanted_stamp("runtime")["runtime"])
"""


def printed(said: str, name: str) -> str:
    """The value a verb printed after *name*."""
    found = re.search(rf"{re.escape(name)}:\s*(\S+)", said)
    assert found, said
    return found[1]
