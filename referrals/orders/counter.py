"""What the doors of registering and ordering have in common: who asks, for what, and the trail."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from kernel.audit.trail import AuditEvent
from kernel.clock import Clock
from kernel.errors import Invalid
from kernel.policy import (
    Act as Duty,
    Subject,
    decide,
    register_house,
    require,
    sees_own_orders_only,
)
from kernel.sql.db import Database
from kernel.web import ADDRESS, PRINCIPAL, saw
from referrals.orders.ledger import By
from referrals.orders.model import State
from referrals.orders.numbers import Numbers
from referrals.orders.ports import Spellings, Unread, nobody_reads
from referrals.orders.search import PAGE_MAX, Narrow
from referrals.orders.service import OrderDesk


@dataclass(frozen=True, slots=True)
class Counter:
    """One node's desk and lists, as its doors reach them."""

    database: Database
    clock: Clock
    desk: OrderDesk
    numbers: Numbers
    spellings: Spellings
    centre: str = ""
    """Code of the institution that settles conflicts of all; empty where none does."""
    unread: Unread = nobody_reads

    def by(self, request: web.Request) -> By:
        """Return who asks."""
        who = request[PRINCIPAL]
        why = decide(who, Duty.READ_ORDERS, Subject(register_house(who))).reason
        return By(principal=who, address=request.get(ADDRESS, ""), reason=why)

    def limit(self, asked: int) -> int:
        """Return how many rows are asked for; raises ``Invalid`` outside 1 to 200."""
        if not 1 <= asked <= PAGE_MAX:
            raise Invalid(f"limit is 1 to {PAGE_MAX}", code="invalid-query")
        return asked

    def narrow(  # what a list may be narrowed by
        self,
        request: web.Request,
        *,
        q: str = "",
        date_from: dt.date | None,
        date_to: dt.date | None,
        patient: str = "",
        states: Sequence[State] = (),
    ) -> Narrow:
        """Return what a list of the register the asker works in is narrowed by.

        Raises:
            Invalid: the days are none that have one before and one after.
        """
        for day in (date_from, date_to):
            if day is not None and not dt.date.min < day < dt.date.max:
                raise Invalid("a day somebody can be examined on", code="invalid-query")
        typed, who = q.strip(), request[PRINCIPAL]
        return Narrow(
            institution=register_house(who),
            ordered_by=who.username if sees_own_orders_only(who) else "",
            typed=typed,
            folded=self.spellings.folded(typed),
            date_from=date_from,
            date_to=date_to,
            patient=patient,
            states=states,
        )

    async def looked_at(
        self,
        request: web.Request,
        subject: str,
        patient: str,
        *,
        reason: str = "",
        event: AuditEvent = AuditEvent.RECORD_SEEN,
    ) -> None:
        """Return once this look at one record is in the trail.

        Args:
            request: who looks.
            subject: what at.
            patient: whose it is.
            reason: why they may; empty to have it found for the register they work in.
            event: what kind of look.
        """
        who = request[PRINCIPAL]
        await saw(
            request,
            subject=subject,
            patient=patient,
            reason=reason or require(who, Duty.READ_ORDERS, Subject(register_house(who))).reason,
            event=event,
        )

    async def looked_at_list(self, request: web.Request, subject: str) -> None:
        """Return once it is in the trail that a list of people was searched."""
        await saw(request, subject=subject, patient="", reason="", event=AuditEvent.QUERIED)
