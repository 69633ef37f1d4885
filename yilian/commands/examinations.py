"""``yilian admin examinations``: an institution's catalogue of examinations."""

import argparse
import asyncio
from functools import partial
from pathlib import Path

from kernel.clock import SystemClock
from kernel.errors import Invalid, Missing
from kernel.identity import find_institution
from referrals.orders.catalogue_letters import import_catalogue
from referrals.orders.examinations import find_examinations, read_catalogue
from referrals.orders.model import Examination
from yilian.commands.nodes import kind_of, settings_of
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database
from yilian.wiring.orders_letters import catalogue_posts
from yilian.wiring.spellings import NameSpellings


def add(verb: argparse.ArgumentParser) -> None:
    """Declare the acts below ``yilian admin examinations``."""
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    taken = acts.add_parser(
        "import",
        help="make a TOML file an institution's whole catalogue, at its township and the county",
        epilog="example: yilian admin --home H examinations import items.toml "
        "--institution qingshan",
    )
    taken.add_argument("file", type=Path)
    taken.add_argument("--institution", required=True, help="code of the institution")
    taken.set_defaults(run=lambda arguments: asyncio.run(_import(arguments)))
    shown = acts.add_parser("list", help="list an institution's catalogue")
    shown.add_argument("--institution", required=True, help="code of the institution")
    shown.set_defaults(run=lambda arguments: asyncio.run(_list(arguments)))


async def _import(arguments: argparse.Namespace) -> int:
    try:
        text = await asyncio.to_thread(arguments.file.read_text, "utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise Invalid(f"{arguments.file}: {exc}", code="invalid-catalogue") from exc
    rows = read_catalogue(text)
    code, settings = arguments.institution, settings_of(arguments)
    async with opened_database(Home(arguments.home.absolute()), settings) as database:
        if await database.read(partial(find_institution, code=code)) is None:
            raise Missing(code, code="no-such-institution")
        here = settings.node.institution
        write = partial(
            import_catalogue,
            institution=code,
            rows=rows,
            spellings=NameSpellings(),
            node=here,
            post=catalogue_posts(kind_of(arguments), here),
            at=SystemClock().now(),
        )
        await database.write(write)
    print(f"{code}: {len(rows)} examinations")
    return 0


async def _list(arguments: argparse.Namespace) -> int:
    async with opened_database(Home(arguments.home.absolute()), settings_of(arguments)) as database:
        found: list[Examination] = await database.read(
            partial(find_examinations, institution=arguments.institution)
        )
    for row in found:
        mark = "  (example)" if row.example else ""
        print(f"{row.code:<16}  {row.modality:<4}  {row.body_part:<10}  {row.name}{mark}")
    return 0
