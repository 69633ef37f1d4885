"""``/api/v1/conflicts``: what two nodes wrote differently, for a person to choose from.

A house settles its own; the county's centre sees those of every house, for it is where they meet.
Of a record nobody has to choose about, nothing is shown there.
"""

from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from kernel.errors import Missing
from kernel.identity import Principal
from kernel.policy import Act as Duty, roles_for
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
from referrals.orders.bodies import SettleBody
from referrals.orders.conflicts import (
    Reach,
    RecordConflict,
    RecordConflictPage,
    SettledView,
    conflict_row,
    open_page,
    settled_page,
)
from referrals.orders.counter import Counter
from referrals.orders.model import version_tag
from referrals.orders.records import Record, RecordKind
from referrals.orders.service import Seen
from referrals.orders.settling import (
    CHOOSE_AGAIN,
    VERSIONS_SHOWN,
    Choice,
    OpenVersion,
    ToSettle,
    choice_of,
    open_versions,
)
from referrals.orders.views import patient_number

_SETTLERS: Final = roles_for(Duty.SETTLE_CONFLICT)
_PATH: Final = "/api/v1/conflicts"


class ConflictQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the list."""

    settled: bool = False
    """Those settled of late, which can still be settled otherwise."""
    limit: int = 50
    cursor: str = ""


class RecordConflictView(msgspec.Struct, frozen=True, kw_only=True):
    """One record in conflict, or settled of late."""

    conflict: RecordConflict
    etag: str
    """Version to send as If-Match, in quotes."""
    versions: list[OpenVersion]
    """The newest first, at most twenty."""
    more: int
    """How many are left out."""


class ConflictsDoor:
    """The three routes."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{_PATH}/{{kind}}/{{id}}"
        return [
            web.get(_PATH, self.listing, allow_head=False),
            web.get(one, self.show, allow_head=False),
            web.post(f"{one}/settle", self.settle),
        ]

    @describe(
        "Records that nodes wrote differently", query=ConflictQuery, answer=RecordConflictPage
    )
    @permit(roles=_SETTLERS)
    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of those in the asker's reach."""
        asked = read_query(request, ConflictQuery)
        limit = self._counter.limit(asked.limit)
        who = request[PRINCIPAL]
        reach = Reach("" if who.institution == self._counter.centre else who.institution)
        await self._counter.looked_at_list(request, "conflicts")
        read = partial(settled_page, now=self._counter.clock.now()) if asked.settled else open_page
        page = await self._counter.database.read(
            lambda conn: read(conn, reach, limit=limit, cursor=asked.cursor)
        )
        return json_response(page)

    @describe("What can be chosen between", answer=RecordConflictView)
    @permit(roles=_SETTLERS)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer the contents; the look is in the audit trail before."""
        kind, key = _named(request)
        who = request[PRINCIPAL]
        about, number = await self._counter.database.read(
            partial(self._find, kind=kind, key=key, who=who)
        )
        await self._counter.looked_at(request, f"{kind}:{key}", number, reason=about.reason)
        return await self._answer(request, kind, key)

    @describe("Choose which content holds", body=SettleBody, answer=RecordConflictView)
    @permit(roles=_SETTLERS)
    async def settle(self, request: web.Request) -> web.StreamResponse:
        """Answer it as it then is; for seven days it can be chosen otherwise."""
        kind, key = _named(request)
        body = await read_json(request, SettleBody)
        by, ask = self._counter.by(request), read_ask(request, body)
        seen = Seen(key, read_version(request))
        await self._counter.desk.settle(by, kind, seen, body.keep, ask)
        return await self._answer(request, kind, key)

    def _find(
        self, conn: sa.Connection, *, kind: RecordKind, key: str, who: Principal
    ) -> tuple[ToSettle, str]:
        about = self._counter.desk.to_settle(conn, who, kind, key)
        return about, patient_number(conn, about.record)

    async def _answer(self, request: web.Request, kind: RecordKind, key: str) -> web.StreamResponse:
        def read(conn: sa.Connection) -> RecordConflictView:
            found = _record(conn, kind, key)
            choice = choice_of(store.versions_of(conn, kind, key), self._counter.clock.now())
            return RecordConflictView(
                conflict=conflict_row(conn, found, _settled(choice)),
                etag=version_tag(found),
                versions=open_versions(conn, found, choice),
                more=max(0, len(choice.versions) - VERSIONS_SHOWN),
            )

        view = await self._counter.database.read(read)
        return json_response(view, headers={"ETag": f'"{view.etag}"'})


def _settled(choice: Choice) -> SettledView | None:
    chosen = choice.chosen
    if chosen is None:
        return None
    by = chosen.by_name or chosen.by_username
    return SettledView(at=chosen.at, by=by, until=chosen.at + CHOOSE_AGAIN)


def _named(request: web.Request) -> tuple[RecordKind, str]:
    try:
        return RecordKind(request.match_info["kind"]), request.match_info["id"]
    except ValueError as exc:
        raise Missing from exc


def _record(conn: sa.Connection, kind: RecordKind, key: str) -> Record:
    found: Record | None = (
        store.find_patient(conn, key) if kind is RecordKind.PATIENT else store.find_order(conn, key)
    )
    if found is None:
        raise Missing
    return found
