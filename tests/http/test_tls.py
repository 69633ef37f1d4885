"""The door over TLS."""

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.http.conftest import GOOD, OpenDoor, raw


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
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
