"""``/api/v1/orders/unread``: which orders the machine of the house that performs them lacks yet."""

from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from kernel.identity import Principal
from kernel.policy import Act as Duty, register_house, roles_for, sees_own_orders_only
from kernel.web import PRINCIPAL, describe, json_response, permit
from referrals.orders.counter import Counter
from referrals.orders.model import State
from referrals.orders.tables import orders

_READERS: Final = roles_for(Duty.READ_ORDERS)
_MAX: Final = 1000
_IN_MAX: Final = 500
_WISHED: Final = (State.ORDERED, State.CANCELLED)


class UnreadOrders(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that are here and not yet where they are performed; no patient is in it."""

    known: bool
    """False where nobody has to read them elsewhere: at a township, and for the county's own."""
    machine: bool
    """False where the house that performs them has no machine at the county: it sees no order made
    here until one is enrolled."""
    items: list[str]
    """Ids of the orders whose newest state the house's own machine has not read, newest first.

    Without a machine those that still wait to be done, or were cancelled."""


class UnreadDoor:
    """The one route."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def routes(self) -> list[web.RouteDef]:
        """Return it."""
        return [web.get("/api/v1/orders/unread", self.unread, allow_head=False)]

    @describe("Which orders the house's own machine has not read yet", answer=UnreadOrders)
    @permit(roles=_READERS)
    async def unread(self, request: web.Request) -> web.StreamResponse:
        """Answer for the register the asker works in, as far as they see its orders."""
        read = partial(self._unread, principal=request[PRINCIPAL])
        return json_response(await self._counter.database.read(read))

    def _unread(self, conn: sa.Connection, *, principal: Principal) -> UnreadOrders:
        house = register_house(principal)
        found = self._counter.unread(conn, house)
        if found is None:
            return UnreadOrders(known=False, machine=True, items=[])
        seen: list[str] = []
        # Ids begin with their time: the newest come first.
        wanted = sorted(found.ids, reverse=True)
        for at in range(0, len(wanted), _IN_MAX):
            columns = orders.c
            query = sa.select(columns.id).where(
                columns.id.in_(wanted[at : at + _IN_MAX]), columns.institution == house
            )
            if not found.machine:
                # What was performed was read there, by a machine that was let go since.
                query = query.where(columns.state.in_(_WISHED))
            if sees_own_orders_only(principal):
                query = query.where(columns.ordered_by == principal.username)
            seen += conn.scalars(query.order_by(columns.id.desc()))
            if len(seen) >= _MAX:
                break
        return UnreadOrders(known=True, machine=found.machine, items=seen[:_MAX])
