"""DCMTK's storescp: files without any flush, no index."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.running import Program, free_port


class StoreScp:
    """One storescp that writes into *folder*."""

    name = "storescp"
    ae_title = "STORESCP"

    def __init__(self, folder: Path) -> None:
        self.home = folder / "storescp"
        self.dicom_port = free_port()
        self.program = Program(
            [
                *("storescp", "-q", "--fork", "-dhl", "-aet", self.ae_title, "-pdu", "131072"),
                *("-od", str(self.home), str(self.dicom_port)),
            ],
            folder / "storescp.log",
            environment={"TCP_NODELAY": "1"},
        )

    @property
    def told(self) -> Mapping[str, str]:
        """Version and settings, for whoever reads the figures."""
        first = subprocess.run(
            ["storescp", "--version"], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        return {
            "version": first[0].strip("$ ") if first else "unknown",
            "settings": "TCP_NODELAY=1, --fork -dhl -pdu 131072; nothing is flushed to the disk",
        }

    def start(self) -> None:
        """Return once its door answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.program.start()
        self.program.wait_port(self.dicom_port, "storescp")

    def stored(self) -> int:
        """Return how many files there are."""
        return sum(1 for _ in self.home.iterdir())

    def stop(self) -> None:
        """End it."""
        self.program.stop()
