"""pynetdicom's AE as one would write it to be durable: fsync, rename, flush of the folder.

``python -m bench.peers.pynetdicom_ae PORT FOLDER`` runs it until it is ended.
"""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pynetdicom
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event

from bench.peers.county import ROOT
from bench.running import LOOPBACK, Program, free_port

_TITLE: Final = "PYNETDICOM"


class PynetdicomAE:
    """One such AE that writes into *folder*."""

    name = "pynetdicom"
    ae_title = _TITLE

    def __init__(self, folder: Path) -> None:
        self.home = folder / "pynetdicom"
        self.dicom_port = free_port()
        argv = [sys.executable, "-m", "bench.peers.pynetdicom_ae", str(self.dicom_port)]
        self.program = Program([*argv, str(self.home)], folder / "pynetdicom.log", folder=ROOT)

    @property
    def told(self) -> Mapping[str, str]:
        """Version and settings, for whoever reads the figures."""
        return {
            "version": f"pynetdicom {pynetdicom.__version__}",
            "settings": "TCP_NODELAY, encoded_dataset() written as it came, fsync + rename + "
            "fsync of the folder before the answer, max PDU 128 KiB, 64 associations; no index",
        }

    def start(self) -> None:
        """Return once its door answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.program.start()
        self.program.wait_port(self.dicom_port, "pynetdicom")

    def stored(self) -> int:
        """Return how many files there are."""
        return sum(1 for _ in self.home.glob("*.dcm"))

    def stop(self) -> None:
        """End it."""
        self.program.stop()


def _no_delay(event: Event) -> None:
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _serve(port: int, folder: Path) -> None:
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def store(event: Event) -> int:
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID)
        incoming = folder / f".{uid}.part"
        with incoming.open("wb") as file:
            file.write(event.encoded_dataset())
            file.flush()
            os.fsync(file.fileno())
        incoming.rename(folder / f"{uid}.dcm")
        os.fsync(folder_fd)
        return 0

    ae = AE(ae_title=_TITLE)
    ae.maximum_associations = 64
    ae.maximum_pdu_size = 131072
    ae.supported_contexts = AllStoragePresentationContexts
    ae.start_server(
        (LOOPBACK, port),
        block=True,
        evt_handlers=[(evt.EVT_C_STORE, store), (evt.EVT_CONN_OPEN, _no_delay)],
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
