"""How many connections and associations there may be, so that nobody can take all places.

A connection that has not asked for an association costs the peer nothing, so when there are too
many of those the oldest goes, not the newest: whoever means it asks within a round trip.
Associations are never put out for others; there the newcomer is rejected.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.dimse.reject import LOCAL_LIMIT_EXCEEDED, TEMPORARY_CONGESTION, RejectReason
from gateway.dimse.settings import AcceptorSettings
from kernel.identifiers import AETitle

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class _Seat:
    address: str
    calling: AETitle


class Occupancy(Generic[K]):
    """Counts connections by address, and associations by address and by AE title."""

    def __init__(self, settings: AcceptorSettings) -> None:
        """Count against the limits in *settings*."""
        self._settings = settings
        self._pending: dict[str, dict[K, None]] = {}
        """By address, and in each the oldest first; all of them are in ``_waiting`` too."""
        self._waiting: dict[K, str] = {}
        self._seats: dict[K, _Seat] = {}
        self._by_address: Counter[str] = Counter()
        self._by_title: Counter[AETitle] = Counter()

    @property
    def pending(self) -> int:
        """Connections without an association: not asked for yet, rejected, or over."""
        return len(self._waiting)

    @property
    def associations(self) -> int:
        """Associations that are open."""
        return len(self._seats)

    def arrived(self, key: K, address: str) -> K | None:
        """Count the connection *key*, and return which has to go for it, if any.

        That one is not counted any more. It is *key* itself only when every place is taken by an
        association.
        """
        of_address = self._pending.get(address, {})
        victim: K | None = None
        if len(of_address) >= self._settings.pending_per_address:
            victim = next(iter(of_address))
        elif len(self._waiting) + len(self._seats) >= self._settings.max_connections:
            victim = next(iter(self._waiting), key)
        if victim is not None and victim != key:
            self._forget_pending(victim)
        if victim != key:
            self._pending.setdefault(address, {})[key] = None
            self._waiting[key] = address
        return victim

    def seated(self, key: K, calling: AETitle, *, max_of_title: int) -> RejectReason | None:
        """Count *key* as an association of *calling*, or return why there is no place for it.

        Args:
            key: a connection that arrived and has not left.
            calling: its AE title.
            max_of_title: how many associations that title may have.
        """
        address = self._waiting.get(key)
        if address is None:
            return LOCAL_LIMIT_EXCEEDED  # put out for another at this very moment
        if len(self._seats) >= self._settings.max_associations:
            return TEMPORARY_CONGESTION
        if (
            self._by_title[calling] >= max_of_title
            or self._by_address[address] >= self._settings.associations_per_address
        ):
            return LOCAL_LIMIT_EXCEEDED
        self._forget_pending(key)
        self._seats[key] = _Seat(address, calling)
        self._by_address[address] += 1
        self._by_title[calling] += 1
        return None

    def stood_up(self, key: K) -> None:
        """Count *key* as a mere connection again: its association is over, its peer still there.

        Does nothing when *key* has no seat.
        """
        seat = self._give_back(key)
        if seat is not None:
            self._pending.setdefault(seat.address, {})[key] = None
            self._waiting[key] = seat.address

    def left(self, key: K) -> None:
        """Forget *key*, however far it came; does nothing when it is not counted."""
        if key in self._waiting:
            self._forget_pending(key)
        else:
            self._give_back(key)

    def _give_back(self, key: K) -> _Seat | None:
        seat = self._seats.pop(key, None)
        if seat is not None:
            _less(self._by_address, seat.address)
            _less(self._by_title, seat.calling)
        return seat

    def _forget_pending(self, key: K) -> None:
        address = self._waiting.pop(key)
        of_address = self._pending[address]
        del of_address[key]
        if not of_address:
            del self._pending[address]


C = TypeVar("C")


def _less(counter: Counter[C], of: C) -> None:
    counter[of] -= 1
    if not counter[of]:
        del counter[of]
