"""Yilian's county, with all its roles as processes of their own."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from bench.running import LOOPBACK, Program, free_port

ROOT: Final = Path(__file__).resolve().parents[2]
INSTITUTION: Final = "bench-county"
_SETTINGS: Final = f"""\
[node]
institution = "{INSTITUTION}"
name = "Bench county"

[http]
port = {{http}}

[dicom]
port = {{dicom}}
admit_loopback = true

[hl7]
port = {{hl7}}

[log]
level = "warning"
"""


class County:
    """One county in *folder*; ``token`` opens its HTTP door once it is started."""

    name = "yilian"
    ae_title = "YILIAN"

    def __init__(self, folder: Path) -> None:
        self.home = folder / "yilian"
        self.dicom_port = free_port()
        self.http_port = free_port()
        self.hl7_port = free_port()
        self.url = f"http://{LOOPBACK}:{self.http_port}"
        self.token = ""
        self._ready_file = folder / "yilian.ready.json"
        self.program = Program(
            [
                *(sys.executable, "-m", "yilian", "county", "--home", str(self.home)),
                *("--ready-file", str(self._ready_file)),
            ],
            folder / "yilian.log",
            folder=ROOT,
        )

    @property
    def told(self) -> Mapping[str, str]:
        """Version and settings, for whoever reads the figures."""
        version = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        return {
            "version": version or "unknown",
            "settings": "defaults: journal with fdatasync before each answer, SQLite "
            "synchronous=FULL, max PDU 128 KiB; logs at warning",
        }

    def start(self) -> None:
        """Return once its doors answer and there is a token."""
        self.prepare()
        self._ready_file.unlink(missing_ok=True)
        self.program.start()
        self.program.wait_ready(self._ready_file.exists, "yilian county")
        if not self.token:
            self._admin(
                "user",
                "add",
                "bench",
                "Bench",
                *("--institution", INSTITUTION),
                *("--role", "radiologist", "--role", "technician"),
                "--machine",
            )
            self.token = self._admin("token", "add", "bench", "--label", "bench")["token"]

    def prepare(self) -> None:
        """Make the home with its settings, without starting anything."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = self.home / "yilian.toml"
        if not settings.exists():
            settings.write_text(
                _SETTINGS.format(http=self.http_port, dicom=self.dicom_port, hl7=self.hl7_port),
                "utf-8",
            )

    def _admin(self, *arguments: str) -> Any:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "yilian",
                "admin",
                "--home",
                str(self.home),
                "--json",
                *arguments,
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ},
        )
        return json.loads(done.stdout)

    @property
    def headers(self) -> dict[str, str]:
        """What every request to the HTTP door carries."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def database(self) -> Path:
        """The index."""
        return self.home / "db" / "yilian.sqlite"

    def stored(self) -> int:
        """Return how many instances the index lists, read from its file."""
        return self._count("instance")

    def series_ready(self) -> int:
        """Return of how many series the metadata has been made ahead."""
        return self._count("series_metadata")

    def _count(self, table: str) -> int:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as opened:
            query = {
                "instance": "SELECT count(*) FROM instance",
                "series_metadata": "SELECT count(*) FROM series_metadata",
            }[table]
            found: int = opened.execute(query).fetchone()[0]
            return found

    def stop(self) -> None:
        """End it."""
        self.program.stop()
