"""The built workstation, the description of the API, and health."""

import gzip
import json
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
from yarl import URL

from tests.http.conftest import Door, OpenDoor


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    page = b"<!doctype html><title>Yilian</title>"
    script = b"console.log('hello');" * 100
    (folder / "index.html").write_bytes(page)
    (folder / "assets" / "app-3f2a.js").write_bytes(script)
    (folder / "assets" / "app-3f2a.js.gz").write_bytes(gzip.compress(script))
    (folder / "assets" / "app-3f2a.js.br").write_bytes(brotli.compress(script))
    (folder / "assets" / "codec.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "assets" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.mark.parametrize("path", ["/", "/reading/5", "/township", "/index.html"])
async def test_every_address_of_the_page_gives_the_page(
    open_door: OpenDoor, built: Path, path: str
) -> None:
    door = await open_door(ui_folder=built, websocket_url="ws://127.0.0.1:8081/ws")
    page = await door.visitor(Accept="text/html,*/*")
    async with page.get(path) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert answer.headers["Cache-Control"] == "no-cache"
        policy = answer.headers["Content-Security-Policy"]
        assert "Yilian" in await answer.text()
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "connect-src 'self' ws://127.0.0.1:8081;" in policy
    assert "'unsafe-eval'" not in policy


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None)]
)
async def test_a_compressed_file_is_sent_to_who_can_read_it(
    open_door: OpenDoor, built: Path, accepted: str, encoding: str | None
) -> None:
    door = await open_door(ui_folder=built)
    page = await door.visitor(**{"Accept-Encoding": accepted})
    async with page.get("/assets/app-3f2a.js") as answer:
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.content_type == "text/javascript"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert await answer.text() == "console.log('hello');" * 100


async def test_wasm_has_its_type(open_door: OpenDoor, built: Path) -> None:
    door = await open_door(ui_folder=built)
    page = await door.visitor()
    async with page.get("/assets/codec.wasm") as answer:
        assert answer.content_type == "application/wasm"


async def test_a_page_kept_by_the_browser_is_not_sent_again(
    open_door: OpenDoor, built: Path
) -> None:
    door = await open_door(ui_folder=built)
    page = await door.visitor()
    async with page.get("/index.html") as answer:
        tag = answer.headers["ETag"]
    async with page.get("/index.html", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/assets/link.txt",
        "/assets/none.js",
        "/assets/app-3f2a.js.gz",
        "/api/v1/none",
    ],
)
async def test_nothing_else_is_served(open_door: OpenDoor, built: Path, path: str) -> None:
    door = await open_door(ui_folder=built)
    page = await door.visitor(Accept="*/*")
    async with page.get(URL(door.url + path, encoded=True)) as answer:
        assert answer.status == 404
        assert "secret" not in await answer.text()


async def test_without_a_built_page_the_api_works(door: Door) -> None:
    page = await door.visitor(Accept="text/html")
    async with page.get("/") as answer:
        assert answer.status == 404
    async with page.get("/health/ready") as answer:
        assert await answer.json() == {"status": "ok", "checks": {"database": "ok"}}


async def test_a_node_whose_database_is_gone_is_alive_but_not_ready(door: Door) -> None:
    page = await door.visitor()
    await door.database.close()
    async with page.get("/health/live") as answer:
        assert answer.status == 200
    async with page.get("/health/ready") as answer:
        assert answer.status == 503
        assert (await answer.json())["checks"] == {"database": "failed"}


async def test_metrics_count_by_route_and_name_no_address(door: Door) -> None:
    page = await door.page("wang")
    async with page.get("/api/v1/reading/1.2.840.99") as answer:
        assert answer.status == 200
    async with page.get("/metrics") as answer:
        text = await answer.text()
    assert 'route="/api/v1/reading/{uid}",status="200"' in text
    assert "1.2.840.99" not in text


async def test_the_description_names_every_route_and_its_bodies(door: Door) -> None:
    page = await door.visitor()
    async with page.get("/api/openapi.json") as answer:
        document = await answer.json()
    assert document["openapi"] == "3.1.0"
    paths = document["paths"]
    assert {"/api/v1/session", "/api/v1/events", "/api/v1/who", "/health/ready"} <= set(paths)
    sign_in = paths["/api/v1/session"]["post"]
    assert sign_in["security"] == []
    reference = sign_in["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    name = reference.rpartition("/")[2]
    assert document["components"]["schemas"][name]["required"] == ["username", "password"]
    assert paths["/api/v1/reading/{uid}"]["get"]["x-roles"] == ["radiologist"]
    assert paths["/api/v1/reading/{uid}"]["get"]["parameters"][0]["name"] == "uid"
    assert json.dumps(document).count('"$ref": "#/components/schemas/') > 5
