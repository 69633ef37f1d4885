"""``GET /api/v1/storage/damaged`` and the numbers in ``/metrics``."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from imaging.archive.http_integrity import StorageDoor
from imaging.archive.integrity_metrics import IntegrityMetrics
from imaging.archive.scrubbing import Scrubber
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.door import AS_ROLE, serve
from tests.imaging.sample import ct

PATH = "/api/v1/storage/damaged"


class Asker:
    def __init__(self, session: ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def __call__(self, query: str = "", role: str = "security-administrator") -> Any:
        headers = {AS_ROLE: role}
        async with self._session.get(f"{self._url}{PATH}{query}", headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest_asyncio.fixture
async def ask(desk: Desk) -> AsyncIterator[Asker]:
    async with serve(desk, StorageDoor().routes()) as server, ClientSession() as session:
        yield Asker(session, str(server.make_url("")).rstrip("/"))


async def lose(desk: Desk, count: int) -> None:
    await desk.file(*(ct(number) for number in range(1, count + 1)))
    for path in desk.object_files():
        path.unlink()
    await Scrubber(
        desk.database, desk.objects, HereDecoder(), desk.clock, chain="scrub"
    ).look_at_all()


@pytest.mark.parametrize("role", ["security-administrator", "system-administrator"])
async def test_an_administrator_sees_what_is_damaged_and_no_patient(
    desk: Desk, ask: Asker, role: str
) -> None:
    await lose(desk, 1)
    status, page = await ask(role=role)
    assert status == 200
    (item,) = page["items"]
    assert (item["kind"], item["institution"], item["mended_at"]) == ("missing", "qingshan", None)
    assert item["object_key"].count("/") == 2
    assert "Zhang" not in str(page)
    assert "990000" not in str(page)


async def test_a_long_list_comes_in_pages_none_twice(desk: Desk, ask: Asker) -> None:
    await lose(desk, 5)
    seen, query = [], "?limit=2"
    while True:
        _, page = await ask(query)
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query = f"?limit=2&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    "query",
    [
        *("?limit=0", "?limit=501", "?limit=x", "?cursor=-1", "?cursor=%00", "?cursor=%D9%A1"),
        *(f"?cursor={'9' * 19}", "?unknown=1", "?mended=perhaps"),
    ],
)
async def test_a_broken_question_is_400(ask: Asker, query: str) -> None:
    assert (await ask(query))[0] == 400


async def test_the_numbers_follow_what_is_written_down(desk: Desk) -> None:
    registry = CollectorRegistry()
    metrics = IntegrityMetrics(desk.database, registry)
    await metrics.refresh()
    assert registry.get_sample_value("yilian_objects_written_down") == 0
    await lose(desk, 2)
    await metrics.refresh()
    name = "yilian_objects_damaged"
    assert registry.get_sample_value(name, {"kind": "missing"}) == 2
    assert registry.get_sample_value(name, {"kind": "digest-differs"}) == 0
    assert registry.get_sample_value("yilian_objects_written_down") == 2
