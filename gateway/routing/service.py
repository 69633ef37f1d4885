"""Route each study once, when its first images are filed."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa

from gateway.routing import store
from gateway.routing.engine import RuleSet, route
from gateway.routing.model import DestinationKind, Facts, Routed
from kernel.clock import Clock
from kernel.events import events_after, publish
from kernel.sql.db import Database

STUDY_UPDATED: Final = "study.updated"
STUDY_ROUTED: Final = "study.routed"
PRIOR: Final = "prior"
"""Stands for the rules where a study came because it was asked for."""
_BATCH: Final = 200


class StudyFacts(Protocol):
    """Tells what is known of a study; the archive does."""

    def __call__(self, conn: sa.Connection, study_instance_uid: str) -> Facts | None:
        """Return the facts of its first instance, or ``None`` when the study is not there."""
        ...


class Places(Protocol):
    """Puts a study on the way to its destinations: reading lists, queues of other nodes."""

    def __call__(
        self, conn: sa.Connection, study_instance_uid: str, routed: Routed, at: dt.datetime
    ) -> None:
        """Add the study in the given transaction; adding twice changes nothing."""
        ...


class Grown(Protocol):
    """Is told of studies that the rules have spoken about and that may have grown."""

    def __call__(self, conn: sa.Connection, study_instance_uid: str, at: dt.datetime) -> None:
        """Take what is new in the given transaction; twice changes nothing."""
        ...


class Priors(Protocol):
    """Earlier studies, asked for when a study comes."""

    def came(self, conn: sa.Connection, study_instance_uid: str, at: dt.datetime) -> bool:
        """Return whether the study came because it was asked for; give it to those it is for.

        Then no rule speaks about it.
        """
        ...

    def ask(
        self, conn: sa.Connection, study_instance_uid: str, facts: Facts, at: dt.datetime
    ) -> None:
        """Let earlier studies of its patient be asked for, where rules say so."""
        ...


@dataclass(frozen=True, slots=True)
class RouterPorts:
    """What the router needs of others."""

    facts: StudyFacts
    places: Places
    grown: Grown
    priors: Priors


class Router:
    """Reads the outbox and decides; whatever it decides is one transaction with its cursor."""

    def __init__(
        self, database: Database, clock: Clock, rules: Callable[[], RuleSet], ports: RouterPorts
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._ports = ports

    async def route_new(self) -> int:
        """Deal with the events since the last time; return how many there were.

        Safe to repeat: a study is routed once, and a crash leaves the cursor where it was.
        """
        return await self._database.write(self._route_new)

    def _route_new(self, conn: sa.Connection) -> int:
        events = events_after(conn, store.cursor(conn), limit=_BATCH, topics=[STUDY_UPDATED])
        institutions = {
            str(event.payload["study_instance_uid"]): event.institution for event in events
        }
        for study, institution in institutions.items():
            if store.is_routed(conn, study):
                self._ports.grown(conn, study, self._clock.now())
            else:
                self._route(conn, study, institution)
        if events:
            store.move_cursor(conn, events[-1].id)
        return len(events)

    def _route(self, conn: sa.Connection, study: str, institution: str) -> Routed | None:
        facts = self._ports.facts(conn, study)
        if facts is None:
            return None
        now = self._clock.now()
        if self._ports.priors.came(conn, study, now):
            store.keep(conn, study, Routed((), (PRIOR,)), now)
            return None
        routed = route(self._rules(), facts)
        store.keep(conn, study, routed, now)
        self._ports.priors.ask(conn, study, facts, now)
        self._ports.places(conn, study, routed, now)
        payload = {
            "study_instance_uid": study,
            "rules": list(routed.rules),
            "reading_lists": [
                d.name for d in routed.destinations if d.kind is DestinationKind.READING_LIST
            ],
        }
        publish(conn, STUDY_ROUTED, payload, institution=institution, at=now)
        return routed
