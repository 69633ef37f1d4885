"""Asks archives for earlier studies, each archive by itself, one question after the other.

There is no last attempt: a question waits until its archive has answered it and sent what was
wanted. What is here already is not fetched again.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.dimse.outgoing import Peer
from gateway.priors import store
from gateway.priors.model import OldStudy, Question, is_shown, lacking, wanted
from gateway.township.backoff import Backoff
from gateway.township.clinic_hours import ClinicHours
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_BACKOFF: Final = Backoff(first_s=30.0, cap_s=600.0)
_LOOK_S: Final = 2.0

Peers = Callable[[str], Awaitable[Peer]]
"""Tells where an archive is, by its AE title; raises ``PlatformError`` where nobody knows."""


class Here(Protocol):
    """Tells what there is of a study; the archive does."""

    def __call__(self, conn: sa.Connection, study_instance_uid: str) -> Mapping[str, int]:
        """Return the instances of each of its series; empty where it is not there."""
        ...


class PriorFetcher:
    """Answers the questions that wait, until cancelled."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        peers: Peers,
        here: Here,
        *,
        chance: Callable[[], float],
        look_s: float = _LOOK_S,
    ) -> None:
        """Ask *peers*, but not for what is *here*.

        Args:
            database: with the questions.
            clock: tells when an archive is tried again, and whether it may be asked now.
            peers: where archives are.
            here: what there is already.
            chance: a random number, at least 0 and below 1.
            look_s: how often to look for new questions.
        """
        self._database = database
        self._clock = clock
        self._peers = peers
        self._here = here
        self._chance = chance
        self._look_s = look_s
        self._busy: set[str] = set()

    async def run(self) -> None:
        """Ask for ever."""
        self._busy.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                for archive, questions in await self._due():
                    if archive not in self._busy:
                        self._busy.add(archive)
                        group.create_task(self._ask(archive, questions))
                await asyncio.sleep(self._look_s)

    async def _due(self) -> list[tuple[str, list[Question]]]:
        try:
            found = await self._database.read(partial(store.due, now=self._clock.now()))
        except PlatformError as error:
            _LOG.warning("priors.later", extra={"code": error.code})
            return []
        now = self._clock.now().astimezone()
        open_now = [one for one in found if _may_be_asked(one, now)]
        by_archive = sorted(open_now, key=lambda one: one.archive)
        return [(name, list(some)) for name, some in groupby(by_archive, lambda one: one.archive)]

    async def _ask(self, archive: str, questions: Iterable[Question]) -> None:
        try:
            for question in questions:
                try:
                    count = await self._answer(question)
                except PlatformError as error:
                    await self._later(question, error)
                    return
                _LOG.info("priors.fetched", extra={"archive": archive, "series": count})
        except PlatformError as error:
            _LOG.warning("priors.stuck", extra={"archive": archive, "code": error.code})
        finally:
            self._busy.discard(archive)

    async def _answer(self, question: Question) -> int:
        """Have all that is wanted sent; return how many series that were."""
        # The network library is twenty megabytes, which counties without archives spare.
        from gateway.priors import archive_line  # noqa: PLC0415

        peer, asked = await self._peers(question.archive), question.asked
        found = await asyncio.to_thread(archive_line.find_studies, peer, asked)
        studies = series_count = 0
        for old in wanted(asked, found):
            if studies == asked.last:
                break
            uid = old.study_instance_uid
            series = await asyncio.to_thread(archive_line.find_series, peer, uid)
            if not is_shown(asked, series):
                continue
            studies += 1
            here = await self._database.read(partial(self._here, study_instance_uid=uid))
            if here:
                series = [
                    await asyncio.to_thread(archive_line.counted, peer, uid, one) for one in series
                ]
            lacks = lacking(series, here)
            if lacks:
                await self._expect(old, question)
            for one in lacks:
                await asyncio.to_thread(archive_line.move_series, peer, uid, one)
            series_count += len(lacks)
        at = self._clock.now()
        await self._database.write(lambda conn: store.done(conn, question.id, at))
        return series_count

    async def _expect(self, old: OldStudy, question: Question) -> None:
        uid, at = old.study_instance_uid, self._clock.now()
        for_study = question.asked.study_instance_uid

        def note(conn: sa.Connection) -> None:
            # What was here before came by itself and keeps its way.
            if not self._here(conn, uid) or store.expected_for(conn, uid):
                store.expect(conn, uid, for_study, question.archive, at)

        await self._database.write(note)

    async def _later(self, question: Question, error: PlatformError) -> None:
        failures = question.failures + 1
        delay_s = _BACKOFF.delay_s(failures, 0.5 + self._chance() / 2)
        next_try_at = self._clock.now() + dt.timedelta(seconds=delay_s)
        reason = error.detail or error.code
        _LOG.warning("priors.failed", extra={"archive": question.archive, "reason": reason})
        await self._database.write(
            lambda conn: store.failed(conn, question.id, failures, reason, next_try_at)
        )


def _may_be_asked(question: Question, local: dt.datetime) -> bool:
    hours = question.asked.hours
    return not hours or ClinicHours.parse(hours).hold(local)
