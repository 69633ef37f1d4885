"""``yilian db verify --objects``, ``damaged``, ``repair``: what a county's disk has kept."""

import argparse
import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from imaging.archive.damaged import DamagedObject, damaged
from imaging.archive.mending import GoodCopies, Mended, Mender
from imaging.archive.object_truth import Pace
from imaging.archive.objects import check_key
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.scrubbing import Looked, Scrubber, SteadyPace, unhurried
from kernel.clock import SystemClock
from kernel.dicom.decode_pool import DecodePool
from kernel.errors import Invalid, Missing, Unsupported
from kernel.settings import NodeKind
from kernel.sql.db import Database
from yilian.commands.nodes import add_home, kind_of, settings_of
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

CHAIN: Final = "command-line"
_MEGABYTE: Final = 1_000_000


def add_objects(check: argparse.ArgumentParser) -> None:
    """Let ``verify`` read objects, too."""
    check.add_argument(
        "--objects",
        action="store_true",
        help="also read every object of a county and compare its digest; what is damaged is "
        "written down (yilian db damaged)",
    )
    check.add_argument(
        "--rate", type=float, metavar="MB/S", help="read no more than that, beside a node at work"
    )


def add_damaged(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare ``damaged``."""
    listing = acts.add_parser(
        "damaged",
        help="list the objects a scrub or `verify --objects` found damaged",
        epilog="example: yilian db damaged --home /srv/yilian",
    )
    listing.add_argument("--mended", action="store_true", help="also what is whole again")
    add_home(listing)
    listing.set_defaults(run=_damaged)


def county_home(arguments: argparse.Namespace) -> Home:
    """Return the home of the county that is asked about.

    Raises:
        Unsupported: it is a township's.
        Missing: there is none.
    """
    if kind_of(arguments) is not NodeKind.COUNTY:
        raise Unsupported("only a county keeps objects for good; a township's go after a while")
    return Home(arguments.home.absolute())


def store_of(home: Home) -> FileObjectStore:
    """Return the objects of *home*; raises ``Missing`` where its folder is not there."""
    if not home.objects.is_dir():
        raise Missing(f"{home.objects} is not there: is its disk mounted?", code="no-objects")
    return FileObjectStore(home.objects)


def verify_objects(arguments: argparse.Namespace) -> tuple[int, list[str]]:
    """Read every object; return how many there are, and a line for each damaged one."""
    clock = SystemClock()
    pace: Pace = unhurried
    if arguments.rate is not None:
        if not arguments.rate > 0:
            raise Invalid("--rate is above 0")
        pace = SteadyPace(max(1, int(arguments.rate * _MEGABYTE)), clock)
    home = county_home(arguments)
    objects, settings = store_of(home), settings_of(arguments)

    async def read_all() -> Looked:
        async with opened_database(home, settings) as database:
            with DecodePool() as decoder:
                scrubber = Scrubber(database, objects, decoder, clock, pace=pace, chain=CHAIN)
                return await scrubber.look_at_all()

    looked = asyncio.run(read_all())
    return looked.objects, [f"object {each.key}: {each.damage}" for each in looked.damaged]


def _damaged(arguments: argparse.Namespace) -> int:
    home, settings = county_home(arguments), settings_of(arguments)

    async def read() -> Sequence[DamagedObject]:
        async with opened_database(home, settings) as database:
            return await all_damaged(database, mended=arguments.mended)

    found = asyncio.run(read())
    for each in found:
        mended = f"  {each.mended_by} {each.mended_at:%Y-%m-%d %H:%M}" if each.mended_at else ""
        place = f"study {each.study_instance_uid}" if each.study_instance_uid else "no study"
        print(
            f"{each.object_key}  {each.kind}  since {each.found_at:%Y-%m-%d %H:%M}  "
            f"{place}  {each.institution}{mended}"
        )
    open_ones = sum(1 for each in found if each.mended_at is None)
    print(f"{open_ones} damaged" if open_ones else "nothing is damaged")
    return 1 if open_ones else 0


def add_repair(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare ``repair``."""
    mending = acts.add_parser(
        "repair",
        help="put good copies in the place of damaged objects",
        epilog="example: yilian db repair --home /srv/yilian --from /mnt/backup/county",
    )
    mending.add_argument(
        "--from",
        type=Path,
        required=True,
        dest="copies",
        metavar="DIR",
        help="a folder `backup` made, the home of another node (county or township), or objects",
    )
    mending.add_argument(
        "--key", action="append", metavar="KEY", help="only this object; may be said again"
    )
    add_home(mending)
    mending.set_defaults(run=_repair)


def _repair(arguments: argparse.Namespace) -> int:
    home, settings = county_home(arguments), settings_of(arguments)
    objects = store_of(home)
    copies = GoodCopies.at(arguments.copies, not_of=home.objects)

    async def mend() -> dict[str, Mended]:
        async with opened_database(home, settings) as database:
            found = [each.object_key for each in await all_damaged(database)]
            keys = [check_key(each) for each in arguments.key or found]
            with DecodePool() as decoder:
                mender = Mender(database, objects, decoder, SystemClock(), chain=CHAIN)
                return {key: await mender.mend(key, copies) for key in keys}

    done = asyncio.run(mend())
    for key, result in done.items():
        print(f"{key}  {result}")
    left = sum(1 for result in done.values() if result in {Mended.ABSENT, Mended.DIFFERS})
    print(f"{len(done) - left} of {len(done)} mended" if done else "nothing is damaged")
    return 1 if left else 0


async def all_damaged(database: Database, *, mended: bool = False) -> list[DamagedObject]:
    """Return every damage, the first found first."""
    found: list[DamagedObject] = []
    after = 0
    while page := await database.read(partial(damaged, after=after, mended=mended)):
        found += page
        after = page[-1].id
    return found
