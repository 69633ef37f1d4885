"""What the county has of a township and cannot read goes down, and that it can again.

The township's receipt says that the county keeps an image. Where the county then could not file it,
the township shows so, keeps its own file, and sends the image again where a device gives it again.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.feed import send_down
from gateway.exchange.model import Kind, Source
from gateway.exchange.nodes import all_nodes
from gateway.exchange.ports import Handler, OpenAsides
from gateway.exchange.tables import feed
from gateway.township import county_asides
from gateway.township.queue_places import Now
from gateway.township.queue_view import item_events
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.events import publish_all
from kernel.identifiers import Uid
from kernel.letter import Letter
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LOOK_S: Final = 3.0


class AsideContent(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One content the county keeps and cannot read."""

    content: str
    """``ContentDigest.whole``."""
    reason: str


class AsideBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``instance-aside`` says; its key is the SOP Instance UID."""

    contents: list[AsideContent] = []
    """None once all of them are filed."""


class AsidesDown:
    """The one teller of what a county cannot read."""

    def __init__(self, database: Database, clock: Clock, asides: OpenAsides) -> None:
        self._database = database
        self._clock = clock
        self._asides = asides

    async def run(self) -> None:
        """Tell whatever is set aside, and whatever is filed after all, until cancelled."""
        while True:
            try:
                await self.tell_changed()
            except PlatformError as exc:
                _LOG.warning("asides-down.later", extra={"code": exc.code})
            await asyncio.sleep(_LOOK_S)

    async def tell_changed(self) -> int:
        """Tell each house what stands otherwise than it was told; returns how many letters."""
        if not await self._database.read(self._changed):
            return 0
        at = self._clock.now()

        def write(conn: sa.Connection) -> int:
            told = 0
            for institution, letters in self._changed(conn).items():
                send_down(conn, letters, institution=institution, at=at)
                told += len(letters)
            return told

        return await self._database.write(write)

    def _changed(self, conn: sa.Connection) -> Mapping[str, list[Letter]]:
        """Return by house what it has to be told: how it stands, against the newest letters."""
        houses = {node.institution for node in all_nodes(conn) if node.revoked_at is None}
        now: dict[tuple[str, str], set[AsideContent]] = {}
        for institution, uid, content, reason in self._asides(conn):
            if institution in houses:
                one = AsideContent(content=content, reason=reason)
                now.setdefault((institution, uid), set()).add(one)
        told = _told(conn, houses)
        changed: dict[str, list[Letter]] = {}
        for institution, uid in sorted(now.keys() | told.keys()):
            mine = (institution, uid)
            body = msgspec.to_builtins(AsideBody(contents=sorted(now.get(mine, ()))))
            version, before = told.get(mine, (0, {}))
            if body != before:
                letter = Letter(Kind.INSTANCE_ASIDE.value, uid, version + 1, body)
                changed.setdefault(institution, []).append(letter)
        return changed


def _told(
    conn: sa.Connection, houses: set[str]
) -> dict[tuple[str, str], tuple[int, Mapping[str, object]]]:
    """Return version and body of the newest letters, by house and UID."""
    columns = feed.c
    query = sa.select(columns.institution, columns.key, columns.version, columns.body).where(
        columns.institution.in_(sorted(houses)),
        columns.node == "",
        columns.kind == Kind.INSTANCE_ASIDE.value,
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in conn.execute(query)}


def take_asides(now: Callable[[], Now]) -> Handler:
    """Return the node's reader of ``instance-aside`` letters.

    Args:
        now: what the queue's page is told with the study.
    """
    return partial(_take, now=now)


def _take(
    conn: sa.Connection, letter: Letter, source: Source, /, *, now: Callable[[], Now]
) -> None:
    uid = Uid.parse(letter.key).value
    contents = msgspec.convert(dict(letter.body), AsideBody).contents
    reasons = {one.content: one.reason for one in contents}
    touched = county_asides.put(conn, uid, reasons, source.at)
    publish_all(conn, item_events(conn, touched, now()), at=source.at)
