"""Debian's Orthanc with its DICOMweb plug-in."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.running import LOOPBACK, Program, free_port

_PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def orthanc_binary() -> str:
    """Return where Orthanc is.

    Raises:
        FileNotFoundError: not installed.
    """
    found = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if found is None:
        raise FileNotFoundError("Orthanc is not installed (Debian: orthanc, orthanc-dicomweb)")
    return found


class Orthanc:
    """One Orthanc in *folder*."""

    name = "orthanc"
    ae_title = "ORTHANC"

    def __init__(self, folder: Path) -> None:
        self.home = folder / "orthanc"
        self.dicom_port = free_port()
        self.http_port = free_port()
        self.root = f"http://{LOOPBACK}:{self.http_port}"
        self.url = self.root
        self.headers: dict[str, str] = {}
        self._settings_file = folder / "orthanc.json"
        self.program = Program(
            [orthanc_binary(), str(self._settings_file)],
            folder / "orthanc.log",
            environment={"TCP_NODELAY": "1"},
        )

    @property
    def settings(self) -> dict[str, object]:
        """What is not as Orthanc has it by itself."""
        return {
            "Name": "bench",
            "StorageDirectory": str(self.home),
            "IndexDirectory": str(self.home),
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomCheckCalledAet": False,
            "DicomThreadsCount": 16,
            "SyncStorageArea": True,
            "MaximumPduLength": 131072,
            "KeepAlive": True,
            "TcpNoDelay": True,
            "HttpThreadsCount": 16,
            "LimitFindResults": 0,
            "Plugins": [str(_PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": True},
        }

    @property
    def told(self) -> Mapping[str, str]:
        """Version and settings, for whoever reads the figures."""
        first = subprocess.run(
            [orthanc_binary(), "--version"], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        shown = {
            key: value
            for key, value in self.settings.items()
            if key in {"SyncStorageArea", "MaximumPduLength", "DicomThreadsCount", "KeepAlive"}
        }
        return {
            "version": first[0] if first else "unknown",
            "settings": f"TCP_NODELAY=1, {json.dumps(shown)}, SQLite index, no compression",
        }

    def start(self) -> None:
        """Return once its doors answer."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._settings_file.write_text(json.dumps(self.settings, indent=1), "utf-8")
        self.program.start()
        self.program.wait_port(self.http_port, "Orthanc (HTTP)")
        self.program.wait_port(self.dicom_port, "Orthanc (DICOM)")

    def stored(self) -> int:
        """Return how many instances it counts; it answers C-STORE after its index knows."""
        with urllib.request.urlopen(f"{self.root}/statistics", timeout=60) as answer:
            return int(json.loads(answer.read())["CountInstances"])

    def stop(self) -> None:
        """End it."""
        self.program.stop()
