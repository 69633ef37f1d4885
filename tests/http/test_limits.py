"""What no request may do, and what every answer carries."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.http.app import UndeclaredRoute
from gateway.http.server import ConnectionLimits
from kernel.errors import Category
from kernel.web import STATUS
from tests.http.conftest import Door, OpenDoor, raw, who


def test_every_category_has_one_status() -> None:
    assert set(STATUS) == set(Category)


async def test_a_route_that_does_not_say_who_may_call_it_stops_the_start(
    open_door: OpenDoor,
) -> None:
    async def forgotten(_request: web.Request) -> web.StreamResponse:
        return web.Response()

    with pytest.raises(UndeclaredRoute, match="/api/v1/forgotten"):
        await open_door(
            routes=[web.get("/api/v1/who", who), web.get("/api/v1/forgotten", forgotten)]
        )


async def test_every_answer_carries_the_guarding_headers(door: Door) -> None:
    page = await door.page("wang")
    for path in ("/api/v1/who", "/api/v1/nothing", "/api/v1/broken", "/health/live"):
        async with page.get(path) as answer:
            headers = answer.headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Cache-Control"] == "no-store"
            assert "Server" not in headers


async def test_our_own_fault_is_500_and_tells_nothing(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    page = await door.visitor()
    async with page.get("/api/v1/broken") as answer:
        assert answer.status == 500
        assert answer.content_type == "application/problem+json"
        text = await answer.text()
    assert "张伟" not in text + caplog.text
    assert json.loads(text)["code"] == "internal-error"


async def test_half_an_answer_does_not_look_like_a_whole_one(door: Door) -> None:
    page = await door.visitor()
    with pytest.raises(aiohttp.ClientError):
        async with page.get("/api/v1/half") as answer:
            await answer.read()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("PUT", "/api/v1/who", 405, "method-not-allowed"),
        ("GET", "/api/v1/who?access_token=x", 400, "secret-in-address"),
        ("GET", "/api/v1/who?Token=x", 400, "secret-in-address"),
    ],
)
async def test_each_trouble_is_a_problem_with_a_code(
    door: Door, method: str, path: str, status: int, code: str
) -> None:
    page = await door.page("wang")
    async with page.request(method, path) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["code"] == code


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
async def test_a_compressed_body_is_not_unpacked(door: Door, encoding: str) -> None:
    program = await door.machine("wang")
    async with program.post(
        "/api/v1/notes",
        data=b"\x1f\x8b" + b"x" * 100,
        headers={"Content-Type": "application/json", "Content-Encoding": encoding},
    ) as answer:
        assert answer.status == 415
        assert (await answer.json())["code"] == "unsupported-encoding"


async def test_a_body_over_the_limit_is_413_announced_or_not(door: Door) -> None:
    program = await door.machine("wang")
    big = json.dumps({"text": "x" * 3000}).encode()
    headers = {"Content-Type": "application/json"}
    async with program.post("/api/v1/notes", data=big, headers=headers) as answer:
        assert answer.status == 413

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 500):
            yield big[start : start + 500]

    async with program.post("/api/v1/notes", data=chunks(), headers=headers) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"text": "a"}', 201),
        (b'{"text": 1}', 400),
        (b"{}", 400),
        (b"", 400),
        (b"not json", 400),
        (b'{"text": "\xff"}', 400),
        (b'{"text": "a", "more": ' + b"[" * 500 + b"]" * 500 + b"}", 400),
        (b'{"text": "' + b"[" * 500 + b'"}', 201),
        (b'{"text": "a", "more": 1e999999}', 400),
    ],
)
async def test_a_body_is_what_the_route_asks_for_or_400(
    door: Door, body: bytes, status: int
) -> None:
    program = await door.machine("wang")
    async with program.post(
        "/api/v1/notes", data=body, headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked", id="length-and-chunked"),
        pytest.param("Content-Length: 5\r\nContent-Length: 6", id="two-lengths"),
        pytest.param("Content-Length: -1", id="negative"),
        pytest.param("Transfer-Encoding: xchunked", id="unknown-transfer"),
        pytest.param("X-A: b\r\n folded", id="folded"),
        pytest.param("\r\n".join(f"X-{n}: 1" for n in range(200)), id="many-headers"),
        pytest.param("X-Long: " + "x" * 9000, id="long-header"),
        pytest.param("X-Nul: a\0b", id="nul"),
    ],
)
async def test_a_head_two_could_read_differently_is_refused(door: Door, head: str) -> None:
    answer = await raw(
        door.port, f"POST /api/v1/notes HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nhello".encode()
    )
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /ZZMARK" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", id="long-line"),
        pytest.param(b"ZZMARK\r\n\r\n", id="one-word"),
        pytest.param(b"GET /ZZMARK HTTP/9.9.9\r\n\r\n", id="version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00ZZMARK\r\n\r\n", id="tls"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n"
            + b"".join(b"ZZMARK%d: 1\r\n" % n for n in range(200))
            + b"\r\n",
            id="many-headers",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nZZMARK\r\n\r\n", id="no-colon"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ZZMARK\r\n\r\n", id="length"),
    ],
)
async def test_what_is_no_http_is_told_so_without_an_echo_or_a_name(
    door: Door, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    caplog.set_level(logging.INFO)
    answer = await raw(door.port, sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["code"] == "bad-request"
    for word in (b"Server", b"aiohttp", b"Python", b"ZZMARK"):
        assert word.lower() not in answer.lower()
    told = [each for each in caplog.records if each.getMessage() == "http.bad-request"]
    assert len(told) == 1
    assert all(each.levelno <= logging.INFO for each in caplog.records)
    assert "ZZMARK" not in caplog.text


async def test_an_announced_flood_is_refused_unread(door: Door) -> None:
    program = await door.machine("wang")
    token = program.headers["Authorization"]
    answer = await raw(
        door.port,
        f"POST /api/v1/notes HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 4294967296\r\n\r\n0123456789".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 413")


async def test_who_says_nothing_is_cut_and_others_do_not_wait(open_door: OpenDoor) -> None:
    door = await open_door(limits=ConnectionLimits(head_within_s=0.3))
    silent = [
        asyncio.ensure_future(raw(door.port, data))
        for data in [b"", b"GET /api", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] * 20
    ]
    page = await door.visitor()
    async with page.get("/health/live") as answer:
        assert answer.status == 200
    results = await asyncio.gather(*silent, return_exceptions=True)
    assert all(result == b"" or isinstance(result, ConnectionError) for result in results)


async def test_a_request_in_time_may_take_its_time_after_that(open_door: OpenDoor) -> None:
    door = await open_door(limits=ConnectionLimits(head_within_s=0.2))
    page = await door.page("wang")
    async with page.get("/api/v1/events") as stream:
        ended = asyncio.ensure_future(stream.content.read())
        done, _ = await asyncio.wait([ended], timeout=0.5)
        assert not done
        ended.cancel()


async def test_one_address_cannot_take_every_place(open_door: OpenDoor) -> None:
    door = await open_door(
        limits=ConnectionLimits(per_address=3, unlimited=frozenset(), head_within_s=5)
    )
    held = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(3)]
    for _ in range(200):
        if door.book.by_address.total() == 3:
            break
        await asyncio.sleep(0.01)
    try:
        refused = await raw(door.port, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert refused == b""
    except ConnectionError:
        pass
    held.pop()[1].close()
    for _ in range(200):
        if door.book.by_address.total() == 2:
            break
        await asyncio.sleep(0.01)
    answer = await raw(
        door.port, b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")
    for _, writer in held:
        writer.close()


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/reading/%00", 400), ("/api/v1/who?x=a%00", 400)]
)
async def test_an_address_holds_no_nul(door: Door, path: str, status: int) -> None:
    page = await door.page("wang")
    async with page.get(URL(path, encoded=True)) as answer:
        assert answer.status == status
        assert (await answer.json())["code"] == "bad-address"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(r"a\u0000b", 400, id="nul"),
        pytest.param(r"a\\\u0000b", 400, id="nul-behind-a-backslash"),
        pytest.param(r"a\\u0000b", 201, id="a-backslash-and-letters"),
        pytest.param(r"a\u0001b", 201, id="another-control-character"),
    ],
)
async def test_no_text_of_a_body_holds_a_nul(door: Door, text: str, status: int) -> None:
    page = await door.page("wang")
    body = f'{{"text": "{text}"}}'.encode()
    headers = {"Content-Type": "application/json"}
    async with page.post("/api/v1/notes", data=body, headers=headers) as answer:
        assert answer.status == status
        assert status == 201 or (await answer.json())["code"] == "invalid-body"
