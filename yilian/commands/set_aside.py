"""``yilian admin set-aside``: what a county took and could not file: shown, filed, given out."""

import argparse
import asyncio
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from imaging.archive.backlog import AsideObject, aside
from imaging.archive.examine import Examiner
from imaging.archive.objects import pieces
from imaging.archive.refiling import OPEN_STILL, Refiled, Refiler
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import SystemClock
from kernel.dicom.decode_pool import DecodePool
from kernel.errors import Invalid, Missing
from yilian.commands.integrity import county_home, store_of
from yilian.commands.nodes import settings_of
from yilian.commands.shown import show
from yilian.commands.spool import copy_out
from yilian.wiring.context import AeCharsets
from yilian.wiring.offline import opened_database

_CHAIN: Final = "command-line"
_OPERATOR: Final = "operator"


def add(verb: argparse.ArgumentParser) -> None:
    """Declare what stands below ``set-aside``."""
    verb.epilog = "example: yilian admin set-aside list"
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    listing = acts.add_parser(
        "list",
        help="list the newest 500: reason, sender, time",
        epilog="example: yilian admin --home /srv/yilian set-aside list",
    )
    listing.set_defaults(run=_list)
    again = acts.add_parser(
        "retry",
        help="file it again from the bytes kept here, once what hindered it is mended; exit code 1 "
        "while anything stays aside",
        epilog="example: yilian admin --home /srv/yilian set-aside retry --all",
    )
    again.add_argument("which", nargs="?", default="", metavar="UID", help="or the id of the list")
    again.add_argument("--all", action="store_true", help="all that is open")
    again.set_defaults(run=_retry)
    out = acts.add_parser(
        "export",
        help="write one as it came into a folder; stands in the trail",
        epilog="example: yilian admin --home /srv/yilian set-aside export 12 odd",
    )
    out.add_argument("id", type=int)
    out.add_argument("folder", type=Path)
    out.set_defaults(run=_export)


def _list(arguments: argparse.Namespace) -> int:
    home, settings = county_home(arguments), settings_of(arguments)

    async def read() -> list[AsideObject]:
        async with opened_database(home, settings) as database:
            return await database.read(aside)

    show(asyncio.run(read()), as_json=arguments.json)
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    if bool(arguments.which) == arguments.all:
        raise Invalid("name one UID or id, or say --all")
    home, settings = county_home(arguments), settings_of(arguments)
    store = store_of(home)

    async def file_again() -> list[Refiled]:
        async with opened_database(home, settings) as database:
            charsets = AeCharsets(database)
            await charsets.load()
            with DecodePool() as decoder:
                examiner = Examiner(
                    decoder=decoder, charset_hint=lambda arrival: charsets(arrival.sender)
                )
                refiler = Refiler(database, store, examiner, SystemClock(), chain=_CHAIN)
                return await refiler.file_again(arguments.which)

    done = asyncio.run(file_again())
    show(done, as_json=arguments.json)
    return 1 if any(one.outcome in OPEN_STILL for one in done) else 0


def _export(arguments: argparse.Namespace) -> int:
    home, settings = county_home(arguments), settings_of(arguments)
    store = store_of(home)

    async def leave() -> AsideObject:
        async with opened_database(home, settings) as database:
            return await database.write(partial(_give_out, which=arguments.id))

    one = asyncio.run(leave())
    arguments.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = arguments.folder / f"set-aside-{one.id}.dcm"
    with store.open(one.object_key) as source:
        copy_out(path, pieces(source))
    show({"file": str(path)}, as_json=arguments.json)
    return 0


def _give_out(conn: sa.Connection, *, which: int) -> AsideObject:
    """Return the object of the row *which*, once the trail says that it leaves."""
    found = [one for one in aside(conn, which=which) if one.object_key]
    if not found:
        raise Missing("nothing of that id is set aside with its bytes", code="nothing-set-aside")
    one = found[0]
    subject = f"study:{one.study_instance_uid}" if one.study_instance_uid else ""
    entry = AuditEntry(
        at=SystemClock().now(),
        event=AuditEvent.EXPORTED,
        username=_OPERATOR,
        subject=subject or f"object:{one.object_key}",
        detail={"act": "export-aside", "id": one.id, "code": one.reason},
    )
    record(conn, _CHAIN, entry)
    return one
