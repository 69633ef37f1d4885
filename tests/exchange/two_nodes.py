"""A county and townships in one test: real doors on loopback, real SQLite files."""

import asyncio
import datetime as dt
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import OtherNodes, SignIns
from gateway.exchange.admission_http import AdmissionDoor
from gateway.exchange.county_http import NodeDoor
from gateway.exchange.county_link import CountyAddress, CountyLink, NodeIdentity
from gateway.exchange.enrolment import CountyFacts, Enrolment
from gateway.exchange.feed_news import FeedNews
from gateway.exchange.follower import FeedFollower, FollowerSettings
from gateway.exchange.heartbeat import DiskFacts, LineFacts
from gateway.exchange.model import Enrolled, Source, Versions
from gateway.exchange.node_facts import NodeFacts
from gateway.exchange.node_records_http import NodeRecordsDoor
from gateway.exchange.nodes_http import NodesDoor
from gateway.exchange.outbox import waiting, write_letters
from gateway.exchange.ports import Handlers, TellsAgain
from gateway.exchange.proof import public_hex, seal_secret
from gateway.exchange.sender import LetterSender, SenderSettings
from gateway.exchange.versions import SINCE, VERSIONS
from gateway.http.app import ShellParts, ShellSettings, build_app
from gateway.http.server import serve
from gateway.http.session import NodeFacts as PageFacts
from gateway.township.backoff import Backoff
from gateway.township.clinic_hours import Shares
from gateway.township.line import LineMeter
from gateway.township.line_back import LineBack
from gateway.township.traffic import Traffic
from imaging.dicomweb import qido
from imaging.dicomweb.routes import DicomWebParts, routes as dicomweb_routes
from imaging.pixels.pool import PixelPool
from imaging.query.paging import PagingMemory
from imaging.query.service import Search
from kernel.arrival import Priority
from kernel.audit.access_log import AccessLog
from kernel.clock import Clock, SystemClock
from kernel.dicom.decode_pool import DecodePool
from kernel.identity import Institution, InstitutionKind, Role
from kernel.letter import Letter
from kernel.process.bus import NullBus
from kernel.process.owner import Owner
from kernel.process.wake import Wake
from kernel.sql.db import Database
from tests.databases import open_filled
from tests.imaging.desk import Desk, open_desk
from yilian.wiring import tables
from yilian.wiring.study_arrivals import ArchivedStudies

GOOD = "Kf7ma-x3Tpq-w9Rnc"
QUICK = Backoff(first_s=0.02, cap_s=0.1)
HOUSES = (
    Institution("county", "县人民医院", InstitutionKind.COUNTY, phone="0571-1"),
    Institution("qingshan", "青山镇卫生院", InstitutionKind.TOWNSHIP, "county"),
    Institution("shiqiao", "石桥镇卫生院", InstitutionKind.TOWNSHIP, "county"),
)


class ShiftedClock:
    """The machine's clock, wrong by what it is told to be; its seconds run as they do."""

    def __init__(self, ahead: dt.timedelta = dt.timedelta(0)) -> None:
        self.ahead = ahead
        self._real = SystemClock()

    def now(self) -> dt.datetime:
        """Return the present instant as this clock has it."""
        return self._real.now() + self.ahead

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards."""
        return self._real.monotonic_s()


@dataclass
class Read:
    """A handler that remembers what it read, in order."""

    letters: list[tuple[str, Letter]] = field(default_factory=list)

    def __call__(self, conn: sa.Connection, letter: Letter, source: Source) -> None:
        self.letters.append((source.institution, letter))

    @property
    def keys(self) -> list[str]:
        return [letter.key for _, letter in self.letters]


@dataclass
class County:
    """A running county."""

    port: int
    database: Database
    clock: ShiftedClock
    enrolment: Enrolment
    admin: Administration
    owner: Owner
    desk: Desk | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def new_node(self, institution: str = "qingshan") -> tuple[Enrolled, Ed25519PrivateKey]:
        """Invite and enrol, as over the line."""
        key = Ed25519PrivateKey.generate()
        invited = await self.enrolment.invite(OPERATOR, institution)
        return await self.enrolment.enrol(invited.code, public_hex(key)), key

    @asynccontextmanager
    async def page(self, username: str) -> AsyncIterator[aiohttp.ClientSession]:
        """A page somebody has signed in at."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self.url, cookie_jar=jar) as session:
            body = {"username": username, "password": GOOD}
            async with session.post("/api/v1/session", json=body) as answer:
                assert answer.status == 200, await answer.text()
            yield session


async def opened(path: Path) -> Database:
    """Return a database in *path* with every table of the program."""
    tables.load()
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    return await open_filled(f"sqlite:///{path}")


@asynccontextmanager
async def county_in(
    home: Path,
    handlers: Handlers | None = None,
    *,
    clock: ShiftedClock | None = None,
    versions: Versions = VERSIONS,
    since: Mapping[str, int] = SINCE,
    tells: TellsAgain | None = None,
    archive: bool = False,
) -> AsyncIterator[County]:
    """Run a county with three houses and a radiologist ``wang``; with *archive*, DICOMweb too."""
    clock, key = clock or ShiftedClock(), Ed25519PrivateKey.generate()
    database = await opened(home / "county.sqlite")
    hasher = Hasher(memory_kib=64, rounds=1)
    facts = CountyFacts("county", "县人民医院", "0571-1", public_hex(key))
    enrolment = Enrolment(database, clock, facts, seal_secret(key), chain="gateway")
    sign_ins = SignIns(database, hasher, clock, chain="gateway", others=OtherNodes(nodes=enrolment))
    admin = Administration(database, sign_ins, clock, chain="gateway")
    if not await admin.institutions():
        for house in HOUSES:
            await admin.put_institution(OPERATOR, house)
        for name, role, house_code in (
            ("wang", Role.RADIOLOGIST, "county"),
            ("sys", Role.SYSTEM_ADMINISTRATOR, "county"),
            ("guan", Role.MANAGER, "county"),
            ("ren", Role.MANAGER, "shiqiao"),
            ("shen", Role.AUDIT_ADMINISTRATOR, "county"),
            ("yin", Role.PRIVACY_OFFICER, "shiqiao"),
            ("zhao", Role.TECHNICIAN, "qingshan"),
            ("qian", Role.TECHNICIAN, "shiqiao"),
        ):
            asked = NewAccount(name, name, house_code, frozenset({role}), password=GOOD)
            await admin.create_account(OPERATOR, asked)
    news = FeedNews(database)
    door = NodeDoor(
        database, clock, enrolment, handlers or {}, news, "county", versions, since, tells
    )
    stack = AsyncExitStack()
    desk = (
        await stack.enter_async_context(open_desk(database, home / "archive")) if archive else None
    )
    app = build_app(
        routes=[
            *_archived(desk, stack),
            *NodesDoor(database, clock, "county", ArchivedStudies()).routes(),
            *NodeRecordsDoor(database, clock, "county", chain="gateway").routes(),
            *AdmissionDoor(database, clock, enrolment, "county").routes(),
            *door.routes(),
        ],
        parts=ShellParts(
            database, clock, NullBus(), sign_ins, AccessLog(database, clock, chain="looks"), admin
        ),
        settings=ShellSettings(PageFacts("county", "县人民医院")),
        registry=CollectorRegistry(),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    try:
        async with Owner() as owner:
            owner.keep("feed-news", news.run)
            async with serve(app, [listening]):
                number = listening.getsockname()[1]
                yield County(number, database, clock, enrolment, admin, owner, desk)
            assert owner.faults == {}, owner.faults
    finally:
        await stack.aclose()
        hasher.close()
        await database.close()


def _archived(desk: Desk | None, stack: AsyncExitStack) -> list[web.RouteDef]:
    if desk is None:
        return []
    pool = stack.enter_context(closing(PixelPool(stack.enter_context(DecodePool(workers=1)))))
    parts = DicomWebParts(database=desk.database, objects=desk.objects, pool=pool, clock=desk.clock)
    searches = qido.routes(Search(desk.database, PagingMemory(desk.clock)))
    return dicomweb_routes(parts, searches)


@dataclass
class SeenLine:
    """What the sender said of the line."""

    words: list[str] = field(default_factory=list)
    emergency: bool = False
    back: LineBack = field(default_factory=LineBack)
    traffic: Traffic = field(
        default_factory=lambda: Traffic(Shares(), LineMeter(), SystemClock(), zone=dt.UTC)
    )
    owed_bytes: dict[Priority, int] = field(default_factory=dict)

    async def urgent(self) -> bool:
        return self.emergency

    async def reached(self) -> None:
        if self.words[-1:] != ["up"]:
            self.back.notify()
        self.words.append("up")

    async def lost(self, code: str) -> None:
        self.words.append(code)

    def held(self) -> bool:
        return self.traffic.held

    def owe(self, count: int, lane: Priority) -> float:
        self.owed_bytes[lane] = self.owed_bytes.get(lane, 0) + count
        return self.traffic.owe(count, lane)


@dataclass
class Township:
    """A running node."""

    database: Database
    clock: Clock
    link: CountyLink
    sender: LetterSender
    follower: FeedFollower
    line: SeenLine
    hint: Wake
    taken: Wake
    """Notified when letters of the county were made true, as in a node that runs."""
    owner: Owner

    async def write(self, *letters: Letter) -> None:
        """Queue letters as a room does."""
        at = self.clock.now()
        await self.database.write(lambda conn: write_letters(conn, letters, at=at))
        self.hint.notify()

    async def waiting(self) -> int:
        """Letters the county has not answered for."""
        return (await self.database.read(waiting)).waiting

    def start(self) -> None:
        """Let sender and follower run."""
        self.owner.keep("letters", lambda: self.sender.run(self.hint))
        self.owner.keep("feed", self.follower.run)


def line_up() -> LineFacts:
    """Return a line of which nothing is to be told."""
    return LineFacts(state="up", since=None, rate_bits_per_s=None)


@asynccontextmanager
async def township_in(
    home: Path,
    port: int,
    enrolled: Enrolled,
    key: Ed25519PrivateKey,
    *,
    handlers: Handlers | None = None,
    clock: Clock | None = None,
    versions: Versions = VERSIONS,
    since: Mapping[str, int] = SINCE,
    heartbeat_s: float = 0.2,
    line_facts: Callable[[], LineFacts] = line_up,
    backoff: Backoff = QUICK,
) -> AsyncIterator[Township]:
    """Run a node in *home* whose county is at *port*."""
    clock = clock or ShiftedClock()
    database = await opened(home / "node.sqlite")
    link = CountyLink(
        CountyAddress(f"http://127.0.0.1:{port}", connect_s=5.0, answer_s=8.0),
        NodeIdentity(enrolled.node, enrolled.institution, key),
        clock,
    )
    line, hint, taken = SeenLine(), Wake.local(), Wake.local()
    facts = NodeFacts(
        program="0.1.0",
        started_at=clock.now(),
        line=line_facts,
        disk=lambda: DiskFacts(total_bytes=100, free_bytes=40),
    )
    settings = SenderSettings(
        backoff=backoff,
        chance=lambda: 0.9,
        heartbeat_s=heartbeat_s,
        versions=versions,
        since=since,
        back=line.back,
    )
    sender = LetterSender(database, link, facts, line, clock=clock, settings=settings)
    follower = FeedFollower(
        database,
        link,
        handlers or {},
        clock=clock,
        settings=FollowerSettings(
            backoff=backoff,
            chance=lambda: 0.9,
            wait_s=1.0,
            versions=versions,
            on_taken=taken.notify,
            back=line.back,
            on_heard=line.reached,
            owe=partial(line.owe, lane=Priority.URGENT),
        ),
    )
    try:
        async with Owner() as owner:
            yield Township(database, clock, link, sender, follower, line, hint, taken, owner)
            assert owner.faults == {}, owner.faults
    finally:
        await link.close()
        await database.close()


async def until(happened: Callable[[], Awaitable[Any] | Any], *, timeout_s: float = 60.0) -> None:
    """Wait until *happened*, which may have to be awaited, returns something true."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = happened()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)
