"""``yilian db rebuild-index``: a county's index out of what lies on its objects' disk."""

import argparse
import asyncio
from pathlib import Path
from typing import Final

from imaging.archive.rebuilding import Rebuilder, Rebuilt
from kernel.clock import SystemClock
from kernel.dicom.decode_pool import DecodePool
from kernel.errors import Conflict, Invalid
from kernel.identifiers import InstitutionCode
from kernel.sql.db import Database, parse_url
from kernel.sql.migrate import migrate
from yilian.commands.integrity import county_home, store_of
from yilian.commands.nodes import add_home
from yilian.wiring import tables

_SHOWN: Final = 100


def add(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare ``rebuild-index``."""
    making = acts.add_parser(
        "rebuild-index",
        help="make a new database with the index of a county's objects, where the old one is lost",
        epilog="example: yilian db rebuild-index --home /srv/yilian --into /srv/new.sqlite",
    )
    making.add_argument(
        "--into",
        required=True,
        metavar="DB",
        help="a new file, or postgresql://... of an empty database",
    )
    making.add_argument(
        "--institution",
        default="",
        metavar="CODE",
        help="whose the objects are that the register beside them does not know",
    )
    add_home(making)
    making.set_defaults(run=_rebuild)


def _rebuild(arguments: argparse.Namespace) -> int:
    home = county_home(arguments)
    store_of(home)
    url = _new_database(arguments.into)
    institution = str(InstitutionCode.parse(arguments.institution)) if arguments.institution else ""

    async def make() -> Rebuilt:
        tables.load()
        await migrate(url)
        database = await Database.open(url)
        try:
            with DecodePool() as decoder:
                return await Rebuilder(
                    database, home.objects, decoder, SystemClock(), institution=institution
                ).run()
        finally:
            await database.close()

    done = asyncio.run(make())
    lost = [
        *(f"object {key} is missing" for key in done.missing),
        *(f"object {key} is damaged" for key in done.damaged),
        *(f"object {key}: say --institution whose it is" for key in done.of_nobody),
    ]
    for each in lost[:_SHOWN]:
        print(f"BAD  {each}")
    print(
        f"{done.filed} objects filed, {done.unregistered} of them unregistered, {done.hidden} do "
        f"not count, {len(lost)} left out"
    )
    print("accounts, orders and the trail are not in objects: take them from a copy of the rows")
    return 1 if lost else 0


def _new_database(told: str) -> str:
    if "://" in told:
        return parse_url(told).render_as_string(hide_password=False)
    path = Path(told).absolute()
    if path.exists():
        raise Conflict(f"{path} exists already", code="file-exists")
    if not path.parent.is_dir():
        raise Invalid(f"{path.parent} is no folder")
    return f"sqlite:///{path}"
