"""How much of what went out had to be sent again, as Linux counts it for each connection."""

import socket
import struct
from collections import deque
from typing import Final

_TCP_INFO: Final = struct.Struct("=8x24I4Q6I")
"""The beginning of ``struct tcp_info`` (linux/tcp.h) up to tcpi_data_segs_out."""
_TOTAL_RETRANS: Final = 23
_DATA_SEGS_OUT: Final = 33
_CONNECTIONS: Final = 8
_SEGMENTS_LEAST: Final = 50


class TcpLosses:
    """Watches the latest connections to the county."""

    def __init__(self) -> None:
        self._watched: deque[socket.socket] = deque(maxlen=_CONNECTIONS)
        self._last: dict[socket.socket, tuple[int, int]] = {}

    def watch(self, sock: socket.socket) -> None:
        """Count *sock* in from now on, for as long as it is open and among the latest."""
        self._watched.append(sock)
        self._last = {one: seen for one, seen in self._last.items() if one in self._watched}

    def share(self) -> float:
        """Return segments sent again of all that carried data, 0 to 1; 0 where too few did."""
        for sock in self._watched:
            seen = _segments(sock)
            if seen is not None:
                self._last[sock] = seen
        again = sum(retransmitted for retransmitted, _ in self._last.values())
        sent = sum(segments for _, segments in self._last.values())
        return min(again / sent, 1.0) if sent >= _SEGMENTS_LEAST else 0.0


def _segments(sock: socket.socket) -> tuple[int, int] | None:
    """Return how many segments were sent again and how many carried data, None once it is shut."""
    if sock.fileno() < 0:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return None
    if len(raw) < _TCP_INFO.size:  # a kernel before 4.6
        return None
    fields = _TCP_INFO.unpack(raw)
    return fields[_TOTAL_RETRANS], fields[_DATA_SEGS_OUT]
