"""Signing in at a page, and what a page may do."""

import datetime as dt

import aiohttp
import pytest

from gateway.http.auth import AuthSettings
from gateway.http.peers import parse_networks
from tests.http.conftest import GOOD, Door, OpenDoor


async def test_a_stranger_learns_the_node_and_nothing_else(door: Door) -> None:
    page = await door.visitor()
    async with page.get("/api/v1/session") as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.json() == {
            "authenticated": False,
            "csrf": "",
            "node": "county",
            "node_name": "县人民医院",
            "server_time": "2025-05-12T08:00:00Z",
            "demo": False,
            "idle_lock_s": 900,
        }


async def test_signing_in_answers_the_session_and_sets_a_guarded_cookie(door: Door) -> None:
    page = await door.visitor()
    async with page.post("/api/v1/session", json={"username": "wang", "password": GOOD}) as answer:
        body = await answer.json()
        cookie = answer.headers["Set-Cookie"]
    assert body["authenticated"] is True
    assert body["user"]["roles"] == ["radiologist"]
    assert body["user"]["institution"] == {
        "code": "county",
        "name": "县人民医院",
        "kind": "county",
    }
    assert cookie.startswith("yilian=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    async with page.get("/api/v1/session") as answer:
        assert (await answer.json())["csrf"] == body["csrf"]


async def test_a_wrong_password_is_401_and_the_sixth_429(door: Door) -> None:
    page = await door.visitor()
    wrong = {"username": "wang", "password": "wrong"}
    for _ in range(5):
        async with page.post("/api/v1/session", json=wrong) as answer:
            assert answer.status == 401
            assert (await answer.json())["code"] == "sign-in-failed"
    async with page.post("/api/v1/session", json=wrong) as answer:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "900"
        problem = await answer.json()
    assert (problem["code"], problem["retry_after_s"]) == ("sign-in-locked", 900)


async def test_signing_out_ends_the_session(door: Door) -> None:
    page = await door.page("wang")
    cookies = {cookie.key: cookie.value for cookie in page.cookie_jar}
    async with page.delete("/api/v1/session") as answer:
        assert answer.status == 204
    thief = await door.visitor(Cookie=f"yilian={cookies['yilian']}")
    async with thief.get("/api/v1/who") as answer:
        assert answer.status == 401


async def test_signing_in_again_gives_another_session_and_ends_the_one_before(door: Door) -> None:
    page = await door.page("wang")
    before = next(iter(page.cookie_jar)).value
    async with page.post("/api/v1/session", json={"username": "zhao", "password": GOOD}) as answer:
        assert answer.status == 200
    assert next(iter(page.cookie_jar)).value != before
    assert await door.sign_ins.by_session(before) is None


async def test_a_session_id_somebody_else_chose_is_never_taken_over(door: Door) -> None:
    page = await door.visitor(Cookie="yilian=chosen-by-the-attacker")
    async with page.post("/api/v1/session", json={"username": "wang", "password": GOOD}) as answer:
        assert "chosen-by-the-attacker" not in answer.headers["Set-Cookie"]
    assert await door.sign_ins.by_session("chosen-by-the-attacker") is None


async def test_fifteen_idle_minutes_end_it(door: Door) -> None:
    page = await door.page("wang")
    door.clock.advance(dt.timedelta(minutes=15))
    async with page.get("/api/v1/who") as answer:
        assert answer.status == 401
        assert (await answer.json())["code"] == "not-signed-in"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_new_password_is_one_post_away(door: Door) -> None:
    page = await door.page("wang")
    new = "bV4zq-mm2Kd-u8Yhs"
    for body, status in [
        ({"old": "wrong", "new": new}, 401),
        ({"old": GOOD, "new": "short"}, 400),
        ({"old": GOOD, "new": new}, 204),
    ]:
        async with page.post("/api/v1/session/password", json=body) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-CSRF-Token": ""}, id="no-token"),
        pytest.param({"X-CSRF-Token": "wrong"}, id="wrong-token"),
        pytest.param({"Origin": "https://evil.example"}, id="foreign-origin"),
        pytest.param({"Origin": "null"}, id="null-origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
    ],
)
async def test_a_write_from_a_foreign_page_changes_nothing(
    door: Door, headers: dict[str, str]
) -> None:
    page = await door.page("wang")
    async with page.post("/api/v1/notes", json={"text": "a"}, headers=headers) as answer:
        assert answer.status == 403
        assert (await answer.json())["code"] == "foreign-page"


async def test_a_write_from_the_own_page_goes_through(door: Door) -> None:
    page = await door.page("wang")
    own = {"Origin": door.url, "Sec-Fetch-Site": "same-origin"}
    async with page.post("/api/v1/notes", json={"text": "a"}, headers=own) as answer:
        assert answer.status == 201


async def test_a_foreign_page_cannot_sign_anybody_in(door: Door) -> None:
    page = await door.visitor(Origin="https://evil.example")
    async with page.post("/api/v1/session", json={"username": "wang", "password": GOOD}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_what_a_form_can_send_is_not_read(door: Door, content_type: str) -> None:
    page = await door.page("wang")
    async with page.post(
        "/api/v1/notes", data=b'{"text": "a"}', headers={"Content-Type": content_type}
    ) as answer:
        assert answer.status == 415


async def test_a_token_needs_no_csrf_and_opens_what_its_owner_may(door: Door) -> None:
    program = await door.machine("wang")
    async with program.post("/api/v1/notes", json={"text": "a"}) as answer:
        assert answer.status == 201
    async with program.get("/api/v1/who") as answer:
        assert await answer.json() == {"username": "wang"}


@pytest.mark.parametrize("header", ["Bearer x", "Basic d2FuZzp4", "Bearer", "bearer  "])
async def test_a_header_that_proves_nothing_is_401(door: Door, header: str) -> None:
    program = await door.visitor(Authorization=header)
    async with program.get("/api/v1/who") as answer:
        assert answer.status == 401
        assert (await answer.json())["code"] == "bad-token"


async def test_people_only_means_no_machine(door: Door) -> None:
    program = await door.machine("pacs")
    async with program.get("/api/v1/reading/1.2.3") as answer:
        assert answer.status == 403


async def test_another_role_is_refused(door: Door) -> None:
    page = await door.page("zhao")
    async with page.get("/api/v1/reading/1.2.3") as answer:
        assert answer.status == 403
        assert (await answer.json())["code"] == "not-allowed"


async def _sign_in(page: aiohttp.ClientSession, **headers: str) -> aiohttp.ClientResponse:
    answer = await page.post(
        "/api/v1/session", json={"username": "wang", "password": GOOD}, headers=headers
    )
    answer.release()
    return answer


async def test_behind_a_trusted_proxy_the_cookie_is_a_host_cookie(open_door: OpenDoor) -> None:
    settings = AuthSettings(proxies=parse_networks(["127.0.0.1"]), cookie="yilian-8080")
    door = await open_door(auth=settings)
    answer = await _sign_in(await door.visitor(), **{"X-Forwarded-Proto": "https"})
    assert answer.headers["Set-Cookie"].startswith("__Host-yilian-8080=")
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_password_never_crosses_a_network_in_clear(open_door: OpenDoor) -> None:
    door = await open_door(auth=AuthSettings(proxies=parse_networks(["127.0.0.1"])))
    answer = await _sign_in(
        await door.visitor(), **{"X-Forwarded-Proto": "http", "X-Forwarded-For": "10.0.0.9"}
    )
    assert answer.status == 403


async def test_a_stranger_cannot_pretend_to_be_a_proxy(door: Door) -> None:
    for number in range(6):
        answer = await _sign_in(
            await door.visitor(),
            **{"X-Forwarded-For": f"10.0.{number}.1", "X-Forwarded-Proto": "https"},
        )
        assert answer.headers["Set-Cookie"].startswith("yilian=")
