"""The door over TLS."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.http.conftest import GOOD, OpenDoor, raw


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "node.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_over_tls_the_cookie_is_bound_to_the_host_and_the_browser_told_to_stay(
    open_door: OpenDoor, tls: ssl.SSLContext
) -> None:
    door = await open_door(tls=tls)
    page = await door.visitor(Origin=door.url)
    async with page.post("/api/v1/session", json={"username": "wang", "password": GOOD}) as answer:
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert cookie.startswith("__Host-yilian=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    async with page.get("/api/v1/who") as answer:
        assert answer.status == 200


async def test_a_mute_client_on_the_tls_door_holds_up_nobody(
    open_door: OpenDoor, tls: ssl.SSLContext
) -> None:
    door = await open_door(tls=tls)
    mute = [asyncio.ensure_future(raw(door.port, b"")) for _ in range(50)]
    page = await door.visitor()
    async with asyncio.timeout(5), page.get("/health/live") as answer:
        assert answer.status == 200
    cut = await asyncio.gather(*mute, return_exceptions=True)
    assert all(one == b"" or isinstance(one, ConnectionError) for one in cut)
