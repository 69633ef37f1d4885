"""``yilian admin routes``: destinations, queue, quarantine, retry, priors."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import sqlalchemy as sa

from gateway.accounts.administration import OPERATOR
from gateway.deliveries import acts as queue_acts, views
from gateway.priors.store import waiting
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import SystemClock
from kernel.errors import Missing
from kernel.policy import Reason
from kernel.sql.db import Database
from yilian.commands.nodes import settings_of
from yilian.commands.shown import show
from yilian.wiring.county_routing import rules_in_force
from yilian.wiring.destinations import KnownDestinations
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

_Act = Callable[[Database, argparse.Namespace], Coroutine[Any, Any, object]]
_CHAIN = "command-line"


def add_acts(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the acts."""
    every = acts.add_parser(
        "destinations",
        help="what waits for each, and what it waits for",
        epilog=_example("destinations"),
    )
    _does(every, _destinations)
    queue = acts.add_parser(
        "queue",
        help="studies on their way, in the order they go",
        epilog=_example("queue --destination dicom:PACS2"),
    )
    queue.add_argument("--destination", default="", help="only of this one, such as dicom:PACS2")
    queue.add_argument("--study", default="", help="only this study, also where it is done")
    _does(queue, _queue)
    aside = acts.add_parser(
        "quarantine", help="instances that were set aside, and why", epilog=_example("quarantine")
    )
    aside.add_argument("--destination", default="")
    _does(aside, _quarantine)
    retry = acts.add_parser(
        "retry",
        help="try a destination at once, with all that was set aside",
        epilog=_example("retry dicom:PACS2"),
    )
    retry.add_argument("destination", help="such as dicom:PACS2")
    retry.add_argument("--study", default="", help="only what was set aside of this study")
    _does(retry, _retry)
    priors = acts.add_parser(
        "priors", help="archives still to be asked for earlier studies", epilog=_example("priors")
    )
    _does(priors, _priors)


def _example(words: str) -> str:
    return f"example: yilian admin --home H routes {words}"


def _does(verb: argparse.ArgumentParser, act: _Act) -> None:
    async def acted(arguments: argparse.Namespace) -> object:
        home = Home(arguments.home.absolute())
        async with opened_database(home, settings_of(arguments)) as database:
            return await act(database, arguments)

    def run(arguments: argparse.Namespace) -> int:
        made = asyncio.run(acted(arguments))
        show(made, as_json=arguments.json)
        return 0

    verb.set_defaults(run=run)


async def _known(database: Database, asked: argparse.Namespace) -> list[str]:
    settings = settings_of(asked)
    rules = settings.routing.rules
    path = Home(asked.home.absolute()).root / rules if rules else None
    in_force = await asyncio.to_thread(rules_in_force, path, settings.node.institution)
    return sorted(await KnownDestinations(database, in_force)())


async def _destinations(database: Database, asked: argparse.Namespace) -> object:
    look = partial(
        views.destination_lines, known=await _known(database, asked), now=SystemClock().now()
    )
    return await database.read(look)


async def _queue(database: Database, asked: argparse.Namespace) -> object:
    look = partial(views.queue_lines, destination=asked.destination, study=asked.study)
    return await database.read(look)


async def _quarantine(database: Database, asked: argparse.Namespace) -> object:
    return await database.read(partial(views.set_aside_lines, destination=asked.destination))


async def _priors(database: Database, _asked: argparse.Namespace) -> object:
    return await database.read(waiting)


async def _retry(database: Database, asked: argparse.Namespace) -> object:
    if asked.destination not in await _known(database, asked):
        raise Missing(f"no destination {asked.destination}", code="unknown-destination")
    at = SystemClock().now()
    entry = AuditEntry(
        at=at,
        event=AuditEvent.CHANGED,
        username=OPERATOR.username,
        subject=f"study:{asked.study}" if asked.study else f"destination:{asked.destination}",
        reason=Reason.OWN_DUTY,
        detail={"act": "delivery-retry", "destination": asked.destination},
    )

    def act(conn: sa.Connection) -> dict[str, int]:
        moved = queue_acts.retry(conn, asked.destination, at, study=asked.study)
        record(conn, _CHAIN, entry)
        return {"instances": moved}

    return await database.write(act)
