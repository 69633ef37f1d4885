"""The database's form, the clock against what it holds, and what in it waits for a person."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa

from gateway.commitment import store
from imaging.archive.blame import cause
from imaging.archive.damaged import Health, health
from kernel.audit.trail import audit_entries
from kernel.errors import PlatformError
from kernel.settings import NodeKind, Settings
from kernel.sql.db import Database, parse_url
from kernel.sql.migrate import pending
from yilian.doctor.filing import filing
from yilian.doctor.finding import Finding
from yilian.wiring import tables
from yilian.wiring.homes import Home, database_url

T = TypeVar("T")

_BEHIND: Final = dt.timedelta(minutes=1)
_WITHIN_S: Final = 10.0


def database(home: Home, settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Yield what the database says of its form and, where that is good, of clock and peers."""
    tables.load()
    url = parse_url(database_url(home, settings))
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        yield Finding("database", good=True, found="none yet: the first start makes it")
        return
    address = url.render_as_string(hide_password=False)
    try:
        behind = asyncio.run(_within(pending(address)))
    except (PlatformError, TimeoutError) as exc:
        yield _unusable(shown, exc)
        return
    yield Finding(
        "database",
        not behind,
        f"{shown}: {len(behind)} changes behind ({', '.join(behind)})" if behind else shown,
        f"end the node, then: yilian db migrate --home {home.root}   (its next start does it, too)",
    )
    if not behind:
        try:
            yield from _inside(home, address, now)
        except (PlatformError, TimeoutError, sa.exc.SQLAlchemyError) as exc:
            yield _unreadable(shown, exc)


def _inside(home: Home, address: str, now: dt.datetime) -> Iterator[Finding]:
    newest = asyncio.run(_within(_newest_entry(address)))
    if newest is not None:
        yield _clock(newest, now)
    yield from _commitments(asyncio.run(_within(_without_address(address))))
    yield from _damaged(asyncio.run(_within(_health(address))), home)
    if home.kind() is NodeKind.COUNTY:
        yield from asyncio.run(_within(filing(address, home, now)))


def _unusable(shown: str, exc: Exception) -> Finding:
    if isinstance(exc, PlatformError) and exc.code == "database-newer":
        found, mend = "made by a newer release", "run that release, or restore the copy before it"
    else:
        detail = exc.detail if isinstance(exc, PlatformError) else f"no answer in {_WITHIN_S:g} s"
        found, mend = detail, "start the database, or mend [database] url and its rights"
    return Finding("database", good=False, found=f"{shown}: {found}", mend=mend)


def _unreadable(shown: str, exc: Exception) -> Finding:
    return Finding(
        "what is in the database",
        good=False,
        found=f"{shown}: {cause(exc)}",
        mend="it is damaged, lacks a table, or refuses the node its rights: mend that, or restore "
        "the newest copy (yilian db restore); images wait meanwhile, and none is lost",
    )


async def _newest_entry(address: str) -> dt.datetime | None:
    opened = await Database.open(address)
    try:
        newest = sa.select(audit_entries.c.at).order_by(audit_entries.c.id.desc()).limit(1)
        return await opened.read(lambda conn: conn.scalar(newest))
    finally:
        await opened.close()


async def _without_address(address: str) -> list[tuple[str, int]]:
    opened = await Database.open(address)
    try:
        return await opened.read(store.without_address)
    finally:
        await opened.close()


async def _health(address: str) -> Health:
    opened = await Database.open(address)
    try:
        return await opened.read(health)
    finally:
        await opened.close()


async def _within(work: Awaitable[T]) -> T:
    async with asyncio.timeout(_WITHIN_S):
        return await work


def _commitments(waiting: list[tuple[str, int]]) -> Iterator[Finding]:
    for title, reports in waiting:
        yield Finding(
            f"storage commitment for {title}",
            good=False,
            found=f"{reports} reports wait: no port is known to call {title} back at",
            mend=f"tell where it listens: yilian admin ae add {title} INSTITUTION --host H --port N"
            "   (with --change where it is listed already); they go out within the hour",
        )


def _damaged(found: Health, home: Home) -> Iterator[Finding]:
    count = sum(found.damaged.values())
    if count:
        yield Finding(
            "stored objects",
            good=False,
            found=f"{count} are damaged",
            mend=f"yilian db damaged --home {home.root}, then yilian db repair --from a copy",
        )


def _clock(newest: dt.datetime, now: dt.datetime) -> Finding:
    return Finding(
        "clock against the trail",
        now >= newest - _BEHIND,
        f"newest entry {newest:%Y-%m-%d %H:%M} UTC",
        "the clock is behind what this node wrote before: set it, best by NTP; after power cuts "
        "look at the machine's battery",
    )
