"""How fast the line takes what is handed to it, of the time in which it was kept full. Pure."""

from collections import deque
from typing import Final, NamedTuple

_FILLING_S: Final = 1.0
"""What an upload hands over at first fills buffers on the way and says little of the line."""
_WINDOW_S: Final = 10.0
_FORGET_S: Final = 60.0
_LEAST_BYTES: Final = 64 * 1024
_TOGETHER_S: Final = 0.05
"""What goes out within this time is noted as one, so that a fast line makes no long lists."""


class _Taken(NamedTuple):
    at_s: float
    full_since_s: float
    size_bytes: int


class FullLine:
    """What went out while an upload was kept waiting by the line, never by an answer.

    A small upload is handed to buffers at once, and its answer comes a round trip later, however
    fast the line is. So an upload counts from a second after it began until its last byte is handed
    over; one that is over by then counts for nothing, and neither does a row of such.
    """

    def __init__(self) -> None:
        self._handing: dict[str, float] = {}
        self._taken: deque[_Taken] = deque()

    def begin(self, upload: str, now_s: float) -> None:
        """Note that bytes of *upload* are handed over from now on."""
        self._handing.setdefault(upload, now_s)

    def end(self, upload: str) -> None:
        """Note that all of *upload* is handed over, or that it left off. Safe to call twice."""
        self._handing.pop(upload, None)

    def took(self, count: int, now_s: float) -> bool:
        """Note that the line took *count* bytes; returns whether a new entry was made of it."""
        if not self._handing:
            return False
        since_s = min(self._handing.values())
        taken = self._taken
        if taken and now_s - taken[-1].at_s < _TOGETHER_S and taken[-1].full_since_s == since_s:
            taken[-1] = taken[-1]._replace(size_bytes=taken[-1].size_bytes + count)
            return False
        taken.append(_Taken(now_s, since_s, count))
        while taken[0].at_s < now_s - _FORGET_S:
            taken.popleft()
        return True

    def clear(self) -> None:
        """Forget what went out."""
        self._taken.clear()

    def bytes_per_s(
        self, now_s: float, *, least_s: float, since_s: float = float("-inf")
    ) -> float | None:
        """Return the rate of the last ten seconds that count, None where nothing of a minute does.

        Args:
            now_s: monotonic seconds.
            least_s: fewer seconds than these are too few to tell.
            since_s: what went out before, or within the first second after it, does not count.
        """
        count, span_s = 0, 0.0
        later: _Taken | None = None
        for one in reversed(self._taken):
            if one.at_s < max(since_s, now_s - _FORGET_S) or span_s >= _WINDOW_S:
                break
            if one.at_s < max(one.full_since_s, since_s) + _FILLING_S:
                later = None
                continue
            if later is not None and later.full_since_s == one.full_since_s:
                # Sockets take lumps: one is on the line until the next one goes.
                count += one.size_bytes
                span_s += later.at_s - one.at_s
            later = one
        return count / span_s if span_s >= least_s and count >= _LEAST_BYTES else None
