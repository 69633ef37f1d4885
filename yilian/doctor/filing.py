"""What a county took and has not filed: set aside, or held in a journal."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Final

from imaging.archive import backlog
from imaging.archive.backlog import AsideCounts
from kernel.journal.writer import Position
from kernel.sql.db import Database
from yilian.doctor.finding import Finding
from yilian.wiring.homes import COUNTY_JOURNALS, Home

HELD_AFTER: Final = dt.timedelta(minutes=5)
_LOOK_AGAIN_S: Final = 3.0
"""Filing what has just come takes less."""


async def filing(address: str, home: Home, now: dt.datetime) -> list[Finding]:
    """Return what is set aside, and each journal the filing has not moved in for minutes."""
    opened = await Database.open(address)
    try:
        found = list(_aside(await opened.read(backlog.aside_counts), home))
        suspects = await _unmoved(opened, home, now)
        if suspects:
            await asyncio.sleep(_LOOK_AGAIN_S)
            again = await _unmoved(opened, home, now)
            found += [_held(name) for name in suspects if again.get(name) == suspects[name]]
        return found
    finally:
        await opened.close()


async def _unmoved(opened: Database, home: Home, now: dt.datetime) -> dict[str, Position]:
    """Return the journals in which something waits and nothing was filed for minutes."""
    found: dict[str, Position] = {}
    for name in COUNTY_JOURNALS:
        filed = await opened.read(partial(backlog.filed, journal=name))
        if filed.at is not None and now - filed.at < HELD_AFTER:
            continue
        left = await asyncio.to_thread(backlog.waiting, home.journal(name), filed.upto)
        if left.objects:
            found[name] = filed.upto
    return found


def _held(journal: str) -> Finding:
    return Finding(
        f"filing of journal {journal}",
        good=False,
        found=f"acknowledged images wait, and none was filed for {HELD_AFTER.seconds // 60} min",
        mend="start the node; where it runs, look for filing.delayed and its reason in its log: "
        "the database or the disk is away, full or damaged, or lacks a table. Nothing is lost, "
        "and all is filed once that is mended",
    )


def _aside(counts: AsideCounts, home: Home) -> Iterator[Finding]:
    if counts.total:
        yield Finding(
            "filing",
            good=False,
            found=f"{counts.total} set aside since {counts.oldest:%Y-%m-%d %H:%M} UTC, "
            f"the newest: {', '.join(counts.newest_reasons)}",
            mend=f"yilian admin --home {home.root} set-aside list tells why; mend that, then "
            f"yilian admin --home {home.root} set-aside retry --all files them from the bytes kept "
            "here. What it cannot read has to be sent again whole; set-aside export ID FOLDER "
            "gives the file",
        )
