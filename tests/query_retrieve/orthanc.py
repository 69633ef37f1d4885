"""A running Orthanc, unmodified."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.demo.running import until
from tests.ports import free_port

ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
START_S = 20.0
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class Orthanc:
    """A running Orthanc that knows the archive as ``yilian``."""

    def __init__(self, url: str, dicom_port: int) -> None:
        self.url = url
        self.dicom_port = dicom_port

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data=data, timeout=20) as answer:
            return json.loads(answer.read())

    def fetch(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            body: bytes = answer.read()
        return body

    def answers(self) -> bool:
        try:
            self.call("/system")
        except urllib.error.URLError:
            return False
        return True

    def ask(self, level: str, **keys: str) -> list[dict[str, str]]:
        asked = self.call("/modalities/yilian/query", {"Level": level, "Query": keys})
        found: list[dict[str, str]] = self.call(f"{asked['Path']}/answers?expand&simplify")
        return found

    def retrieve(self, level: str, **keys: str) -> list[bytes]:
        """Find, have all that is found sent here, and return the files."""
        asked = self.call("/modalities/yilian/query", {"Level": level, "Query": keys})
        self.call(f"{asked['Path']}/retrieve", {"TargetAet": "VIEWER", "Synchronous": True})
        return [self.fetch(f"/instances/{one}/file") for one in self.call("/instances")]


@contextmanager
def running(
    folder: Path, archive: tuple[str, int], *, plugins: Sequence[str] = ()
) -> Iterator[Orthanc]:
    """Run one that knows *archive*, until the block ends."""
    port, dicom_port = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "DicomAet": "VIEWER",
        # It keeps answers in its own encoding, whatever they came in; Latin1 has no Chinese.
        "DefaultEncoding": "Utf8",
        "DicomPort": dicom_port,
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": list(plugins),
        "DicomModalities": {"yilian": ["YILIAN", *archive]},
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([ORTHANC or "", str(file)], stdout=log, stderr=log)
    try:
        orthanc = Orthanc(f"http://127.0.0.1:{port}", dicom_port)
        until(orthanc.answers, START_S, "Orthanc", alive=process)
        yield orthanc
    finally:
        process.terminate()
        process.wait(20)
