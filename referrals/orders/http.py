"""``/api/v1/orders``, the day's worklist and the catalogue; with the patients, all of this room."""

from collections import Counter as Tally
from functools import partial
from typing import Final

import sqlalchemy as sa
from aiohttp import web

from kernel.errors import Invalid, Missing
from kernel.events import last_event_id
from kernel.identity import Principal
from kernel.policy import Act as Duty, register_house, roles_for
from kernel.web import (
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_ask,
    read_json,
    read_query,
    read_version,
)
from referrals.orders import store
from referrals.orders.asked import OrderChanges
from referrals.orders.bodies import (
    DayPage,
    DayQuery,
    ExaminationQuery,
    NumbersLeft,
    OrderBody,
    OrderPage,
    OrderQuery,
    ReasonBody,
    SettleBody,
)
from referrals.orders.counter import Counter
from referrals.orders.detail import OrderView, order_view
from referrals.orders.examination_terms import words_of
from referrals.orders.examinations import find_examinations
from referrals.orders.http_conflicts import ConflictsDoor
from referrals.orders.http_patients import PatientsDoor
from referrals.orders.http_unread import UnreadDoor
from referrals.orders.machine import Act
from referrals.orders.model import Examination, Order, OrderMissing, State
from referrals.orders.numbers import blocks_of
from referrals.orders.records import RecordKind
from referrals.orders.search import Place, list_orders
from referrals.orders.service import Seen
from referrals.orders.views import local_day, may_see, patient_number, rows_of_orders

_READERS: Final = roles_for(Duty.READ_ORDERS)
_ORDERERS: Final = roles_for(Duty.ORDER_EXAMINATION)
_PERFORMERS: Final = roles_for(Duty.PERFORM_EXAMINATION)
_PATH: Final = "/api/v1/orders"
_DAY_MAX: Final = 1000
_CATALOGUE_MAX: Final = 500


def routes(counter: Counter) -> list[web.RouteDef]:
    """Return every route of this room."""
    return [
        *PatientsDoor(counter).routes(),
        # Before the orders: its last word is no order's id.
        *UnreadDoor(counter).routes(),
        *OrdersDoor(counter).routes(),
        *ConflictsDoor(counter).routes(),
    ]


class OrdersDoor:
    """The routes of ordering."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{_PATH}/{{id}}"
        return [
            web.get(_PATH, self.listing, allow_head=False),
            web.post(_PATH, self.order),
            web.get(one, self.show, allow_head=False),
            web.patch(one, self.change),
            web.post(f"{one}/begin", self.begin),
            web.post(f"{one}/complete", self.complete),
            web.post(f"{one}/discontinue", self.discontinue),
            web.post(f"{one}/cancel", self.cancel),
            web.post(f"{one}/reorder", self.reorder),
            web.post(f"{one}/settle", self.settle),
            web.get("/api/v1/examinations", self.examinations, allow_head=False),
            web.get("/api/v1/worklist", self.worklist, allow_head=False),
        ]

    @describe("List orders, the latest planned first", query=OrderQuery, answer=OrderPage)
    @permit(roles=_READERS)
    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of the asker's institution's orders."""
        asked = read_query(request, OrderQuery)
        narrow = self._counter.narrow(
            request,
            q=asked.q,
            date_from=asked.date_from,
            date_to=asked.date_to,
            patient=asked.patient,
            states=_states(asked.state),
        )
        limit = self._counter.limit(asked.limit)
        before = Place.parse(asked.cursor) if asked.cursor else None
        await self._counter.looked_at_list(request, "orders")

        def read(conn: sa.Connection) -> OrderPage:
            last = last_event_id(conn)
            found = list_orders(conn, narrow, limit=limit + 1, before=before)
            more = len(found) > limit
            return OrderPage(
                items=rows_of_orders(conn, found[:limit]),
                next_cursor=Place.of(found[limit - 1]).text if more else None,
                last_event_id=last,
            )

        return json_response(await self._counter.database.read(read))

    @describe("Order an examination", body=OrderBody, answer=OrderView)
    @permit(roles=_ORDERERS)
    async def order(self, request: web.Request) -> web.StreamResponse:
        """201 with the order; somebody new is registered with it, or neither is written."""
        body = await read_json(request, OrderBody)
        if bool(body.patient) == (body.new_patient is not None):
            raise Invalid("send patient or new_patient, one of them", code="which-patient")
        by, ask = self._counter.by(request), read_ask(request, body)
        patient = body.new_patient or body.patient
        key = await self._counter.desk.order(by, patient, body.order, ask)
        return await self._answer(request, key, status=201)

    @describe("Show an order", answer=OrderView)
    @permit(roles=_READERS)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer one order; the look is in the audit trail before."""
        who = request[PRINCIPAL]
        key, number = await self._counter.database.read(
            partial(_find, key=request.match_info["id"], principal=who)
        )
        await self._counter.looked_at(request, f"order:{key}", number)
        return await self._answer(request, key)

    @describe("Change when, where, how urgently or why", body=OrderChanges, answer=OrderView)
    @permit(roles=_ORDERERS)
    async def change(self, request: web.Request) -> web.StreamResponse:
        """Answer the order as it then is."""
        body = await read_json(request, OrderChanges)
        by, ask, seen = self._counter.by(request), read_ask(request, body), _seen(request)
        return await self._answer(request, await self._counter.desk.change(by, seen, body, ask))

    @describe("Say that the examination has begun", body=ReasonBody, answer=OrderView)
    @permit(roles=_PERFORMERS)
    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Answer the order as it then is."""
        return await self._move(request, Act.BEGIN)

    @describe("Say that the examination is done", body=ReasonBody, answer=OrderView)
    @permit(roles=_PERFORMERS)
    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer the order as it then is."""
        return await self._move(request, Act.COMPLETE)

    @describe("Say that the examination was broken off, and why", body=ReasonBody, answer=OrderView)
    @permit(roles=_PERFORMERS)
    async def discontinue(self, request: web.Request) -> web.StreamResponse:
        """Answer the order as it then is."""
        return await self._move(request, Act.DISCONTINUE)

    @describe("Cancel an order before it has begun, and say why", body=ReasonBody, answer=OrderView)
    @permit(roles=_ORDERERS)
    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Answer the order as it then is."""
        return await self._move(request, Act.CANCEL)

    async def _move(self, request: web.Request, act: Act) -> web.StreamResponse:
        body = await read_json(request, ReasonBody)
        by, ask, seen = self._counter.by(request), read_ask(request, body), _seen(request)
        key = await self._counter.desk.move(by, seen, act, body.reason, ask)
        return await self._answer(request, key)

    @describe("Order the same again; answers the new order", answer=OrderView)
    @permit(roles=_ORDERERS)
    async def reorder(self, request: web.Request) -> web.StreamResponse:
        """201 with the new order."""
        by, ask = self._counter.by(request), read_ask(request)
        key = await self._counter.desk.reorder(by, _seen(request), ask)
        return await self._answer(request, key, status=201)

    @describe("Choose between versions in conflict", body=SettleBody, answer=OrderView)
    @permit(roles=roles_for(Duty.SETTLE_CONFLICT))
    async def settle(self, request: web.Request) -> web.StreamResponse:
        """Answer the order as it then is."""
        body = await read_json(request, SettleBody)
        by, ask, seen = self._counter.by(request), read_ask(request, body), _seen(request)
        key = await self._counter.desk.settle(by, RecordKind.ORDER, seen, body.keep, ask)
        return await self._answer(request, key)

    @describe("What can be examined here", query=ExaminationQuery, answer=list[Examination])
    @permit(roles=_READERS)
    async def examinations(self, request: web.Request) -> web.StreamResponse:
        """Answer the catalogue of the house the asker orders from, the nearest first."""
        words = words_of(read_query(request, ExaminationQuery).q, self._counter.spellings)
        institution = register_house(request[PRINCIPAL])
        found = await self._counter.database.read(
            lambda conn: find_examinations(conn, institution, words, limit=_CATALOGUE_MAX)
        )
        return json_response(found)

    @describe("One day's examinations, by time", query=DayQuery, answer=DayPage)
    @permit(roles=_READERS)
    async def worklist(self, request: web.Request) -> web.StreamResponse:
        """Answer the day, and whether there are numbers left to order with."""
        asked = read_query(request, DayQuery)
        day = asked.date or local_day(self._counter.clock.now())
        narrow = self._counter.narrow(request, date_from=day, date_to=day)
        await self._counter.looked_at_list(request, "worklist")

        def read(conn: sa.Connection) -> DayPage:
            last = last_event_id(conn)
            found = list_orders(conn, narrow, limit=_DAY_MAX + 1, before=None)
            rows = rows_of_orders(conn, found[:_DAY_MAX])[::-1]
            return DayPage(
                date=day,
                items=rows,
                counts=dict(Tally(row.state.value for row in rows)),
                more=len(found) > _DAY_MAX,
                accession_numbers=self._numbers(conn, narrow.institution),
                last_event_id=last,
            )

        return json_response(await self._counter.database.read(read))

    def _numbers(self, conn: sa.Connection, institution: str) -> NumbersLeft:
        numbers = self._counter.numbers
        left = sum(block.left for block in blocks_of(conn, institution, numbers.node))
        return NumbersLeft(left=left, can_order=numbers.allots or left > 0)

    async def _answer(
        self, request: web.Request, key: str, *, status: int = 200
    ) -> web.StreamResponse:
        def read(conn: sa.Connection) -> OrderView:
            order = store.find_order(conn, key)
            if order is None:
                raise Missing
            return order_view(conn, order, request[PRINCIPAL], now=self._counter.clock.now())

        view = await self._counter.database.read(read)
        headers = {"ETag": f'"{view.order.etag}"', "Location": f"{_PATH}/{key}"}
        return json_response(view, status=status, headers=headers)


def _seen(request: web.Request) -> Seen:
    return Seen(request.match_info["id"], read_version(request))


def _find(conn: sa.Connection, *, key: str, principal: Principal) -> tuple[str, str]:
    """Return the order's id and whose it is, for the trail."""
    found: Order | None = store.find_order(conn, key)
    if found is None or not may_see(found, principal):
        raise OrderMissing
    return found.id, patient_number(conn, found)


def _states(text: str) -> tuple[State, ...]:
    try:
        return tuple(State(word.strip()) for word in text.split(",") if word.strip())
    except ValueError as exc:
        raise Invalid("no state of an order", code="invalid-query") from exc
