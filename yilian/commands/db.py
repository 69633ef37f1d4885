"""``yilian db``: bring the database to this release's form, copy it, check it."""

import argparse
import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from kernel.errors import Conflict, Unsupported
from kernel.sql.db import parse_url
from kernel.sql.migrate import migrate
from yilian.commands.nodes import add_home, settings_of
from yilian.wiring import tables
from yilian.wiring.homes import Home, database_url


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser("db", help="the database: migrate, backup, verify")
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    up = acts.add_parser(
        "migrate",
        help="bring it to this release's form (a node does so at its start)",
        epilog="example: yilian db migrate --home /srv/yilian",
    )
    copy = acts.add_parser(
        "backup",
        help="copy it while the node runs (SQLite; PostgreSQL has pg_dump)",
        epilog="example: yilian db backup --home /srv/yilian --to /mnt/usb/yilian.sqlite",
    )
    copy.add_argument("--to", type=Path, required=True, help="a file that does not exist yet")
    check = acts.add_parser(
        "verify",
        help="check its pages, keys and object files",
        epilog="example: yilian db verify --home /srv/yilian",
    )
    for one, run in ((up, _migrate), (copy, _backup), (check, _verify)):
        add_home(one)
        one.set_defaults(run=run)


def _migrate(arguments: argparse.Namespace) -> int:
    tables.load()
    url = database_url(Home(arguments.home.absolute()), settings_of(arguments))
    done = asyncio.run(migrate(url))
    print(f"ran {', '.join(done)}" if done else "nothing to do")
    return 0


def _sqlite(arguments: argparse.Namespace) -> Path:
    url = parse_url(database_url(Home(arguments.home.absolute()), settings_of(arguments)))
    if url.get_backend_name() != "sqlite":
        raise Unsupported("this is for SQLite; PostgreSQL brings pg_dump and its own checks")
    return Path(url.database or "")


def _backup(arguments: argparse.Namespace) -> int:
    source, target = _sqlite(arguments), arguments.to
    if target.exists():
        raise Conflict(f"{target} exists already", code="file-exists")
    making = target.with_name(f"{target.name}.part")
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(making)) as copy:
        live.backup(copy)
    descriptor = os.open(making, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    making.rename(target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    home = Home(arguments.home.absolute())
    faults: list[str] = []
    with closing(sqlite3.connect(f"file:{_sqlite(arguments)}?mode=ro", uri=True)) as conn:
        faults += [str(row[0]) for row in conn.execute("PRAGMA integrity_check") if row[0] != "ok"]
        faults += [f"foreign key: {row}" for row in conn.execute("PRAGMA foreign_key_check")]
        names = {row[0] for row in conn.execute("SELECT name FROM sqlite_master")}
        count = 0
        if "instance" in names:
            for key, size in conn.execute("SELECT object_key, size_bytes FROM instance"):
                count += 1
                path = home.objects / key
                if not path.is_file():
                    faults.append(f"object {key} is missing")
                elif path.stat().st_size != size:
                    faults.append(f"object {key} has another size")
    for fault in faults[:100]:
        print(f"BAD  {fault}")
    print(f"{count} objects looked up, {len(faults)} faults")
    return 1 if faults else 0
