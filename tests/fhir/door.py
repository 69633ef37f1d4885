"""A county's whole HTTP shell with the FHIR door, served by a thread so that any client may ask."""

import asyncio
import contextlib
import json
import socket
import threading
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from prometheus_client import CollectorRegistry

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import SignIns
from gateway.http.app import ShellParts, ShellSettings, build_app
from gateway.http.auth import AuthSettings
from gateway.http.server import serve
from gateway.http.session import NodeFacts
from imaging.archive.reach import give_to
from kernel.audit.access_log import AccessLog
from kernel.clock import FrozenClock
from kernel.identity import Institution, InstitutionKind, PrincipalKind, Role
from kernel.process.bus import NullBus
from kernel.sql.db import Database
from referrals.orders.asked import NewPatient
from tests.databases import open_filled
from tests.imaging.desk import open_desk as open_archive
from tests.imaging.sample import ROOT, arrival, ct
from tests.orders.desk import AT, COUNTY, QINGSHAN, Desk, ask, by, open_desk
from yilian.wiring.fhir import ERRORS, fhir_door

DAHE = "dahe"
VILLAGE = "xigou"
STUDIES = 7
PEOPLE = {
    "his": (Role.REGISTRAR, QINGSHAN, PrincipalKind.MACHINE),
    "luoli": (Role.REGISTRAR, QINGSHAN, PrincipalKind.PERSON),
    "aying": (Role.VILLAGE_DOCTOR, VILLAGE, PrincipalKind.PERSON),
    "sunyu": (Role.TECHNICIAN, DAHE, PrincipalKind.PERSON),
    "wanghai": (Role.RADIOLOGIST, COUNTY, PrincipalKind.PERSON),
    "shenmo": (Role.PRIVACY_OFFICER, QINGSHAN, PrincipalKind.PERSON),
    "auditor": (Role.AUDIT_ADMINISTRATOR, COUNTY, PrincipalKind.PERSON),
    "sysadmin": (Role.SYSTEM_ADMINISTRATOR, COUNTY, PrincipalKind.PERSON),
}
LIU = NewPatient(
    name="刘小凤", resident_id="99000019850702004X", phone="13800000000", patient_id="Q-LIU"
)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: Any

    @property
    def code(self) -> str:
        """The stable code of the first issue of an OperationOutcome."""
        assert self.body["resourceType"] == "OperationOutcome", self.body
        return str(self.body["issue"][0]["details"]["coding"][0]["code"])

    @property
    def expression(self) -> list[str]:
        """Which elements the first issue is about."""
        return list(self.body["issue"][0].get("expression", []))

    @property
    def ids(self) -> list[str]:
        """Ids of a searchset's matches, in their order."""
        return [
            entry["resource"]["id"]
            for entry in self.body.get("entry", [])
            if entry["search"]["mode"] == "match"
        ]


@dataclass
class FhirDesk:
    """The door, and what stands behind it."""

    url: str
    tokens: dict[str, str]
    desk: Desk
    liu: str
    """Id of Liu's Patient, registered at qingshan; seven studies are hers."""
    loop: asyncio.AbstractEventLoop
    _session: requests.Session = field(default_factory=requests.Session)

    def ask(
        self, method: str, path: str, who: str = "his", body: Any = None, **headers: str
    ) -> Answer:
        """Ask as *who*; *path* is below ``/fhir``, or a whole address."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who:
            sent["Authorization"] = f"Bearer {self.tokens[who]}"
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/fhir+json")
        address = path if path.startswith("http") else f"{self.url}{path}"
        answer = self._session.request(method, address, data=data, headers=sent, timeout=30)
        found = json.loads(answer.content) if answer.content else None
        return Answer(answer.status_code, answer.headers, found)

    def get(self, path: str, who: str = "his", /, **query: Any) -> Answer:
        """Read or search as *who*."""
        told = urllib.parse.urlencode(query, doseq=True)
        return self.ask("GET", f"{path}?{told}" if told else path, who)

    def run(self, coroutine: Any) -> Any:
        """Return what *coroutine* returns, run where the door is."""
        done: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return done.result(30)


@contextlib.asynccontextmanager
async def _opened(database: Database, folder: Path) -> AsyncIterator[FhirDesk]:
    clock = FrozenClock(AT)
    desk = await open_desk(database, node=COUNTY, allots=True, clock=clock)
    hasher = Hasher(memory_kib=64, rounds=1)
    sign_ins = SignIns(database, hasher, clock, chain="gateway")
    admin = Administration(database, sign_ins, clock, chain="gateway")
    houses = [
        Institution(COUNTY, "县人民医院", InstitutionKind.COUNTY),
        Institution(QINGSHAN, "青山卫生院", InstitutionKind.TOWNSHIP, COUNTY),
        Institution(DAHE, "大河卫生院", InstitutionKind.TOWNSHIP, COUNTY),
        Institution(VILLAGE, "西沟村卫生室", InstitutionKind.VILLAGE, QINGSHAN),
    ]
    for house in houses:
        await admin.put_institution(OPERATOR, house)
    tokens = {}
    for name, (role, code, kind) in PEOPLE.items():
        await admin.create_account(OPERATOR, NewAccount(name, name, code, frozenset({role}), kind))
        tokens[name] = (await admin.create_token(OPERATOR, name, label="test")).token
    liu = await desk.desk.register(by(), LIU, ask())
    await _file_studies(database, folder)
    log = AccessLog(database, clock, chain="looks")
    app = build_app(
        routes=fhir_door(database, clock, desk.ledger).routes(),
        parts=ShellParts(database, clock, NullBus(), sign_ins, log, admin, error_forms=ERRORS),
        settings=ShellSettings(NodeFacts("county", "县人民医院"), AuthSettings(), None),
        registry=CollectorRegistry(),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/fhir"
    try:
        async with serve(app, [listening]):
            yield FhirDesk(url, tokens, desk, liu, asyncio.get_running_loop())
    finally:
        hasher.close()


async def _file_studies(database: Database, folder: Path) -> None:
    """File seven studies of Liu's at qingshan; the first was routed to the county."""
    async with open_archive(database, folder) as archive:
        for number in range(1, STUDIES + 1):
            more: dict[str, Any] = {"PatientID": "Q-LIU", "PatientName": "Liu^Xiaofeng=刘^小凤"}
            date = f"202603{number:02d}"
            for image in (1, 2):
                raw = ct(image, study=number, StudyDate=date, **more)
                await archive.file(raw, told=arrival(institution=QINGSHAN))
        await archive.file(
            ct(1, study=90, Modality="MR", PatientID="D-1", PatientName="Zhao^Wu=赵^武"),
            told=arrival(institution=DAHE),
        )
    await database.write(
        lambda conn: give_to(conn, f"{ROOT}.1", [COUNTY], rule="all", priority=None, at=AT)
    )


@contextlib.contextmanager
def running_door(url: str, folder: Path) -> Iterator[FhirDesk]:
    """Serve the door on an ephemeral port of 127.0.0.1 until left."""
    ready: Future[FhirDesk] = Future()
    ended: Future[asyncio.Event] = Future()

    async def main() -> None:
        stop = asyncio.Event()
        ended.set_result(stop)
        database = await open_filled(url)
        try:
            async with _opened(database, folder) as desk:
                ready.set_result(desk)
                await stop.wait()
        except BaseException as exc:
            if not ready.done():
                ready.set_exception(exc)
            raise
        finally:
            await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    desk = ready.result(60)
    try:
        yield desk
    finally:
        desk.loop.call_soon_threadsafe(ended.result(1).set)
        thread.join(30)
