"""``/api/v1/events``: what happened, as it happens, to those who may know.

One task per process follows the outbox and keeps the newest events in a ring; every open stream
reads from the ring, or from the database where it is further behind, so that nothing is queued for
anybody and a slow reader costs no memory. A stream that was cut resumes at its Last-Event-ID.
"""

import asyncio
import datetime as dt
import itertools
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.accounts.model import SignIn
from gateway.http.auth import SIGN_IN, Auth
from kernel.clock import Clock
from kernel.errors import Busy, Invalid, PlatformError
from kernel.events import Event, events_after, first_event_id, for_a_time, last_event_id
from kernel.identity import Principal
from kernel.policy import (
    Act,
    Subject,
    decide,
    holders,
    masked_id,
    masked_name,
    masked_number,
    register_house,
    sees_own_orders_only,
    shows_full_name,
)
from kernel.process.bus import Bus
from kernel.sql.db import Database
from kernel.web import describe, permit

_RING: Final = 2000
_POLL_S: Final = 1.0
_HEARTBEAT_S: Final = 15.0
_WRITE_WITHIN_S: Final = 10.0
_STREAMS_MAX: Final = 1000
_STREAMS_EACH: Final = 20
_PAGE: Final = 500

_MASKS: Final[dict[str, Callable[[str], str | None]]] = {
    "name": masked_name,
    "alphabetic_name": masked_name,
    "patient_id": masked_id,
    "masked_id": masked_id,
    "birth_date": lambda _: None,
}
"""By field of a payload's patient, what those not in care see of it."""
_PEOPLE: Final = ("patient", "patient_is_now")
"""Fields of a payload that are a patient."""

Visible = Callable[[Principal, Event], bool]


class StillGiven(Protocol):
    """Knows the grants of a node."""

    def __call__(
        self, conn: sa.Connection, principal: Principal, event: Event, at: dt.datetime, /
    ) -> bool:
        """Tell whether *principal* may hear of *event* for a grant in force *at* that instant."""
        ...


def nothing_given(
    conn: sa.Connection, principal: Principal, event: Event, at: dt.datetime, /
) -> bool:
    """Know of none, for a node that gives none (``StillGiven``)."""
    del conn, principal, event, at
    return False


TOPIC_ACTS: Final[dict[str, Act | None]] = {
    "study": Act.READ_LIST,
    "queue": Act.READ_LIST,
    "order": Act.READ_ORDERS,
    "patient": Act.READ_ORDERS,
    "conflict": Act.SETTLE_CONFLICT,
    "line": None,
    "node": Act.WATCH_NODES,
    "prior": Act.READ_STUDY,
    "glass": Act.WATCH_GLASS,
}
"""What somebody must be allowed in order to hear of a topic, by its first word; None asks for the
same institution only. Other topics are for other processes, not for pages."""


def visible(principal: Principal, event: Event) -> bool:
    """Tell whether *principal* may hear of *event*."""
    kind = event.topic.partition(".")[0]
    if kind not in TOPIC_ACTS:
        return False
    act = TOPIC_ACTS[kind]
    if act is None:
        return event.institution in (principal.institution, register_house(principal))
    # Of the register a village doctor works in, most patients are not theirs.
    narrowed = act is Act.READ_ORDERS and sees_own_orders_only(principal)
    if narrowed and event.payload.get("ordered_by") != principal.username:
        return False
    return decide(principal, act, Subject(event.institution, event.routed_to)).allowed


def may_be_given(principal: Principal, event: Event) -> bool:
    """Tell whether *principal* had a grant of what *event* is about when it happened."""
    return not event.routed_to.isdisjoint(for_a_time(holder) for holder in holders(principal))


def as_text(event: Event, *, full_names: bool) -> bytes:
    """Return *event* as server-sent event lines, resident numbers masked for everybody.

    Without *full_names* the patient's name, whole number and birth date are masked besides.
    """
    payload: dict[str, Any] = _numbers_masked(event.payload)
    for whose in _PEOPLE:
        patient = payload.get(whose)
        if not full_names and isinstance(patient, dict):
            payload[whose] = patient | {
                name: mask(str(patient[name])) if patient[name] else patient[name]
                for name, mask in _MASKS.items()
                if name in patient
            }
    data = msgspec.json.encode(payload).decode()
    return f"id: {event.id}\nevent: {event.topic}\ndata: {data}\n\n".encode()


def _numbers_masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: masked_number(part)
            if name == "patient_id" and isinstance(part, str)
            else _numbers_masked(part)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_numbers_masked(part) for part in value]
    return value


class EventFeed:
    """Follows the outbox for all streams of this process."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._ring: deque[Event] = deque(maxlen=_RING)
        self._read_to: int | None = None
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Follow the outbox until cancelled; raises what the database raises."""
        if self._read_to is None:
            self._read_to = await self._database.read(last_event_id)
        async with self._bus.listen() as hints:
            while True:
                await self._catch_up()
                await hints.wait(_POLL_S)

    async def _catch_up(self) -> None:
        while True:
            after = self._read_to or 0
            found = await self._database.read(partial(events_after, after_id=after, limit=_PAGE))
            if not found:
                return
            async with self._news:
                self._ring.extend(found)
                self._read_to = found[-1].id
                self._news.notify_all()

    async def after(self, last_id: int, within_s: float) -> Sequence[Event]:
        """Return events above *last_id*, waiting at most *within_s* for the first one."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: (self._read_to or 0) > last_id)
        except TimeoutError:
            return ()
        if self._ring and self._ring[0].id <= last_id + 1:
            later = (event for event in self._ring if event.id > last_id)
            return list(itertools.islice(later, _PAGE))
        return await self._database.read(partial(events_after, after_id=last_id, limit=_PAGE))


class EventStreams:
    """The route and its open streams."""

    def __init__(
        self,
        feed: EventFeed,
        auth: Auth,
        database: Database,
        clock: Clock,
        *,
        still_given: StillGiven = nothing_given,
    ) -> None:
        self._still_given = still_given
        self._feed = feed
        self._auth = auth
        self._database = database
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._ending = asyncio.Event()

    @property
    def open_streams(self) -> int:
        """How many streams are open now."""
        return self._open.total()

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get("/api/v1/events", self.stream, allow_head=False)]

    def end_all(self) -> None:
        """Let every stream end within a second."""
        self._ending.set()

    @describe("What happens, as text/event-stream; resumes at Last-Event-ID")
    @permit()
    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send events until the peer goes, the session ends, or the node does."""
        sign_in = request[SIGN_IN]
        last_id = _last_event_id(request)
        async with self._place(sign_in.principal.user_id):
            behind = await self._database.read(partial(_missed, last_id=last_id))
            response = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream; charset=utf-8",
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                }
            )
            await response.prepare(request)
            newest, missed = behind
            if last_id is None or missed:
                last_id = newest
            # An id without data is taken over by the reader and shown to nobody.
            hello = f"id: {last_id}\nretry: 2000\n\n"
            if missed:
                hello += "event: reset\ndata: {}\n\n"
            # Who closes the page ends the stream; nothing of it is a fault.
            with suppress(ConnectionResetError):
                await _write(response, hello.encode())
                await self._follow(request, response, sign_in, last_id)
            return response

    async def _follow(
        self, request: web.Request, response: web.StreamResponse, sign_in: SignIn, last_id: int
    ) -> None:
        full_names = shows_full_name(sign_in.principal)
        wrote_at, told = self._clock.monotonic_s(), last_id
        while not self._ending.is_set():
            events = await self._feed.after(last_id, _POLL_S)
            now_in = await self._still_in(request)
            if now_in is None or now_in.principal != sign_in.principal:
                return
            for event in events:
                last_id = event.id
                if await self._may_hear(sign_in.principal, event):
                    await _write(response, as_text(event, full_names=full_names))
                    wrote_at, told = self._clock.monotonic_s(), event.id
            if self._clock.monotonic_s() - wrote_at >= _HEARTBEAT_S:
                beat = f"id: {last_id}\n: still here\n\n" if told != last_id else ": still here\n\n"
                await _write(response, beat.encode())
                wrote_at, told = self._clock.monotonic_s(), last_id

    async def _may_hear(self, principal: Principal, event: Event) -> bool:
        if visible(principal, event):
            return True
        if not may_be_given(principal, event):
            return False
        # A stream that resumes hears of what happened while a grant was in force that has ended.
        now = self._clock.now()
        return await self._database.read(
            lambda conn: self._still_given(conn, principal, event, now)
        )

    async def _still_in(self, request: web.Request) -> SignIn | None:
        try:
            return await self._auth.identify(request, active=False)
        except PlatformError:
            return None

    @asynccontextmanager
    async def _place(self, user_id: str) -> AsyncIterator[None]:
        if self.open_streams >= _STREAMS_MAX or self._open[user_id] >= _STREAMS_EACH:
            raise Busy("too many event streams", code="too-many-streams")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


def _last_event_id(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004  # 64 bits
        raise Invalid("Last-Event-ID is a number", code="invalid-event-id")
    return int(text)


def _missed(conn: sa.Connection, last_id: int | None) -> tuple[int, bool]:
    """Return the newest id, and whether what came after *last_id* is no longer all there."""
    newest = last_event_id(conn)
    if last_id is None:
        return newest, False
    # An id above the newest comes from another database: a restored or a new one.
    return newest, last_id > newest or (newest > 0 and last_id + 1 < first_event_id(conn))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    try:
        async with asyncio.timeout(_WRITE_WITHIN_S):
            await response.write(data)
    except TimeoutError as exc:
        raise ConnectionResetError("the reader takes nothing") from exc
