"""Route each study once, when its first images are filed."""

import datetime as dt
from collections.abc import Callable
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.routing import store
from gateway.routing.engine import RuleSet, route
from gateway.routing.model import Facts, Routed
from kernel.clock import Clock
from kernel.events import events_after, publish
from kernel.sql.db import Database

STUDY_UPDATED: Final = "study.updated"
STUDY_ROUTED: Final = "study.routed"
_BATCH: Final = 200


class StudyFacts(Protocol):
    """Tells what is known of a study; the archive does."""

    def __call__(self, conn: sa.Connection, study_instance_uid: str) -> Facts | None:
        """Return the facts of its first instance, or ``None`` when the study is not there."""
        ...


class ReadingLists(Protocol):
    """Puts a study on the centres' reading lists; the archive keeps who may read."""

    def __call__(
        self, conn: sa.Connection, study_instance_uid: str, routed: Routed, at: dt.datetime
    ) -> None:
        """Add the study in the given transaction; adding twice changes nothing."""
        ...


class Router:
    """Reads the outbox and decides; whatever it decides is one transaction with its cursor."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rules: Callable[[], RuleSet],
        facts: StudyFacts,
        lists: ReadingLists,
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._facts = facts
        self._lists = lists

    async def route_new(self) -> int:
        """Deal with the events since the last time; return how many there were.

        Safe to repeat: a study is routed once, and a crash leaves the cursor where it was.
        """
        return await self._database.write(self._route_new)

    def _route_new(self, conn: sa.Connection) -> int:
        events = events_after(conn, store.cursor(conn), limit=_BATCH, topics=[STUDY_UPDATED])
        for event in events:
            study = str(event.payload["study_instance_uid"])
            if not store.is_routed(conn, study):
                self._route(conn, study, event.institution)
        if events:
            store.move_cursor(conn, events[-1].id)
        return len(events)

    def _route(self, conn: sa.Connection, study: str, institution: str) -> Routed | None:
        facts = self._facts(conn, study)
        if facts is None:
            return None
        routed = route(self._rules(), facts)
        now = self._clock.now()
        store.keep(conn, study, routed, now)
        self._lists(conn, study, routed, now)
        payload = {
            "study_instance_uid": study,
            "rules": list(routed.rules),
            "reading_lists": [d.name for d in routed.destinations],
        }
        publish(conn, STUDY_ROUTED, payload, institution=institution, at=now)
        return routed
