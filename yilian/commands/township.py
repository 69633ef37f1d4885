"""``yilian township enrol`` at the township, ``yilian admin township`` at the county."""

# What runs a role declares these words, too, and must not wait for the exchange's rooms: they are
# imported where they are used.
# ruff: noqa: PLC0415

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kernel.clock import SystemClock
from kernel.errors import Invalid
from kernel.settings import NodeKind, Settings
from yilian.wiring.homes import Home

if TYPE_CHECKING:
    from gateway.exchange.enrolment import Enrolment

_CHAIN = "command-line"
_Act = Callable[["Enrolment", argparse.Namespace], Awaitable[object]]


def add_enrol(verb: argparse.ArgumentParser) -> None:
    """Declare what stands below ``yilian township``; without it the node runs."""
    acts = verb.add_subparsers(dest="act", metavar="[enrol]")
    one = acts.add_parser(
        "enrol",
        help="make this box a node of its county, once",
        epilog="example: yilian township enrol 7KQM-2FXR-9TWD-HB4C "
        "--county https://yilian.example --home /srv/yilian",
    )
    one.add_argument("code", help="as `yilian admin township invite` printed it at the county")
    one.add_argument("--county", required=True, metavar="URL", help="the county's address")
    # Kept back where it is not given, so that one before the word stays.
    one.add_argument("--home", type=Path, default=argparse.SUPPRESS, metavar="DIR")
    one.add_argument("--ca-file", default="", help="the authority of the county's certificate")
    one.add_argument("--allow-unencrypted", action="store_true", help="also over plain http://")
    one.set_defaults(run=_enrol)


def _enrol(arguments: argparse.Namespace) -> int:
    from yilian.wiring.enrolment import check_url, enrol

    url = check_url(arguments.county, unencrypted=arguments.allow_unencrypted)
    ca_file = str(Path(arguments.ca_file).resolve()) if arguments.ca_file else ""
    home = Home.prepare(arguments.home, NodeKind.TOWNSHIP)
    settings = Settings.load(NodeKind.TOWNSHIP, file=home.settings_file)
    made = asyncio.run(enrol(home, settings, arguments.code, url=url, ca_file=ca_file))
    told = made.enrolled
    print(f"this node: {told.node} of {told.institution_name} ({told.institution})")
    print(f"its county: {told.county_name}, {url}")
    print(f"start it, or start it anew if it runs: yilian township --home {home.root}")
    print("(installed as a service: systemctl restart yilian-township)")
    return 0


def add_admin(verb: argparse.ArgumentParser) -> None:
    """Declare what stands below ``yilian admin township``."""
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser("invite", help="a code that makes one node within 24 hours, shown once")
    one.add_argument("institution", help="code of the institution the node will speak for")
    _does(one, _invite)
    listed = acts.add_parser("list", help="the nodes, and with --invitations the codes' fate")
    listed.add_argument("--invitations", action="store_true")
    _does(listed, _list)
    back = acts.add_parser("withdraw", help="take back a code that nobody has used")
    back.add_argument("id", help="as `invite` and `list --invitations` show it")
    _does(back, _withdraw)
    gone = acts.add_parser("revoke", help="let a node go; it is out with its next request")
    gone.add_argument("id")
    _does(gone, _revoke)


async def _invite(enrolment: "Enrolment", asked: argparse.Namespace) -> object:
    from gateway.accounts.administration import OPERATOR

    return await enrolment.invite(OPERATOR, asked.institution)


async def _withdraw(enrolment: "Enrolment", asked: argparse.Namespace) -> object:
    from gateway.accounts.administration import OPERATOR

    return await enrolment.withdraw(OPERATOR, asked.id)


async def _revoke(enrolment: "Enrolment", asked: argparse.Namespace) -> None:
    from gateway.accounts.administration import OPERATOR

    await enrolment.revoke(OPERATOR, asked.id)


async def _list(enrolment: "Enrolment", asked: argparse.Namespace) -> object:
    return await (enrolment.invitations() if asked.invitations else enrolment.nodes())


def _does(verb: argparse.ArgumentParser, act: _Act) -> None:
    verb.set_defaults(run=partial(_run, act=act))


def _run(arguments: argparse.Namespace, *, act: _Act) -> int:
    from yilian.commands.shown import show

    home = Home(arguments.home.absolute())
    if home.kind() is not NodeKind.COUNTY:
        raise Invalid(f"{home.root} is no county's home", code="no-such-home")
    settings = Settings.load(NodeKind.COUNTY, file=home.settings_file)
    show(asyncio.run(_acted(home, settings, arguments, act)), as_json=arguments.json)
    return 0


async def _acted(
    home: Home, settings: Settings, arguments: argparse.Namespace, act: _Act
) -> object:
    from yilian.wiring.enrolment import county_enrolment
    from yilian.wiring.offline import opened_database

    async with opened_database(home, settings) as database:
        clock = SystemClock()
        enrolment = await county_enrolment(home, settings, database, clock, chain=_CHAIN)
        return await act(enrolment, arguments)
