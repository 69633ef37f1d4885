"""``closed_port``: a port where nobody listens, and that nothing else on the machine is given."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield the port; connections are refused until somebody who reuses addresses listens there.

    DCMTK does. A port that is merely found free may be another process's a moment later.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
