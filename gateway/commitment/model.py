"""Commitment requests and verdicts as values, and when to look and to try again."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.commitment.machine import State
from gateway.dimse.ports import CommitmentResult, FailedReference, Reference
from kernel.dicom.status import Status
from kernel.journal.frames import Position


class Verdict(StrEnum):
    """What is known of one instance."""

    WAITING = "waiting"
    """It is here, but not yet where it is safe for good."""
    COMMITTED = "committed"
    NOT_HERE = "not-here"
    OTHER_CLASS = "other-class"
    """It is here, as an instance of another SOP class."""
    FAILED = "failed"
    """It is here and cannot go where it must; a person has to look."""
    DUPLICATE = "duplicate"
    """The peer uses one Transaction UID for two questions."""


REASONS: Final[Mapping[Verdict, Status]] = MappingProxyType(
    {
        Verdict.NOT_HERE: Status.NO_SUCH_SOP_INSTANCE,
        Verdict.OTHER_CLASS: Status.CLASS_INSTANCE_CONFLICT,
        Verdict.FAILED: Status.PROCESSING_FAILURE,
        Verdict.DUPLICATE: Status.DUPLICATE_TRANSACTION_UID,
    }
)
"""Failure Reason (0008,1197) of what is not committed (PS3.3 C.14.1.1)."""

NO_ADDRESS: Final = "no-callback-address"
"""Code of a report that cannot be given: the table of peers names no port of the peer."""
UNMARKED_FOR: Final = dt.timedelta(seconds=10)
"""How long an object that came before this process began may take to be filed."""
_LOOK_SHARE: Final = 0.05
_LOOK_FIRST: Final = dt.timedelta(seconds=0.25)
_LOOK_LAST: Final = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question of one peer.

    Attributes:
        id: ours; a Transaction UID is the peer's and may come twice.
        mark: how far the door's journal was when it was asked; what is not found once that is
            filed was never here. None where the door had taken nothing since it began.
        decided_at: when all was known, None before.
        failures: reports not taken, in a row.
    """

    id: str
    transaction_uid: str
    institution: str
    ae_title: str
    called_ae_title: str
    address: str
    state: State
    mark: Position | None
    asked_at: dt.datetime
    decided_at: dt.datetime | None = None
    failures: int = 0
    references: tuple[tuple[Reference, Verdict], ...] = field(default=(), repr=False)

    @property
    def result(self) -> CommitmentResult:
        """What the peer is to be told."""
        return CommitmentResult(
            transaction_uid=self.transaction_uid,
            committed=tuple(
                reference for reference, verdict in self.references if verdict not in REASONS
            ),
            failed=tuple(
                FailedReference(reference, REASONS[verdict])
                for reference, verdict in self.references
                if verdict in REASONS
            ),
        )


def is_final(verdict: Verdict, request: Request, *, caught_up: bool, now: dt.datetime) -> bool:
    """Whether *verdict* stays as it is.

    What is not found may still lie in the journal: it counts once the journal is filed as far as
    it was when the question came, or where that is not known, some seconds later.

    Args:
        verdict: what was found now.
        request: who asked, and when.
        caught_up: the journal is filed up to the request's mark; of no account without one.
        now: the present.
    """
    match verdict:
        case Verdict.WAITING:
            return False
        case Verdict.NOT_HERE | Verdict.OTHER_CLASS if request.mark is None:
            return now - request.asked_at >= UNMARKED_FOR
        case Verdict.NOT_HERE | Verdict.OTHER_CLASS:
            return caught_up
        case _:
            return True


def look_again_in(age: dt.timedelta) -> dt.timedelta:
    """Return when to look again at a request of *age*: after a twentieth of it.

    A quarter of a second at first, five minutes at most: thousands of requests that wait for a
    dead line cost next to nothing.
    """
    return min(max(age * _LOOK_SHARE, _LOOK_FIRST), _LOOK_LAST)


def all_known(verdicts: Iterable[Verdict]) -> bool:
    """Whether nothing waits any more."""
    return all(verdict is not Verdict.WAITING for verdict in verdicts)
