"""What a comparison needs of a server, whichever it is."""

from collections.abc import Mapping
from typing import Protocol

from bench.running import Program


class StoreServer(Protocol):
    """A server that takes objects by C-STORE."""

    name: str
    ae_title: str
    dicom_port: int
    program: Program

    @property
    def told(self) -> Mapping[str, str]:
        """Version and settings, for whoever reads the figures."""
        ...

    def start(self) -> None:
        """Return once its doors answer."""
        ...

    def stored(self) -> int:
        """Return how many instances can be found in it now, at no cost to its own processes."""
        ...

    def stop(self) -> None:
        """End it."""
        ...
