"""What the demo county is made of: three homes, their settings, institutions and accounts."""

import asyncio
import datetime as dt
import json
import os
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from gateway.accounts import store
from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.model import TokenInfo, digest
from gateway.accounts.passwords import Hasher, random_password
from gateway.accounts.service import SignIns, new_token
from kernel.clock import SystemClock
from kernel.identifiers import new_id
from kernel.identity import Institution, InstitutionKind, Role
from kernel.settings import NodeKind, Settings
from kernel.sql.db import Database
from yilian.wiring.demo_orders import DemoDay, allotted, fill_day
from yilian.wiring.enrolment import county_enrolment
from yilian.wiring.homes import Home, write_secret
from yilian.wiring.offline import opened_database
from yilian.wiring.pairing import Pairing, pair, pairing_of

_CHAIN: Final = "demo"
COUNTY: Final = Institution(
    "county-hospital", "县人民医院", InstitutionKind.COUNTY, phone="0571-00000000"
)
TOWNSHIPS: Final = (
    Institution("qingshan", "青山卫生院", InstitutionKind.TOWNSHIP, COUNTY.code),
    Institution("dahe", "大河卫生院", InstitutionKind.TOWNSHIP, COUNTY.code),
)
_VILLAGES: Final = (Institution("xigou", "西沟村卫生室", InstitutionKind.VILLAGE, "qingshan"),)
"""Their people find and order in the register of the township they belong to."""
_PEOPLE: Final[Sequence[tuple[str, str, str, Role]]] = (
    ("lijing", "李静", "qingshan", Role.TECHNICIAN),
    ("sunyu", "孙玉", "dahe", Role.TECHNICIAN),
    ("wanghai", "王海", COUNTY.code, Role.RADIOLOGIST),
    ("zhaomin", "赵敏", COUNTY.code, Role.SENIOR_RADIOLOGIST),
    ("hexin", "何欣", COUNTY.code, Role.ECG_PHYSICIAN),
    ("lizhiqiang", "李志强", "qingshan", Role.DOCTOR),
    ("tianshui", "田水", "xigou", Role.VILLAGE_DOCTOR),
    ("fengyan", "冯艳", COUNTY.code, Role.WARD),
    ("qinwei", "秦伟", COUNTY.code, Role.EMERGENCY_DESK),
    ("luoli", "罗丽", "qingshan", Role.REGISTRAR),
    ("wangjing", "王静", COUNTY.code, Role.COORDINATOR),
    ("xiaohua", "肖华", COUNTY.code, Role.LABORATORY),
    ("panyun", "潘云", COUNTY.code, Role.CATALOGUE_EDITOR),
    ("gaoshan", "高山", COUNTY.code, Role.MANAGER),
    ("bailu", "白露", COUNTY.code, Role.ASSISTANCE_WORKER),
    ("shenmo", "沈默", COUNTY.code, Role.PRIVACY_OFFICER),
    ("sysadmin", "系统管理员", COUNTY.code, Role.SYSTEM_ADMINISTRATOR),
    ("secadmin", "安全管理员", COUNTY.code, Role.SECURITY_ADMINISTRATOR),
    ("audadmin", "审计管理员", COUNTY.code, Role.AUDIT_ADMINISTRATOR),
    ("chenyu", "陈雨", COUNTY.code, Role.DOCTOR),
)
_ORDERING: Final = {COUNTY.code: "chenyu", "qingshan": "luoli", "dahe": "sunyu"}
"""Who registers and orders on the demo's first day, by institution."""
_RULES: Final = f"""\
# Which studies the county centre reads, and how urgently. docs/reference/routing.md
version = 1
matching = "first"
fallback = [{{ reading-list = "{COUNTY.code}" }}]

[[rule]]
name = "头颅CT一律按急诊"
when.Modality = "CT"
when.BodyPartExamined = ["HEAD", "BRAIN"]
to = [{{ reading-list = "{COUNTY.code}", priority = "emergency" }}]
"""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account of the demo, with its secrets; they are random for each home."""

    role: str
    username: str
    display_name: str
    password: str
    token: str
    institution: str

    def public(self) -> dict[str, str]:
        """Return the account as the ready file names it."""
        return {name: value for name, value in asdict(self).items() if name != "display_name"}


@dataclass(frozen=True, slots=True)
class DemoNode:
    """One node of the demo."""

    name: str
    kind: NodeKind
    root: Path
    port_offset: int


@dataclass(frozen=True, slots=True)
class DemoHome:
    """The whole demo, ready to start."""

    root: Path
    nodes: tuple[DemoNode, ...]
    accounts: tuple[DemoAccount, ...]


async def prepare(root: Path, *, port_offset: int) -> DemoHome:
    """Return the demo in *root*, made at the first call; repeating it changes nothing.

    A crash in the middle is mended by the next call: accounts are written down before they are
    made, and made only where they are missing.
    """
    accounts = _accounts(root / "accounts.json")
    county = DemoNode("county", NodeKind.COUNTY, root / "county", port_offset)
    townships = tuple(
        DemoNode(each.code, NodeKind.TOWNSHIP, root / each.code, port_offset + number)
        for number, each in enumerate(TOWNSHIPS)
    )
    home = Home.prepare(county.root, county.kind)
    rules = home.root / "routes.toml"
    if not rules.exists():
        write_secret(rules, _RULES.encode())
    _write_settings(home, _county_settings())
    await _fill(county, [COUNTY, *TOWNSHIPS, *_VILLAGES], accounts)
    address = Settings.load(county.kind, file=home.settings_file, port_offset=port_offset).http
    for node, institution in zip(townships, TOWNSHIPS, strict=True):
        place = Home.prepare(node.root, node.kind)
        url = f"http://{address.host}:{address.port}"
        _write_settings(place, _township_settings(institution, url, home.public_key()))
        villages = [each for each in _VILLAGES if each.parent == institution.code]
        houses = {institution.code, *(each.code for each in villages)}
        here = [a for a in accounts if a.institution in houses]
        await _fill(node, [COUNTY, *TOWNSHIPS, *villages], here)
        await _enrol(home, place, institution.code, url, houses)
    await _first_day(county, townships)
    return DemoHome(root, (county, *townships), tuple(accounts))


async def _first_day(county: DemoNode, townships: Sequence[DemoNode]) -> None:
    """Register and order at every node, once."""
    clock = SystemClock()
    waiting = [node for node in (county, *townships) if not (node.root / ".ordered").exists()]
    if not waiting:
        return
    async with _opened(county) as database:
        codes = [township.name for township in townships]
        blocks = await allotted(database, codes, at=clock.now())
    for node in waiting:
        code = node.name if node is not county else COUNTY.code
        async with _opened(node) as database:
            day = DemoDay(database, clock, node.kind, code, _ORDERING[code])
            await fill_day(day, blocks=blocks)
        _mark(node.root / ".ordered")


def _opened(node: DemoNode) -> AbstractAsyncContextManager[Database]:
    home = Home(node.root)
    return opened_database(home, Settings.load(node.kind, file=home.settings_file))


async def _enrol(
    county: Home, place: Home, institution: str, url: str, houses: Collection[str]
) -> None:
    """Make the township at *place* a node of the county, by a code as anywhere, once."""
    if await asyncio.to_thread(pairing_of, place) is not None:
        return
    clock = SystemClock()
    settings = Settings.load(NodeKind.COUNTY, file=county.settings_file)
    async with opened_database(county, settings) as database:
        enrolment = await county_enrolment(county, settings, database, clock, chain=_CHAIN)
        invited = await enrolment.invite(OPERATOR, institution)
        told = await enrolment.enrol(invited.code, place.public_key())
        people = await database.read(lambda conn: store.people_of(conn, houses))
    # As the county's letters will have them: else the first would end whoever signed in before.
    settings = Settings.load(NodeKind.TOWNSHIP, file=place.settings_file)
    async with opened_database(place, settings) as database:
        await database.write(lambda conn: _copy(conn, people, clock.now()))
    pair(place, Pairing(county_url=url, enrolled=told))


def _copy(conn: sa.Connection, people: Sequence[store.Kept], at: dt.datetime) -> None:
    for kept in people:
        here = store.by_username(conn, kept.account.username)
        if here is not None:
            mine = replace(kept.account, id=here.account.id)
            store.put_copy(conn, replace(kept, account=mine), at=at)


def _accounts(path: Path) -> list[DemoAccount]:
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))
        return [DemoAccount(**row) for row in kept["accounts"]]
    accounts = [
        DemoAccount(role, username, name, random_password(), new_token(), institution)
        for username, name, institution, role in _PEOPLE
    ]
    content = {"accounts": [asdict(account) for account in accounts]}
    write_secret(path, json.dumps(content, ensure_ascii=False, indent=1).encode())
    return accounts


def _county_settings() -> str:
    return f"""\
[node]
institution = "{COUNTY.code}"
name = "{COUNTY.name}"
phone = "{COUNTY.phone}"

[dicom]
admit_loopback = true

[hl7]
admit_loopback = true

[routing]
rules = "routes.toml"

[log]
file = "logs/node.log"
"""


def _township_settings(institution: Institution, county_url: str, county_key: str) -> str:
    return f"""\
[node]
institution = "{institution.code}"
name = "{institution.name}"

[dicom]
admit_loopback = true

[township]
county_url = "{county_url}"
county_public_key = "{county_key}"
county_name = "{COUNTY.name}"
county_phone = "{COUNTY.phone}"

[log]
file = "logs/node.log"
"""


def _write_settings(home: Home, text: str) -> None:
    path = home.settings_file
    if not path.exists() or path.read_text("utf-8") != text:
        write_secret(path, text.encode())


async def _fill(
    node: DemoNode,
    institutions: Sequence[Institution],
    people: Sequence[DemoAccount],
) -> None:
    done = node.root / ".filled"
    if done.exists():
        return
    clock, hasher = SystemClock(), Hasher(memory_kib=19_456)
    home = Home(node.root)
    settings = Settings.load(node.kind, file=home.settings_file)
    async with opened_database(home, settings) as database:
        admin = Administration(
            database, SignIns(database, hasher, clock, chain=_CHAIN), clock, chain=_CHAIN
        )
        for institution in institutions:
            await admin.put_institution(OPERATOR, institution)
        there = {account.username for account in await admin.accounts()}
        for account in people:
            if account.username not in there:
                await admin.create_account(OPERATOR, _asked(account))
        at = clock.now()

        def tokens(conn: sa.Connection) -> None:
            known = {info.username for info in store.all_tokens(conn)}
            for account in people:
                kept = store.by_username(conn, account.username)
                if account.username not in known and kept is not None:
                    info = TokenInfo(new_id(), account.username, _CHAIN, at, None)
                    store.add_token(conn, info, digest(account.token), kept.account.id)

        await database.write(tokens)
    hasher.close()
    _mark(done)


def _mark(done: Path) -> None:
    descriptor = os.open(done, os.O_CREAT | os.O_WRONLY, 0o600)
    os.fsync(descriptor)
    os.close(descriptor)


def _asked(account: DemoAccount) -> NewAccount:
    return NewAccount(
        account.username,
        account.display_name,
        account.institution,
        frozenset({Role(account.role)}),
        password=account.password or None,
    )
