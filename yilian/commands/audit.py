"""``yilian audit verify``: is the trail of who looked at what still whole?"""

import argparse
import asyncio
import json
from typing import Final

import sqlalchemy as sa

from kernel.audit.heads import check_signed_heads, load_or_make_key, read_signed_heads
from kernel.audit.trail import Fault, heads, verify
from yilian.commands.nodes import add_home, settings_of
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

_WITHIN_S: Final = 3600.0
_MEANING: Final = {
    "changed": "its content is not what was written",
    "missing": "a row is gone",
    "cut-short": "the end of the chain is gone",
    "head-differs": "it is not the row whose hash was signed",
    "signature": "a daily signature is false",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    verb = verbs.add_parser("audit", help="the audit trail")
    acts = verb.add_subparsers(dest="act", metavar="ACT", required=True)
    one = acts.add_parser(
        "verify",
        help="walk every chain and name the first bad row",
        epilog="example: yilian audit verify --home /srv/yilian   (exit code 1 when a row is bad)",
    )
    add_home(one)
    one.add_argument("--json", action="store_true")
    one.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify and return 0 when every chain holds."""
    lengths, faults = asyncio.run(_verify(arguments))
    if arguments.json:
        rows = [{"chain": f.chain, "number": f.number, "what": f.what} for f in faults]
        print(json.dumps({"chains": lengths, "faults": rows}))
    else:
        for chain, length in lengths.items():
            print(f"{chain}: {length} rows")
        for fault in faults:
            print(f"BAD  {fault.chain} row {fault.number}: {_MEANING[fault.what]}")
        print("the trail is whole" if not faults else "the trail has been tampered with")
    return 1 if faults else 0


async def _verify(arguments: argparse.Namespace) -> tuple[dict[str, int], list[Fault]]:
    home = Home(arguments.home.absolute())
    settings = settings_of(arguments)
    key = load_or_make_key(home.secret("audit.pem")).public_key()
    marks, faults = check_signed_heads(read_signed_heads(home.root / "audit"), key)

    def walk(conn: sa.Connection) -> tuple[dict[str, int], list[Fault]]:
        ends = {end.chain: end.number for end in heads(conn)}
        return ends, verify(conn, marks=marks)

    async with opened_database(home, settings) as database:
        ends, found = await database.read(walk, within_s=_WITHIN_S)
    return ends, [*faults, *found]
