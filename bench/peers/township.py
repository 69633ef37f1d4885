"""Yilian's township node, paired with a county of the comparison over a line."""

import json
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from bench.peers.county import ROOT, County
from bench.running import LOOPBACK, Program, free_port

INSTITUTION: Final = "bench-township"
_SETTINGS: Final = f"""\
[node]
institution = "{INSTITUTION}"
name = "Bench township"

[http]
port = {{http}}

[dicom]
port = {{dicom}}
admit_loopback = true

[township]
county_url = "http://{LOOPBACK}:{{line}}"
county_public_key = "{{key}}"
token_file = "secrets/county.token"

[log]
level = "warning"
"""


class Township:
    """One township node in *folder*, whose way to *county* is the line that listens on a port."""

    name = "yilian"
    ae_title = "YILIAN-TWP"

    def __init__(self, folder: Path, county: County) -> None:
        self.home = folder / "township"
        self.dicom_port = free_port()
        self.http_port = free_port()
        self.url = f"http://{LOOPBACK}:{self.http_port}"
        self._county = county
        self._token = ""
        self._ready_file = folder / "township.ready.json"
        self.program = Program(
            [
                *(sys.executable, "-m", "yilian", "township", "--home", str(self.home)),
                *("--ready-file", str(self._ready_file)),
            ],
            folder / "township.log",
            folder=ROOT,
        )

    def start(self, line_port: int) -> None:
        """Pair it and return once its doors answer; the county is up already."""
        self._pair(line_port)
        self._ready_file.unlink(missing_ok=True)
        self.program.start()
        self.program.wait_ready(self._ready_file.exists, "yilian township")
        self._admin(
            self.home,
            *("user", "add", "bench", "Bench", "--institution", INSTITUTION),
            *("--role", "technician", "--machine"),
        )
        self._token = self._admin(self.home, "token", "add", "bench", "--label", "bench")["token"]

    def _pair(self, line_port: int) -> None:
        there = self._county.home
        self._admin(
            there,
            *("institution", "add", INSTITUTION, "Bench township", "--kind", "township"),
        )
        self._admin(
            there,
            *("user", "add", "node-bench", "Node", "--institution", INSTITUTION),
            *("--role", "technician", "--machine"),
        )
        token = self._admin(there, "token", "add", "node-bench", "--label", "node")["token"]
        key = self._say(there, "key").strip()
        secrets = self.home / "secrets"
        secrets.mkdir(mode=0o700, parents=True)
        self.home.chmod(0o700)
        (secrets / "county.token").write_text(token, "ascii")
        (self.home / "yilian.toml").write_text(
            _SETTINGS.format(http=self.http_port, dicom=self.dicom_port, line=line_port, key=key),
            "utf-8",
        )

    @classmethod
    def _admin(cls, home: Path, *arguments: str) -> Any:
        return json.loads(cls._say(home, "--json", *arguments))

    @staticmethod
    def _say(home: Path, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "yilian", "admin", "--home", str(home), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def ask(self, path: str, body: object = None) -> Any:
        """Return the JSON it answers to GET *path*, or to POST with *body*."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def filed(self) -> tuple[int, int]:
        """Return how many instances the queue has, and the bytes they take as they are kept."""
        database = self.home / "db" / "yilian.sqlite"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
            found: tuple[int, int] = opened.execute(
                "SELECT count(*), coalesce(sum(size_bytes), 0) FROM township_instances"
            ).fetchone()
            return found

    def undelivered(self, study_instance_uid: str) -> int:
        """Return how many instances of a study the county has not receipted."""
        database = self.home / "db" / "yilian.sqlite"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
            found: int = opened.execute(
                "SELECT count(*) FROM township_instances"
                " WHERE study_instance_uid = ? AND state <> 'at-county'",
                (study_instance_uid,),
            ).fetchone()[0]
            return found

    def stop(self) -> None:
        """End it."""
        self.program.stop()
