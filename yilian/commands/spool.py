"""``yilian spool``: what a township node holds, what is set aside, and trying it again."""

import argparse
import asyncio
import json
from collections import Counter
from typing import Any

import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.parcel_index import retry
from gateway.township.tables import instances, studies
from kernel.errors import Missing
from yilian.commands.nodes import add_home, settings_of
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

_SHOWN: int = 500


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser("spool", help="a township's queue: list, retry")
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    for act, text, run, example in (
        ("list", "studies that are not wholly at the county", _list, "spool list --home H"),
        ("aside", "what is set aside, and why", _aside, "spool aside --home H"),
        ("retry", "try what is set aside again", _retry, "spool retry --home H 1.2.840.1"),
    ):
        one = acts.add_parser(act, help=text, epilog=f"example: yilian {example}")
        add_home(one)
        one.add_argument("--json", action="store_true")
        if act == "retry":
            one.add_argument("study", help="Study Instance UID")
        one.set_defaults(run=run)


def _list(arguments: argparse.Namespace) -> int:
    def read(conn: sa.Connection) -> list[dict[str, Any]]:
        columns = studies.c
        unfinished = conn.execute(
            sa.select(columns.study_instance_uid, columns.modality, columns.rank, columns.paused)
            .where(columns.county_received_at.is_(None))
            .order_by(columns.rank, columns.first_received_at)
            .limit(_SHOWN)
        ).all()
        counts: dict[str, Counter[str]] = {}
        for uid, state, count in conn.execute(
            sa.select(instances.c.study_instance_uid, instances.c.state, sa.func.count()).group_by(
                instances.c.study_instance_uid, instances.c.state
            )
        ):
            counts.setdefault(uid, Counter())[state] = count
        return [
            {
                "study": row.study_instance_uid,
                "modality": row.modality,
                "rank": row.rank,
                "paused": row.paused,
                **{str(state): counts[row.study_instance_uid][state] for state in InstanceState},
            }
            for row in unfinished
        ]

    return _show(_read(arguments, read), arguments, empty="everything is at the county")


def _aside(arguments: argparse.Namespace) -> int:
    def read(conn: sa.Connection) -> list[dict[str, Any]]:
        columns = instances.c
        rows = conn.execute(
            sa.select(
                columns.study_instance_uid,
                columns.sop_instance_uid,
                columns.reason_code,
                columns.reason,
            )
            .where(columns.state == InstanceState.SET_ASIDE)
            .limit(_SHOWN)
        )
        return [dict(row._mapping) for row in rows]

    return _show(_read(arguments, read), arguments, empty="nothing is set aside")


def _retry(arguments: argparse.Namespace) -> int:
    async def run() -> int:
        home = Home(arguments.home.absolute())
        async with opened_database(home, settings_of(arguments)) as database:
            return await database.write(lambda conn: retry(conn, arguments.study))

    again = asyncio.run(run())
    if not again:
        raise Missing("nothing of that study is set aside", code="nothing-set-aside")
    print(json.dumps({"again": again}) if arguments.json else f"{again} images will be tried again")
    return 0


def _read(arguments: argparse.Namespace, fn: Any) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        home = Home(arguments.home.absolute())
        async with opened_database(home, settings_of(arguments)) as database:
            found: list[dict[str, Any]] = await database.read(fn)
            return found

    return asyncio.run(run())


def _show(rows: list[dict[str, Any]], arguments: argparse.Namespace, *, empty: str) -> int:
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif not rows:
        print(empty)
    for row in [] if arguments.json else rows:
        print("  ".join(f"{name}={value}" for name, value in row.items() if value not in ("", 0)))
    return 0
