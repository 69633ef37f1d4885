"""Makes what is here findable for viewers: looked at behind the doors, never in their way.

A modality has its answer long before; what is looked at again after a crash ends in the same rows.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

import msgspec
import sqlalchemy as sa

from gateway.here import store
from gateway.here.model import TOPIC
from gateway.here.ports import Held, LocalIndex
from gateway.here.store import WhatIsHere
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.events import EventDraft, publish_all
from kernel.sql.db import Database

T = TypeVar("T")
_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 64
_LOOK_S: Final = 2.0
_GATHER_S: Final = 0.2
"""How long more objects are gathered after a hint: one transaction for them all."""
_TROUBLE_FIRST_S: Final = 0.5
_TROUBLE_MAX_S: Final = 15.0


class Hint(Protocol):
    """Something that may say early that there is work (``kernel.process.wake.Wake``)."""

    async def wait(self, timeout_s: float) -> bool:
        """Return at the next hint, or after *timeout_s*."""
        ...


@dataclass(frozen=True, slots=True)
class _Looked(Generic[T]):
    held: Held
    found: T | None
    """None where nobody can read it."""


class Showing(Generic[T]):
    """The one worker of a node."""

    def __init__(
        self,
        database: Database,
        index: LocalIndex[T],
        *,
        institution: str,
        clock: Clock,
        gather_s: float = _GATHER_S,
    ) -> None:
        """Let objects be found in *index*.

        Args:
            database: of the node.
            index: what DICOMweb is answered from.
            institution: code of the node's own; everything here is shown to it alone.
            clock: for the instants written down.
            gather_s: how long more is gathered after a hint.
        """
        self._database = database
        self._index = index
        self._here = WhatIsHere(index)
        self._institution = institution
        self._clock = clock
        self._gather_s = gather_s

    async def run(self, hint: Hint) -> None:
        """Show whatever comes, until cancelled."""
        delay_s = 0.0
        while True:
            try:
                shown = await self.show_next()
            except (PlatformError, sa.exc.SQLAlchemyError) as exc:
                code = exc.code if isinstance(exc, PlatformError) else type(exc).__name__
                _LOG.warning("showing.later", extra={"code": code})
                delay_s = min(max(delay_s * 2, _TROUBLE_FIRST_S), _TROUBLE_MAX_S)
                await asyncio.sleep(delay_s)
                continue
            delay_s = 0.0
            if not shown and await hint.wait(_LOOK_S):
                await asyncio.sleep(self._gather_s)

    async def show_next(self) -> int:
        """Show some objects; returns how many were looked at.

        Raises:
            PlatformError: not now; nothing has changed.
        """
        held = await self._database.read(
            partial(store.next_held, institution=self._institution, limit=_AT_ONCE)
        )
        if not held:
            return 0
        looked = await finish_in_thread(
            lambda: [_Looked(each, self._index.look(each)) for each in held]
        )
        await self._enter(looked)
        return len(held)

    async def _enter(self, looked: Sequence[_Looked[T]]) -> None:
        try:
            await self._database.write(partial(self._show, looked=looked))
        except (sa.exc.DBAPIError, ValueError) as exc:
            # One of them is what the database cannot take: the others must not wait for it.
            _LOG.warning("showing.careful", extra={"reason": type(exc).__name__})
            for each in looked:
                await self._enter_alone(each)

    async def _enter_alone(self, each: _Looked[T]) -> None:
        try:
            await self._database.write(partial(self._show, looked=[each]))
        except (sa.exc.DataError, sa.exc.IntegrityError, ValueError) as exc:
            _LOG.warning("showing.left-out", extra={"reason": type(exc).__name__})
            unread = _Looked[T](each.held, None)
            await self._database.write(partial(self._show, looked=[unread]))

    def _show(self, conn: sa.Connection, *, looked: Sequence[_Looked[T]]) -> None:
        at = self._clock.now()
        still = [each for each in looked if store.claim(conn, each.held, at=at)]
        found = [each.found for each in still if each.found is not None]
        self._index.enter(conn, found, at=at)
        studies = dict.fromkeys(each.held.arrival.study_instance_uid for each in still)
        publish_all(
            conn,
            [
                EventDraft(TOPIC, msgspec.to_builtins(here), self._institution)
                for here in self._here.of(conn, [uid for uid in studies if uid])
            ],
            at=at,
        )
