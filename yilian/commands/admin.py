"""``yilian admin``: institutions, people, machines, peers, tokens, townships, routing rules."""

import argparse
import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from kernel.errors import Conflict, Missing
from kernel.identity import ApplicationEntity, Institution, InstitutionKind, PrincipalKind, Role
from yilian.commands import examinations, hl7, routes, set_aside, township
from yilian.commands.nodes import add_home, settings_of
from yilian.commands.shown import show
from yilian.wiring.homes import Home
from yilian.wiring.offline import administration

_Act: TypeAlias = Callable[[Administration, argparse.Namespace], Awaitable[object]]
_EXAMPLE: Final = """examples:
  yilian admin --home H institution add qingshan "青山卫生院" --kind township
  yilian admin --home H user add lijing "李静" --institution qingshan --role technician
  yilian admin --home H ae add CT_QS qingshan --host 10.1.2.3 --charset GB18030
  yilian admin --home H ae add ARCHIVE2 county-hospital --host 10.1.2.9 --port 11112 --may-query
  yilian admin --home H hl7 add HIS qingshan --from 10.1.2.3
  yilian admin --home H token add qingshan-node --label "forwarder" --days 365
  yilian admin --home H routes explain image.dcm
  yilian admin --home H examinations import items.toml --institution qingshan
  yilian admin --home H township invite qingshan
  yilian admin --home H set-aside list
"""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and what stands below it."""
    verb = verbs.add_parser(
        "admin",
        help="institutions, users, AE titles, tokens, townships, routing rules",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_home(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")
    below = verb.add_subparsers(dest="what", metavar="WHAT", required=True)
    _institutions(below.add_parser("institution", help="houses of the community"))
    _users(below.add_parser("user", help="accounts of people and machines"))
    _peers(below.add_parser("ae", help="DICOM peers"))
    _tokens(below.add_parser("token", help="bearer tokens"))
    hl7.add(below.add_parser("hl7", help="systems that send HL7 v2 messages"))
    examinations.add(below.add_parser("examinations", help="what an institution can examine"))
    routes.add(below.add_parser("routes", help="check or explain the routing rules"))
    township.add_admin(
        below.add_parser("township", help="nodes of townships: invite, withdraw, list, revoke")
    )
    set_aside.add(
        below.add_parser("set-aside", help="images that came and could not be filed: list, export")
    )
    key = below.add_parser("key", help="print this node's public key, for a township's settings")
    key.set_defaults(run=_print_key)


def _print_key(arguments: argparse.Namespace) -> int:
    print(Home(arguments.home.absolute()).public_key())
    return 0


def _institutions(verb: argparse.ArgumentParser) -> None:
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser("add", help="add one; --change where there is one of that code")
    one.add_argument("--change", action="store_true", help="change the one of that code")
    one.add_argument("code")
    one.add_argument("name")
    one.add_argument("--kind", choices=[k.value for k in InstitutionKind], required=True)
    one.add_argument("--parent", help="code of the institution it belongs to")
    one.add_argument("--phone", default="")
    _does(one, _put_institution)
    _does(acts.add_parser("list", help="list them"), lambda a, _: a.institutions())


def _users(verb: argparse.ArgumentParser) -> None:
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser("add", help="add one; a random password is printed once")
    one.add_argument("username")
    one.add_argument("display_name")
    one.add_argument("--institution", required=True)
    one.add_argument(
        "--role", choices=[r.value for r in Role], action="append", default=[], dest="roles"
    )
    one.add_argument("--machine", action="store_true", help="a machine: no password, tokens only")
    _does(one, _create_account)
    _does(acts.add_parser("list", help="list them"), lambda a, _: a.accounts())
    roles = acts.add_parser("roles", help="give an account these roles and no others")
    roles.add_argument("username")
    roles.add_argument(
        "--role", choices=[r.value for r in Role], action="append", default=[], dest="roles"
    )
    _does(roles, lambda a, n: a.set_roles(OPERATOR, n.username, frozenset(map(Role, n.roles))))
    for act, text, call in (
        ("password", "a new random password, printed once", _new_password),
        ("disable", "close an account", lambda a, n: a.disable(OPERATOR, n.username)),
        ("enable", "open it again", lambda a, n: a.enable(OPERATOR, n.username)),
        ("unlock", "forget failed sign-ins", lambda a, n: a.unlock(OPERATOR, n.username)),
    ):
        other = acts.add_parser(act, help=text)
        other.add_argument("username")
        _does(other, call)


def _peers(verb: argparse.ArgumentParser) -> None:
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser("add", help="add one; --change where there is one of that title")
    one.add_argument("--change", action="store_true", help="change the one of that title")
    one.add_argument("ae_title")
    one.add_argument("institution")
    one.add_argument(
        "--host",
        default="",
        help="address or network it calls from, from nowhere else; a name is only called back",
    )
    one.add_argument(
        "--port",
        type=int,
        default=0,
        help="where it listens; with a host, images may be sent there (C-MOVE destination)",
    )
    one.add_argument("--charset", default="", help="what its text really is, such as GB18030")
    one.add_argument("--max-associations", type=int, default=8)
    one.add_argument(
        "--may-query",
        action="store_true",
        help="may ask what is here (C-FIND) and have it sent (C-MOVE, C-GET)",
    )
    one.add_argument("--no-store", action="store_true")
    one.add_argument("--tls", action="store_true", help="only over TLS")
    _does(one, _put_peer)
    _does(acts.add_parser("list", help="list them"), lambda a, _: a.peers())
    gone = acts.add_parser("remove", help="forget one")
    gone.add_argument("ae_title")
    _does(gone, lambda a, n: a.remove_peer(OPERATOR, n.ae_title))


def _tokens(verb: argparse.ArgumentParser) -> None:
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser("add", help="make one for an account; printed once")
    one.add_argument("username")
    one.add_argument("--label", required=True)
    one.add_argument("--days", type=int, help="valid for so long; without it, until revoked")
    _does(one, _create_token)
    _does(acts.add_parser("list", help="list them, without their secrets"), lambda a, _: a.tokens())
    gone = acts.add_parser("revoke", help="make one invalid")
    gone.add_argument("id")
    _does(gone, lambda a, n: a.revoke_token(OPERATOR, n.id))


def _does(verb: argparse.ArgumentParser, act: _Act) -> None:
    def run(arguments: argparse.Namespace) -> int:
        made = asyncio.run(_with_database(arguments, act))
        show(made, as_json=arguments.json)
        return 0

    verb.set_defaults(run=run)


async def _with_database(arguments: argparse.Namespace, act: _Act) -> object:
    async with administration(arguments.home.absolute(), settings_of(arguments)) as opened:
        return await act(opened, arguments)


async def _put_institution(admin: Administration, asked: argparse.Namespace) -> None:
    kind = InstitutionKind(asked.kind)
    known = {one.code for one in await admin.institutions()}
    _new_unless_asked(asked.code in known, asked, asked.code)
    made = Institution(asked.code, asked.name, kind, asked.parent, asked.phone)
    await admin.put_institution(OPERATOR, made)


async def _create_account(admin: Administration, asked: argparse.Namespace) -> dict[str, str]:
    kind = PrincipalKind.MACHINE if asked.machine else PrincipalKind.PERSON
    made = await admin.create_account(
        OPERATOR,
        NewAccount(
            asked.username,
            asked.display_name,
            asked.institution,
            frozenset(map(Role, asked.roles)),
            kind,
            must_change_password=kind is PrincipalKind.PERSON,
        ),
    )
    return {"username": made.account.username, "password": made.password}


async def _new_password(admin: Administration, asked: argparse.Namespace) -> dict[str, str]:
    password = await admin.set_password(OPERATOR, asked.username)
    return {"username": asked.username, "password": password}


def _new_unless_asked(known: bool, asked: argparse.Namespace, name: str) -> None:  # noqa: FBT001
    if known and not asked.change:
        raise Conflict(f"{name} is there already: --change to change it", code="already-there")
    if asked.change and not known:
        raise Missing(f"there is no {name} to change: add it without --change", code="not-there")


async def _put_peer(admin: Administration, asked: argparse.Namespace) -> None:
    known = {peer.ae_title for peer in await admin.peers()}
    _new_unless_asked(asked.ae_title in known, asked, asked.ae_title)
    peer = ApplicationEntity(
        asked.ae_title,
        asked.institution,
        host=asked.host,
        port=asked.port,
        max_associations=asked.max_associations,
        charset_hint=asked.charset,
        may_store=not asked.no_store,
        may_query=asked.may_query,
        tls_required=asked.tls,
    )
    await admin.put_peer(OPERATOR, peer)


async def _create_token(admin: Administration, asked: argparse.Namespace) -> dict[str, str]:
    days = None if asked.days is None else dt.timedelta(days=asked.days)
    made = await admin.create_token(OPERATOR, asked.username, label=asked.label, valid_for=days)
    return {"id": made.info.id, "token": made.token}
