"""Letters down: the node reads its county's feed, for as long as it takes."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.exchange import outbox
from gateway.exchange.county_link import CountyLink, body_of, refusal
from gateway.exchange.feed import COUNTY, take_page
from gateway.exchange.model import FeedPage, Source, Versions
from gateway.exchange.ports import Handlers
from gateway.exchange.sender import BACKOFF, Hint, wait_out
from gateway.exchange.taking import retry_unknown
from gateway.exchange.versions import VERSIONS
from gateway.exchange.wire import unpack
from gateway.township.backoff import Backoff
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_OK: Final = 200


def _nothing() -> None:
    """Nobody waits for news."""


def _for_nothing(_count: int, /) -> float:
    """Nobody else uses the line."""
    return 0.0


async def _not_told() -> None:
    """Nobody waits for the line."""


@dataclass(frozen=True, slots=True)
class FollowerSettings:
    """How the follower behaves."""

    backoff: Backoff = BACKOFF
    chance: Callable[[], float] = random.random
    wait_s: float = 25.0
    """How long the county holds a question open; at most 25 s."""
    versions: Versions = VERSIONS
    on_taken: Callable[[], None] = field(default=_nothing)
    """Called when letters were made true."""
    back: Hint | None = None
    """Hints that the line is back: what waits to try again tries at once."""
    owe: Callable[[int], float] = _for_nothing
    """Called with the bytes of a page; says after how many seconds the next may be asked for."""
    on_heard: Callable[[], Awaitable[None]] = _not_told
    """Called when the county has answered."""


class FeedFollower:
    """The one reader of a node's feed."""

    def __init__(
        self,
        database: Database,
        link: CountyLink,
        handlers: Handlers,
        *,
        clock: Clock,
        settings: FollowerSettings | None = None,
    ) -> None:
        self._database = database
        self._link = link
        self._handlers = handlers
        self._clock = clock
        self._settings = settings or FollowerSettings()
        self._owed_s = 0.0
        """For how long what came leaves the line to others."""

    async def run(self) -> None:
        """Follow until cancelled; there is no last attempt."""
        await self._database.write(outbox.make_place)
        mine: Mapping[str, str] = {COUNTY: self._link.identity.institution}
        await self._database.write(
            lambda conn: retry_unknown(conn, self._handlers, mine, self._source())
        )
        try:
            await self._run()
        finally:
            await self._link.close()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self.follow_once()
                failures = 0
                await asyncio.sleep(self._owed_s)
            except PlatformError as exc:
                failures += 1
                _LOG.info("feed.later", extra={"code": exc.code, "failures": failures})
                delay_s = self._settings.backoff.delay_s(failures, self._settings.chance())
                if await wait_out(delay_s, self._settings.back):
                    failures = 0

    async def follow_once(self) -> int:
        """Read one page and make it true here; returns how many letters it had.

        Raises:
            CountyUnreachable: nothing has changed.
            PlatformError: this database is busy or full; the page comes again.
        """
        place = await self._database.write(outbox.make_place)
        known, wait_s = self._settings.versions, self._settings.wait_s
        path = (
            f"/api/v1/nodes/feed?after={place.feed_after}&wait={wait_s:g}"
            f"&oldest={known.oldest}&newest={known.newest}"
        )
        async with self._link.ask("GET", path, wait_s=wait_s) as answer:
            if answer.status != _OK:
                raise await refusal(answer)
            raw = await body_of(answer)
        self._owed_s = self._settings.owe(len(path) + len(raw))
        page = await asyncio.to_thread(unpack, raw, FeedPage)
        await self._settings.on_heard()
        source = self._source()
        await self._database.write(
            partial(take_page, page=page, handlers=self._handlers, source=source)
        )
        # By this clock: accounts are good for a while from here on.
        await self._database.write(partial(outbox.set_place, heard_at=source.at))
        if page.letters:
            self._settings.on_taken()
        return len(page.letters)

    def _source(self) -> Source:
        return Source(COUNTY, self._link.identity.institution, self._clock.now())
