"""``yilian admin hl7``: who may send messages, what waits to go out, and a trial message."""

# What runs a role declares these words, too, and must not wait for the door's rooms: they are
# imported where they are used.
# ruff: noqa: PLC0415

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kernel.clock import SystemClock
from kernel.errors import Conflict, Invalid, Missing
from kernel.settings import NodeKind, Settings
from yilian.commands.nodes import settings_of
from yilian.wiring.homes import Home

if TYPE_CHECKING:
    from gateway.hl7.peers import PeerBook
    from kernel.identity import Principal

_CHAIN: Final = "command-line"
_Act = Callable[["PeerBook", argparse.Namespace], Awaitable[object]]


def add(verb: argparse.ArgumentParser) -> None:
    """Declare the acts below ``yilian admin hl7``."""
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser(
        "add", help="add a sending system; --change where there is one of these names"
    )
    _names(one)
    one.add_argument("institution", help="code of the institution its messages are about")
    one.add_argument("--change", action="store_true", help="change the one of these names")
    one.add_argument(
        "--from",
        action="append",
        default=[],
        dest="networks",
        required=True,
        metavar="ADDRESS",
        help="address or network it sends from, from nowhere else; may be given again",
    )
    one.add_argument("--charset", default="", help="what its text really is, such as GB18030")
    one.add_argument(
        "--ack",
        choices=["message", "original"],
        default="message",
        help="as each message asks in MSH-15 and MSH-16, or always in original mode",
    )
    one.add_argument("--processing", default="P", help="which of P, T and D are taken")
    one.add_argument("--host", default="", help="where enhanced mode's second answers go")
    one.add_argument("--port", type=int, default=0)
    one.add_argument("--tls", action="store_true", help="call it over TLS")
    _does(one, _put)
    _does(acts.add_parser("list", help="list them"), lambda book, _: book.peers())
    gone = acts.add_parser("remove", help="forget one, and what waits for it")
    _names(gone)
    _does(gone, lambda book, n: book.remove(_operator(), n.application, n.facility))
    _does(acts.add_parser("waiting", help="what waits to go out"), _waiting)
    sent = acts.add_parser("send", help="send a message in a file to a peer and print its answer")
    sent.add_argument("file", type=Path)
    sent.add_argument("host")
    sent.add_argument("port", type=int)
    sent.add_argument("--tls", action="store_true")
    sent.add_argument("--within", type=float, default=30.0, metavar="SECONDS")
    sent.set_defaults(run=_send)


def _names(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("application", help="MSH-3 of its messages")
    verb.add_argument("--facility", default="", help="MSH-4 of its messages; any without it")


def _does(verb: argparse.ArgumentParser, act: _Act) -> None:
    verb.set_defaults(run=partial(_run, act=act))


def _run(arguments: argparse.Namespace, *, act: _Act) -> int:
    from yilian.commands.shown import show

    home = Home(arguments.home.absolute())
    if home.kind() is not NodeKind.COUNTY:
        raise Invalid(f"{home.root} is no county's home", code="no-such-home")
    show(asyncio.run(_acted(home, settings_of(arguments), arguments, act)), as_json=arguments.json)
    return 0


async def _acted(
    home: Home, settings: Settings, arguments: argparse.Namespace, act: _Act
) -> object:
    from gateway.hl7.peers import PeerBook
    from yilian.wiring.offline import opened_database

    async with opened_database(home, settings) as database:
        return await act(PeerBook(database, SystemClock(), chain=_CHAIN), arguments)


async def _put(book: "PeerBook", asked: argparse.Namespace) -> None:
    from gateway.hl7.model import AckMode, Peer

    peer = Peer(
        application=asked.application,
        facility=asked.facility,
        institution=asked.institution,
        networks=tuple(asked.networks),
        charset=asked.charset,
        mode=AckMode(asked.ack),
        processing=asked.processing,
        host=asked.host,
        port=asked.port,
        tls=asked.tls,
    )
    known = {one.key for one in await book.peers()}
    if peer.key in known and not asked.change:
        raise Conflict(f"{peer.key} is there already: --change to change it", code="already-there")
    if asked.change and peer.key not in known:
        raise Missing(f"there is no {peer.key} to change", code="not-there")
    await book.put(_operator(), peer)


async def _waiting(book: "PeerBook", _asked: argparse.Namespace) -> object:
    return [
        {
            "id": one.id,
            "to": f"{one.peer.application} {one.peer.host}:{one.peer.port}",
            "failures": one.failures,
            "reason": one.reason,
            "set_aside": one.set_aside,
        }
        for one in await book.waiting()
    ]


def _send(arguments: argparse.Namespace) -> int:
    from gateway.hl7.client import exchange
    from yilian.wiring.hl7_door import calling_tls

    try:
        message = arguments.file.read_bytes()
    except OSError as exc:
        raise Invalid(f"{arguments.file}: {exc}", code="invalid-file") from exc
    # A file has the line ends of its editor, a message has carriage returns.
    lines = message.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    tls = calling_tls(settings_of(arguments)) if arguments.tls else None
    told = asyncio.run(
        exchange(arguments.host, arguments.port, lines, within_s=arguments.within, tls=tls)
    )
    print(told.message.replace("\r", "\n").rstrip())
    return 0 if told.taken else 1


def _operator() -> "Principal":
    from gateway.accounts.administration import OPERATOR

    return OPERATOR
