"""Ports for servers a test starts, and for servers that are not there.

All that is given lies below the ports that Linux gives to those who connect, from 32,768 on: one of
these may be somebody's end of a connection by the time a server wants to listen there.
"""

import random
import socket
from collections.abc import Callable, Sequence
from typing import Final

import pytest

LAST: Final = 32_767
_FIRST: Final = 10_000
_CLAIMS: Final[list[socket.socket]] = []
"""One for each port this process was given; Linux lets them go when it ends."""


def free_port() -> int:
    """Return a port of the loopback address that is free, and given to no other test."""
    return drawn(lambda chance: [chance.randint(_FIRST, LAST)])[0]


def drawn(draw: Callable[[random.Random], Sequence[int]]) -> Sequence[int]:
    """Return the first of what is *drawn* whose ports are all free and given to nobody else."""
    chance = random.SystemRandom()
    for _ in range(200):
        ports = draw(chance)
        claims = [_claim(port) for port in ports if _is_free(port)]
        mine = [claim for claim in claims if claim is not None]
        if len(mine) == len(ports):
            _CLAIMS.extend(mine)
            return ports
        for claim in mine:
            claim.close()
    msg = "no free ports"
    raise RuntimeError(msg)


def _claim(port: int) -> socket.socket | None:
    """Return what keeps other test processes off *port*, which nobody listens on yet."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0yilian-tests-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture
def closed_port() -> int:
    """Return a port that refuses connections until the test has somebody listen there."""
    return free_port()
