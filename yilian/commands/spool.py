"""``yilian spool``: what a township node holds and has set aside, and what to do with it."""

import argparse
import asyncio
import datetime as dt
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from gateway.exchange import return_turns, returns
from gateway.exchange.returns import ObjectState, ReturnState
from gateway.exchange.tables import return_objects
from gateway.township.model import PRIORITY_OF_RANK, InstanceState
from gateway.township.parcel_queue import HOLD_MOST_MINUTES, hold_line
from gateway.township.queue_acts import release, retry
from gateway.township.set_aside import GivenOut, find_aside, give_out
from gateway.township.tables import instances, studies
from imaging.archive.objects import pieces
from imaging.archive.objects_fs import FileObjectStore
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import SystemClock
from kernel.errors import Conflict, Invalid, Missing
from kernel.settings import NodeKind
from yilian.commands.line_note import tell_hold, tell_refusal
from yilian.commands.nodes import add_home, kind_of, settings_of
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

T = TypeVar("T")
_SHOWN: Final = 500
_CHAIN: Final = "command-line"
_OPERATOR: Final = "operator"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser("spool", help="a township's queue: list, aside, export, retry")
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    for act, text, run, example in (
        (
            "list",
            "studies that are not wholly at the county, or are to come back",
            _list,
            "spool list --home H",
        ),
        ("aside", "what is set aside, and why", _aside, "spool aside --home H"),
        (
            "export",
            "copy what is set aside as DICOM files, for whoever can mend it",
            _export,
            "spool export --home H 17 /mnt/usb/mend",
        ),
        ("retry", "try what is set aside again", _retry, "spool retry --home H 1.2.840.1"),
        (
            "release",
            "let nobody wait for what is set aside; it stays here",
            _release,
            "spool release --home H 17",
        ),
        (
            "pause",
            "send no images for a while, emergencies included; orders still pass",
            _pause,
            "spool pause --home H --minutes 30",
        ),
        ("resume", "let everything go again", _resume, "spool resume --home H"),
    ):
        one = acts.add_parser(act, help=text, epilog=f"example: yilian {example}")
        add_home(one)
        one.add_argument("--json", action="store_true")
        if act == "export":
            one.add_argument("id", help="id as `spool aside` shows it, or a SOP Instance UID")
            one.add_argument("folder", type=Path, help="made where absent; nothing is overwritten")
        if act == "retry":
            one.add_argument("study", help="Study Instance UID")
        if act == "release":
            one.add_argument("id", type=int, help="id as `spool aside` shows it")
            one.add_argument("--undo", action="store_true", help="set it aside again")
        if act == "pause":
            one.add_argument("--minutes", type=_minutes, default=60, help="1 to 1440; default 60")
        one.set_defaults(run=partial(_run, act=run))


def _run(arguments: argparse.Namespace, *, act: Callable[[argparse.Namespace], int]) -> int:
    """Do *act*; then say what keeps everything here, whatever was asked."""
    if kind_of(arguments) is not NodeKind.TOWNSHIP:
        raise Invalid(f"{arguments.home} is no township's home", code="no-such-home")
    code = act(arguments)
    settings = settings_of(arguments)

    async def note() -> None:
        home = Home(arguments.home.absolute())
        async with opened_database(home, settings) as database:
            await database.read(partial(tell_refusal, settings=settings))
            if arguments.act == "list":
                await database.read(partial(tell_hold, clock=SystemClock()))

    asyncio.run(note())
    return code


def _list(arguments: argparse.Namespace) -> int:
    def read(conn: sa.Connection) -> list[dict[str, Any]]:
        columns = studies.c
        unfinished = conn.execute(
            sa.select(
                columns.study_instance_uid,
                columns.first_received_at,
                columns.modality,
                columns.rank,
                columns.paused,
            )
            .where(columns.county_received_at.is_(None))
            .order_by(columns.rank, columns.first_received_at)
            .limit(_SHOWN)
        ).all()
        coming = returns.views(conn, None, limit=_SHOWN)
        counts: dict[str, Counter[str]] = {}
        held = instances.c
        shown = [row.study_instance_uid for row in unfinished]
        for uid, state, count in conn.execute(
            sa.select(held.study_instance_uid, held.state, sa.func.count())
            .where(held.study_instance_uid.in_(shown))
            .group_by(held.study_instance_uid, held.state)
        ):
            counts.setdefault(uid, Counter())[state] = count
        return [
            {
                "study": row.study_instance_uid,
                "received": row.first_received_at.astimezone().isoformat(timespec="minutes"),
                "modality": row.modality,
                "priority": PRIORITY_OF_RANK[row.rank].value,
                "paused": row.paused,
                **{
                    state.value: counts.get(row.study_instance_uid, Counter())[state]
                    for state in InstanceState
                },
            }
            for row in unfinished
        ] + [
            {
                "study": one.study_instance_uid,
                "back": one.kind,
                "asked": one.asked_at.astimezone().isoformat(timespec="minutes"),
                "state": one.state.value,
                "code": one.code,
                "objects": one.objects or 0,
                "here": one.here,
                "set-aside": one.set_aside,
            }
            for one in coming
            if one.state is not ReturnState.HERE
        ]

    empty = "everything is at the county, and what is to come back is here"
    return _show(_read(arguments, read), arguments, empty=empty)


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
        back = return_objects.c
        not_back = conn.execute(
            sa.select(
                back.study_instance_uid, back.sop_instance_uid, back.code.label("reason_code")
            )
            .where(back.state == ObjectState.SET_ASIDE.value)
            .order_by(back.study_instance_uid, back.place)
            .limit(_SHOWN)
        )
        told = {"reason": "it could not be had from the county"}
        return [dict(row._mapping) for row in rows] + [{**row._mapping, **told} for row in not_back]

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
            copy_out(path, pieces(source))
        written.append(str(path))
    if arguments.json:
        print(json.dumps(written, ensure_ascii=False))
    for path in [] if arguments.json else written:
        print(path)
    return 0


def copy_out(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write *chunks* to a new file at *path*, only for whoever runs this; never over another."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise Conflict(f"{path} exists already", code="file-exists") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def _retry(arguments: argparse.Namespace) -> int:
    house = settings_of(arguments).node.institution or str(NodeKind.TOWNSHIP)

    def change(conn: sa.Connection) -> int:
        freed = retry(conn, arguments.study) + return_turns.retry(
            conn, arguments.study, institution=house, at=SystemClock().now()
        )
        if freed:
            _note(conn, f"study:{arguments.study}", "retry")
        return freed

    again = _write(arguments, change)
    if not again:
        raise Missing("nothing of that study is set aside", code="nothing-set-aside")
    print(json.dumps({"again": again}) if arguments.json else f"{again} images will be tried again")
    return 0


def _release(arguments: argparse.Namespace) -> int:
    def change(conn: sa.Connection) -> str | None:
        at = SystemClock().now()
        found = find_aside(conn, arguments.id)
        if found is None:
            return None
        _note(conn, f"study:{found.study_key}", "take-back" if arguments.undo else "release")
        return release(conn, arguments.id, at, released=not arguments.undo)

    study = _write(arguments, change)
    if study is None:
        raise Missing("nothing of that id is set aside", code="nothing-set-aside")
    text = "set aside again" if arguments.undo else "released; the file stays here"
    print(json.dumps({"study": study}) if arguments.json else text)
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    until = SystemClock().now() + dt.timedelta(minutes=arguments.minutes)
    return _hold(arguments, until)


def _resume(arguments: argparse.Namespace) -> int:
    return _hold(arguments, None)


def _hold(arguments: argparse.Namespace, until: dt.datetime | None) -> int:
    def change(conn: sa.Connection) -> None:
        act = "hold-line" if until else "free-line"
        _note(conn, "line:county", act, {"held_until": until.isoformat()} if until else None)
        hold_line(conn, until, by=_OPERATOR)

    _write(arguments, change)
    told = until.astimezone().isoformat(timespec="minutes") if until else None
    if arguments.json:
        print(json.dumps({"held_until": told}))
    else:
        passes = "heartbeats, orders and registrations pass, in a trickle"
        print(f"no image goes before {told}; {passes}" if told else "the line is free")
    return 0


def _minutes(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= HOLD_MOST_MINUTES:
        return int(text)
    raise argparse.ArgumentTypeError(f"minutes are 1 to {HOLD_MOST_MINUTES}")


def _note(conn: sa.Connection, subject: str, act: str, told: dict[str, str] | None = None) -> None:
    entry = AuditEntry(
        at=SystemClock().now(),
        event=AuditEvent.CHANGED,
        username=_OPERATOR,
        subject=subject,
        detail={"act": act} | (told or {}),
    )
    record(conn, _CHAIN, entry)


def _write(arguments: argparse.Namespace, change: Callable[[sa.Connection], T]) -> T:
    async def run() -> T:
        home = Home(arguments.home.absolute())
        async with opened_database(home, settings_of(arguments)) as database:
            return await database.write(change)

    return asyncio.run(run())


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
    if len(rows) == _SHOWN:
        print(f"these are the first {_SHOWN}; there may be more", file=sys.stderr)
    return 0
