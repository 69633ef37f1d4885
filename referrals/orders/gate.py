"""The question asked before an examination is ordered: is there a result that would do?

Whoever knows of results answers it; this room asks in the transaction that orders.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import sqlalchemy as sa

from kernel.errors import Conflict
from referrals.orders.model import Order


class Outcome(StrEnum):
    """What the gate says."""

    ALLOW = "allow"
    """Order it."""
    ASK = "ask"
    """There is a result that would do: use it, or say why not."""
    NOT_CHECKED = "not-checked"
    """Nobody looked; it may be ordered, and the order says that nobody looked."""


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """The outcome, and all reasons for it."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()


class GateAsks(Conflict):
    """A result that would do was found; the order was not made."""

    code = "recognition-asks"


class OrderGate(Protocol):
    """Knows of earlier results."""

    def check(self, conn: sa.Connection, order: Order, now: dt.datetime) -> GateAnswer:
        """Return what speaks for or against *order*, which is not yet written."""
        ...


class UncheckedGate:
    """Stands where nothing knows of results: it says so, and holds nothing up."""

    def check(self, conn: sa.Connection, order: Order, now: dt.datetime) -> GateAnswer:
        """Return ``NOT_CHECKED``."""
        del conn, order, now
        return GateAnswer(Outcome.NOT_CHECKED, ("no-results-known-here",))
