"""What all acts that put something right share: who did it and why, and who must hear of it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive.model import STUDY_UPDATED
from imaging.archive.study_rows import reach_of, rows_of
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.errors import Invalid
from kernel.events import EventDraft, publish_all
from kernel.identity import Principal

STUDY_CORRECTED: Final = "study.corrected"
STUDY_REJECTED: Final = "study.rejected"
STUDY_DECIDED: Final = "study.decided"
REASON_LEAST, REASON_MOST = 2, 500


class ReasonMissing(Invalid):
    """Whoever puts something right says why."""

    code = "reason-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Whose hand does something, when and why."""

    user_id: str = ""
    username: str = ""
    name: str = ""
    """As people call them."""
    institution: str
    """Code of the institution they act for."""
    address: str = ""
    allowed: str = ""
    """Why they may (``kernel.policy.Decision.reason``), or which machine it was."""
    reason: str
    """Why they did it, in their words."""
    at: dt.datetime
    chain: str
    """Of the audit trail, the writing process's own."""


def hand_of(  # all that is written down about an act
    principal: Principal,
    *,
    address: str,
    allowed: str,
    reason: str,
    at: dt.datetime,
    chain: str,
) -> Hand:
    """Return the hand of *principal*; raises ``ReasonMissing`` for no reason or one too long."""
    why = " ".join(reason.split())
    if not REASON_LEAST <= len(why) <= REASON_MOST or not why.isprintable():
        raise ReasonMissing(f"say why, in {REASON_LEAST} to {REASON_MOST} characters")
    return Hand(
        user_id=principal.user_id,
        username=principal.username,
        name=principal.display_name,
        institution=principal.institution,
        address=address,
        allowed=allowed,
        reason=why,
        at=at,
        chain=chain,
    )


def write_down(
    conn: sa.Connection, hand: Hand, *, subject: str, patient: str, detail: Mapping[str, Any]
) -> None:
    """Add the act to the audit trail, in the transaction that does it."""
    entry = AuditEntry(
        at=hand.at,
        event=AuditEvent.CHANGED,
        user_id=hand.user_id,
        username=hand.username,
        institution=hand.institution,
        address=hand.address,
        subject=subject,
        patient=patient,
        reason=hand.allowed,
        detail=dict(detail),
    )
    record(conn, hand.chain, entry)


def tell(
    conn: sa.Connection,
    topic: str,
    told: Mapping[str, Any],
    *,
    study: int | None,
    institution: str,
    at: dt.datetime,
) -> None:
    """Publish *topic*, and what the study list shows of the study now; last in a transaction.

    Args:
        conn: the transaction.
        topic: what happened.
        told: its payload; no name of a patient is in it.
        study: row of the study; None where it has left the index.
        institution: whose it is.
        at: the present instant.
    """
    rows = [] if study is None else rows_of(conn, [study])
    given = [] if study is None else reach_of(conn, [study]).get(study, [])
    drafts = [EventDraft(topic, told, institution, given)]
    drafts += [
        EventDraft(STUDY_UPDATED, msgspec.to_builtins(row), institution, given) for row in rows
    ]
    publish_all(conn, drafts, at=at)
