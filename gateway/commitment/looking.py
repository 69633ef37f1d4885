"""One look at a request: what is known of its instances now, and whether that stays."""

import datetime as dt

import sqlalchemy as sa

from gateway.commitment.model import Request, Verdict, is_final
from gateway.commitment.ports import Committed
from gateway.dimse.ports import Reference


def final_verdicts(
    conn: sa.Connection, committed: Committed, request: Request, now: dt.datetime
) -> dict[Reference, Verdict]:
    """Return what is known of each open instance of *request*; ``WAITING`` may still change."""
    # First how far the journal is filed, then the look: never the other way round.
    caught_up = request.mark is not None and committed.caught_up(conn, request.mark)
    unknown = [one for one, verdict in request.references if verdict is Verdict.WAITING]
    found = committed.look(conn, unknown, request.institution)
    return {
        reference: verdict
        if is_final(verdict, request, caught_up=caught_up, now=now)
        else Verdict.WAITING
        for reference, verdict in zip(unknown, found, strict=True)
    }
