"""``yilian db``: bring the database to this release's form; copy a node, bring it back, check."""

import argparse
import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kernel.errors import Invalid
from kernel.settings import NodeKind
from kernel.sql.db import Database, parse_url
from kernel.sql.migrate import migrate
from yilian.commands import integrity, rebuild
from yilian.commands.nodes import add_home, settings_of
from yilian.wiring import tables
from yilian.wiring.database_copy import DUMP_SUFFIX
from yilian.wiring.home_copy import copy_home, copy_rows, restore_home
from yilian.wiring.homes import Home, database_url
from yilian.wiring.object_check import objects_missing

_SHOWN: Final = 100
_SQLITE_SUFFIX: Final = ".sqlite"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "db",
        help="the database: migrate, backup, restore, verify, damaged, repair, rebuild-index",
        epilog="example: yilian db verify --home /srv/yilian",
    )
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    up = acts.add_parser(
        "migrate",
        help="bring it to this release's form (a node does so at its start)",
        epilog="example: yilian db migrate --home /srv/yilian",
    )
    up.add_argument(
        "--kind",
        choices=[kind.value for kind in NodeKind],
        help="make the home first, where there is none yet",
    )
    copy = acts.add_parser(
        "backup",
        help="copy a node while it runs: into a folder all of it, into a file its database",
        epilog="example: yilian db backup --home /srv/yilian --to /mnt/backup/county",
    )
    copy.add_argument(
        "--to",
        type=Path,
        required=True,
        help="a folder (begun again it copies what is new), or a new file ending in .sqlite "
        "(PostgreSQL: .dump)",
    )
    back = acts.add_parser(
        "restore",
        help="make a new home from a folder `backup` made, and verify it",
        epilog="example: yilian db restore --home /srv/new --from /mnt/backup/county",
    )
    back.add_argument("--from", type=Path, required=True, dest="copy", help="what `backup` made")
    check = acts.add_parser(
        "verify",
        help="check its pages, keys and object files, and with --objects what is in them",
        epilog="example: yilian db verify --home /srv/yilian",
    )
    integrity.add_objects(check)
    integrity.add_damaged(acts)
    integrity.add_repair(acts)
    rebuild.add(acts)
    for one, run in ((up, _migrate), (copy, _backup), (back, _restore), (check, _verify)):
        add_home(one)
        one.set_defaults(run=run)


def _migrate(arguments: argparse.Namespace) -> int:
    tables.load()
    home = Home(arguments.home.absolute())
    if home.kind() is None and arguments.kind:
        Home.prepare(arguments.home, NodeKind(arguments.kind))
    url = database_url(home, settings_of(arguments))
    done = asyncio.run(migrate(url))
    print(f"ran {', '.join(done)}" if done else "nothing to do")
    return 0


def _url(arguments: argparse.Namespace) -> sa.URL:
    return parse_url(database_url(Home(arguments.home.absolute()), settings_of(arguments)))


def _sqlite(arguments: argparse.Namespace) -> Path | None:
    """Return the node's SQLite file; None where its rows are on PostgreSQL."""
    url = _url(arguments)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _backup(arguments: argparse.Namespace) -> int:
    url, target = _url(arguments), arguments.to
    if target.suffix in (_SQLITE_SUFFIX, DUMP_SUFFIX):
        fits = _SQLITE_SUFFIX if url.get_backend_name() == "sqlite" else DUMP_SUFFIX
        if target.suffix != fits:
            raise Invalid(f"rows of this node are copied into a file ending in {fits}")
        copy_rows(url, target)
        print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, the database alone")
        return 0
    copied = copy_home(Home(arguments.home.absolute()), target, url=url)
    print(f"{target}: {copied.new} new files; it holds keys: keep it as closed as the node")
    count, missing = asyncio.run(_objects(arguments, copy=target))
    return _tell(count, copied.unreadable + missing)


def _restore(arguments: argparse.Namespace) -> int:
    home = restore_home(arguments.copy, arguments.home.absolute())
    print(f"{home.root} is a {home.kind()} again, with a node id of its own")
    return _verify(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    source = _sqlite(arguments)
    faults = _pages(source) if source is not None else []
    count = 0
    if source is None or source.is_file():
        count, missing = asyncio.run(_objects(arguments))
        faults += missing
    if getattr(arguments, "objects", False):
        read, damaged = integrity.verify_objects(arguments)
        print(f"{read} objects read")
        faults += damaged
    return _tell(count, faults)


def _tell(count: int, faults: list[str]) -> int:
    for fault in faults[:_SHOWN]:
        print(f"BAD  {fault}")
    print(f"{count} objects looked up, {len(faults)} faults")
    return 1 if faults else 0


def _pages(source: Path) -> list[str]:
    if not source.is_file():
        return [f"{source} is missing"]
    with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as conn:
        try:
            rows = conn.execute("PRAGMA integrity_check").fetchall()
            orphans = conn.execute("PRAGMA foreign_key_check").fetchall()
        except sqlite3.DatabaseError as exc:
            return [f"{source}: {exc}"]
    return [
        *(str(row[0]) for row in rows if row[0] != "ok"),
        *(f"foreign key: {row}" for row in orphans),
    ]


async def _objects(
    arguments: argparse.Namespace, *, copy: Path | None = None
) -> tuple[int, list[str]]:
    """Return how many objects rows name, and what is wrong with which in the node or its *copy*."""
    home, count = Home(arguments.home.absolute()), 0
    faults: list[str] = []
    # Not brought up to date first: a check changes nothing.
    database = await Database.open(database_url(home, settings_of(arguments)))
    try:
        folder, newer = (home.objects, None) if copy is None else (copy / "objects", home.objects)
        async for looked_up, wrong in objects_missing(database, folder, newer=newer):
            count += looked_up
            faults += wrong
    finally:
        await database.close()
    return count, faults
