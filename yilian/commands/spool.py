"""``yilian spool``: what a township node holds, what is set aside, giving it out, trying again."""

import argparse
import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.queue_acts import retry
from gateway.township.set_aside import GivenOut, give_out
from gateway.township.tables import instances, studies
from imaging.archive.objects import pieces
from imaging.archive.objects_fs import FileObjectStore
from kernel.clock import SystemClock
from kernel.errors import Conflict, Missing
from yilian.commands.nodes import add_home, settings_of
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

_SHOWN: int = 500


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser("spool", help="a township's queue: list, aside, export, retry")
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    for act, text, run, example in (
        ("list", "studies that are not wholly at the county", _list, "spool list --home H"),
        ("aside", "what is set aside, and why", _aside, "spool aside --home H"),
        (
            "export",
            "copy what is set aside as DICOM files, for whoever can mend it",
            _export,
            "spool export --home H 17 /mnt/usb/mend",
        ),
        ("retry", "try what is set aside again", _retry, "spool retry --home H 1.2.840.1"),
    ):
        one = acts.add_parser(act, help=text, epilog=f"example: yilian {example}")
        add_home(one)
        one.add_argument("--json", action="store_true")
        if act == "export":
            one.add_argument("id", help="id as `spool aside` shows it, or a SOP Instance UID")
            one.add_argument("folder", type=Path, help="made where absent; nothing is overwritten")
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
                columns.id,
                columns.study_instance_uid,
                columns.sop_instance_uid,
                columns.reason_code,
                columns.reason,
            )
            .where(columns.state == InstanceState.SET_ASIDE)
            .order_by(columns.id)
            .limit(_SHOWN)
        )
        return [dict(row._mapping) for row in rows]

    return _show(_read(arguments, read), arguments, empty="nothing is set aside")


def _export(arguments: argparse.Namespace) -> int:
    home = Home(arguments.home.absolute())

    async def leave() -> list[GivenOut]:
        async with opened_database(home, settings_of(arguments)) as database:
            give = partial(give_out, which=arguments.id, at=SystemClock().now())
            return await database.write(give)

    given = asyncio.run(leave())
    store = FileObjectStore(home.objects)
    arguments.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for one in given:
        path = arguments.folder / one.filename
        with store.open(one.object_key) as source:
            _copy(path, pieces(source))
        written.append(str(path))
    if arguments.json:
        print(json.dumps(written, ensure_ascii=False))
    for path in [] if arguments.json else written:
        print(path)
    return 0


def _copy(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise Conflict(f"{path} exists already", code="file-exists") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


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
