"""The doctor finds what would stop a node, and changes nothing."""

import asyncio
import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.commitment.machine import State
from gateway.commitment.model import NO_ADDRESS
from gateway.commitment.tables import requests
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import SystemClock
from kernel.settings import NodeKind
from kernel.sql.db import Database
from kernel.sql.migrate import migrate, pending
from yilian.cli import main
from yilian.wiring import tables
from yilian.wiring.homes import Home, write_secret

DAY = dt.timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.prepare(tmp_path / "home", NodeKind.COUNTY)


@pytest.fixture
def findings(home: Home, capsys: pytest.CaptureFixture[str]) -> "Look":
    return Look(home, capsys)


class Look:
    """Calls the doctor and keeps what it said, by what was looked at."""

    def __init__(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        self._home = home
        self._capsys = capsys

    def __call__(self, home: Home | None = None) -> dict[str, dict[str, Any]]:
        self._capsys.readouterr()
        root = (home or self._home).root
        code = main(["doctor", "--home", str(root), "--json"])
        found = {one["what"]: one for one in json.loads(self._capsys.readouterr().out)}
        assert code == (0 if all(one["good"] for one in found.values()) else 1)
        return found


def migrated(home: Home) -> Path:
    assert main(["db", "migrate", "--home", str(home.root)]) == 0
    return home.root / "db" / "yilian.sqlite"


def test_a_database_of_this_program_is_good_and_none_is_no_fault(
    home: Home, findings: Look
) -> None:
    assert findings()["database"]["good"]
    assert not (home.root / "db" / "yilian.sqlite").exists()
    migrated(home)
    assert findings()["database"]["good"]


def test_a_database_behind_the_program_is_named_with_the_way_out(
    home: Home, findings: Look
) -> None:
    file = migrated(home)
    with closing(sqlite3.connect(file)) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = '0004'")
    told = findings()["database"]
    assert not told["good"]
    assert "0005, 0006" in told["found"]  # and what came after them
    assert f"yilian db migrate --home {home.root}" in told["mend"]
    with closing(sqlite3.connect(file)) as conn:
        assert conn.execute("SELECT version_num FROM alembic_version").fetchone() == ("0004",)


def test_a_database_of_a_newer_release_is_left_alone(home: Home, findings: Look) -> None:
    with closing(sqlite3.connect(migrated(home))) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    told = findings()["database"]
    assert not told["good"]
    assert "newer release" in told["found"]


def test_a_file_that_is_no_database_is_said_and_not_touched(home: Home, findings: Look) -> None:
    file = home.root / "db" / "yilian.sqlite"
    file.write_bytes(b"not a database at all, whatever its name says" * 40)
    assert not findings()["database"]["good"]
    assert file.read_bytes().startswith(b"not a database")


async def test_what_would_run_is_said_on_both_databases_without_running_it(
    database_url: str,
) -> None:
    tables.load()
    if database_url.startswith("sqlite"):
        file = Path(database_url.removeprefix("sqlite:///"))
        await asyncio.to_thread(file.touch)
    every = await pending(database_url)
    assert every[0] == "0001"
    assert await migrate(database_url) == every
    assert await pending(database_url) == []


def test_a_clock_behind_the_trail_is_found(home: Home, findings: Look) -> None:
    file = migrated(home)
    assert "clock against the trail" not in findings()

    def write(ahead: dt.timedelta) -> None:
        async def run() -> None:
            database = await Database.open(f"sqlite:///{file}")
            entry = AuditEntry(
                at=SystemClock().now() + ahead,
                event=AuditEvent.STARTED,
                user_id="",
                username="",
                institution="county",
            )
            await database.write(lambda conn: record(conn, "test", entry))
            await database.close()

        asyncio.run(run())

    write(-DAY)
    assert findings()["clock against the trail"]["good"]
    write(2 * DAY)
    told = findings()["clock against the trail"]
    assert not told["good"]
    assert "NTP" in told["mend"]


def test_a_peer_whose_reports_wait_for_an_address_is_named(home: Home, findings: Look) -> None:
    file = migrated(home)
    at = SystemClock().now()

    def ask(title: str, number: int, reason: str) -> None:
        async def run() -> None:
            database = await Database.open(f"sqlite:///{file}")
            row = {
                "id": f"{number:026}",
                "transaction_uid": f"2.25.{number}",
                "institution": "qingshan",
                "ae_title": title,
                "called_ae_title": "YILIAN",
                "address": "127.0.0.1",
                "state": State.READY.value,
                "asked_at": at,
                "due_at": at + DAY,
                "failures": 1,
                "reason": reason,
            }
            await database.write(lambda conn: conn.execute(sa.insert(requests).values(row)))
            await database.close()

        asyncio.run(run())

    ask("CT2", 1, "peer-unavailable")
    assert "storage commitment for CT2" not in findings()
    ask("CT1", 2, NO_ADDRESS)
    ask("CT1", 3, NO_ADDRESS)
    told = findings()["storage commitment for CT1"]
    assert not told["good"]
    assert told["found"].startswith("2 reports wait")
    assert "yilian admin ae add CT1" in told["mend"]


def put_certificate(home: Home, *, days: int, other_key: bool = False) -> None:
    """Write a certificate that ends in *days*, its key or another one, and the settings."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - 400 * DAY)
        .not_valid_after(now + days * DAY)
        .sign(key, hashes.SHA256())
    )
    pem = (other if other_key else key).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (home.root / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    write_secret(home.root / "key.pem", pem)
    home.settings_file.write_text(
        '[tls]\ncert_file = "cert.pem"\nkey_file = "key.pem"\n', encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("days", "good"),
    [
        pytest.param(200, True, id="long"),
        pytest.param(10, False, id="soon"),
        pytest.param(-3, False, id="ended"),
    ],
)
def test_the_end_of_a_certificate_is_seen_coming(
    home: Home, findings: Look, days: int, good: bool
) -> None:
    put_certificate(home, days=days)
    assert findings()["tls.cert_file validity"]["good"] is good


def test_a_key_that_is_not_the_certificates_is_found(home: Home, findings: Look) -> None:
    put_certificate(home, days=200)
    assert findings()["tls key"]["good"]
    put_certificate(home, days=200, other_key=True)
    assert not findings()["tls key"]["good"]


def test_what_is_no_certificate_is_said(home: Home, findings: Look) -> None:
    put_certificate(home, days=200)
    (home.root / "cert.pem").write_text("x")
    assert not findings()["tls.cert_file validity"]["good"]


def test_a_key_others_can_read_is_named_with_its_mode(home: Home, findings: Look) -> None:
    home.signing_key()
    assert findings()["key file modes"]["good"]
    home.secret("node.key").chmod(0o644)
    told = findings()["key file mode"]
    assert not told["good"]
    assert told["found"].endswith("node.key: 0644")
    assert told["mend"].endswith(f"chmod 600 {home.secret('node.key')}")


@contextmanager
def county_at(now: dt.datetime, *, knows: str = "", key: str = "") -> Iterator[str]:
    """Answer as a county whose clock says *now*, which *knows* one token and signs with *key*."""

    def session(sent: str | None) -> bytes:
        if not knows or sent != f"Bearer {knows}":
            return b'{"authenticated": false}'
        user = {"username": "node-qingshan", "roles": ["technician"]}
        said = {"authenticated": True, "user": user, "receipt_key": key}
        return json.dumps(said).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", f"{now:%a, %d %b %Y %H:%M:%S} GMT")
            body = session(self.headers["Authorization"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("ahead", "good"), [(dt.timedelta(), True), (DAY, False), (-DAY, False)])
def test_a_township_compares_its_clock_with_the_countys(
    tmp_path: Path, findings: Look, ahead: dt.timedelta, good: bool
) -> None:
    place = Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP)
    with county_at(SystemClock().now() + ahead) as url:
        place.settings_file.write_text(f'[township]\ncounty_url = "{url}"\n', encoding="utf-8")
        told = findings(place)["county"]
    assert told["good"] is good
    assert "clock" in told["found"]


@pytest.mark.parametrize(
    ("token", "key", "wrong"),
    [
        ("right", "ab" * 32, set()),
        ("revoked", "ab" * 32, {"county token"}),
        ("right", "cd" * 32, {"county key"}),
    ],
)
def test_a_token_the_county_does_not_know_and_a_key_it_does_not_have_are_found(
    tmp_path: Path, findings: Look, token: str, key: str, wrong: set[str]
) -> None:
    place = Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP)
    write_secret(place.secret("county.token"), token.encode())
    with county_at(SystemClock().now(), knows="right", key="ab" * 32) as url:
        place.settings_file.write_text(
            f'[township]\ncounty_url = "{url}"\ncounty_public_key = "{key}"\n'
            'token_file = "secrets/county.token"\n',
            encoding="utf-8",
        )
        told = findings(place)
    assert {
        what for what in ("county token", "county key") if what in told and not told[what]["good"]
    } == wrong
