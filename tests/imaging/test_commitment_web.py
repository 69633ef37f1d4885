"""Storage commitment over the web, as PS3.18 13 writes it."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from gateway.commitment.reporter import Reporter
from gateway.commitment.service import OpenLines
from gateway.commitment.tables import requests
from kernel.process.wake import Wake
from tests.commitment.desk import Phone
from tests.imaging.desk import Desk
from tests.imaging.sample import CT, ROOT, ct
from tests.imaging.web_door import WebDoor, open_door
from yilian.wiring.commitments import CountyCommitted

JSON = "application/dicom+json"
REQUEST = "/commitment-requests/2.25.990400"
HERE, NEVER = f"{ROOT}.1.1.1", f"{ROOT}.1.1.9"


@pytest_asyncio.fixture
async def either_door(desk: Desk) -> AsyncIterator[WebDoor]:
    """The door before an archive on each kind of database."""
    await desk.file(ct(1))
    async with open_door(desk, filing=False) as opened:
        yield opened


def question(*instances: str, sop_class: str = CT) -> bytes:
    items = [
        {
            "00081150": {"vr": "UI", "Value": [sop_class]},
            "00081155": {"vr": "UI", "Value": [instance]},
        }
        for instance in instances
    ]
    return json.dumps({"00081199": {"vr": "SQ", "Value": items}}).encode()


def told(body: bytes) -> dict[str, list[tuple[Any, ...]]]:
    """Return instance and reason of each item, by the sequence it is in."""
    answer = json.loads(body)
    return {
        tag: [
            tuple(item[each]["Value"][0] for each in ("00081155", "00081197") if each in item)
            for item in answer[tag]["Value"]
        ]
        for tag in answer
    }


async def test_what_the_archive_has_is_committed_at_once(either_door: WebDoor) -> None:
    status, headers, body = await either_door.post(REQUEST, question(HERE), JSON)
    assert (status, headers["Content-Type"]) == (200, JSON)
    assert told(body) == {"00081199": [(HERE,)]}
    for again in (
        await either_door.post(REQUEST, question(HERE), JSON),
        await either_door.get(REQUEST),
    ):
        assert (again[0], again[2]) == (200, body)


async def test_what_is_not_found_is_known_once_nothing_can_be_under_way(
    either_door: WebDoor, desk: Desk
) -> None:
    status, headers, body = await either_door.post(REQUEST, question(HERE, NEVER), JSON)
    assert (status, body) == (202, b"")
    assert int(headers["Retry-After"]) > 0
    assert (await either_door.get(REQUEST))[0] == 202
    desk.clock.advance(dt.timedelta(seconds=11))
    status, _, body = await either_door.get(REQUEST)
    assert status == 200
    assert told(body) == {"00081198": [(NEVER, 0x0112)], "00081199": [(HERE,)]}


async def test_another_sop_class_is_a_conflict_of_the_two(either_door: WebDoor, desk: Desk) -> None:
    await either_door.post(REQUEST, question(HERE, sop_class="1.2.840.10008.5.1.4.1.1.4"), JSON)
    desk.clock.advance(dt.timedelta(seconds=11))
    _, _, body = await either_door.get(REQUEST)
    assert told(body) == {"00081198": [(HERE, 0x0119)]}


async def test_nobody_is_called_and_the_request_is_forgotten_in_the_end(
    either_door: WebDoor, desk: Desk
) -> None:
    await either_door.post(REQUEST, question(NEVER), JSON)
    desk.clock.advance(dt.timedelta(seconds=11))
    phone = Phone()
    reporter = Reporter(
        desk.database,
        desk.clock,
        committed=CountyCommitted(),
        callback=phone,
        lines=OpenLines(),
        wake=Wake.local(),
        chance=lambda: 0.5,
    )
    await reporter.look_at_due()
    assert not await reporter.report_one()
    assert phone.told == []
    assert (await either_door.get(REQUEST))[0] == 200
    desk.clock.advance(dt.timedelta(days=31))
    await reporter.forget_old()
    assert await desk.rows(sa.select(requests.c.id)) == []
    assert (await either_door.get(REQUEST))[0] == 404


async def test_one_name_is_for_one_question(either_door: WebDoor) -> None:
    await either_door.post(REQUEST, question(HERE), JSON)
    status, _, body = await either_door.post(REQUEST, question(NEVER), JSON)
    assert (status, json.loads(body)["code"]) == (409, "transaction-in-use")


async def test_another_institution_learns_nothing(either_door: WebDoor, desk: Desk) -> None:
    await either_door.post(REQUEST, question(HERE), JSON)
    assert (await either_door.get(REQUEST, who="other"))[0] == 404
    status, _, _ = await either_door.post(REQUEST, question(HERE), JSON, who="other")
    assert status == 202
    desk.clock.advance(dt.timedelta(seconds=11))
    _, _, body = await either_door.get(REQUEST, who="other")
    assert told(body) == {"00081198": [(HERE, 0x0112)]}
    assert (await either_door.get(REQUEST, who="manager"))[0] == 403


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        pytest.param(b"{}", JSON, 400, "invalid-commitment-request", id="no-instances"),
        pytest.param(b"[]", JSON, 400, "invalid-commitment-request", id="no-data-set"),
        pytest.param(b"7", JSON, 400, "invalid-commitment-request", id="a-number"),
        pytest.param(
            b'{"00081199":{"vr":"SQ","Value":[{}]}}',
            JSON,
            400,
            "invalid-commitment-request",
            id="no-uid",
        ),
        pytest.param(question("x"), JSON, 400, "invalid-uid", id="no-uid-of-dicom"),
        pytest.param(b"{", JSON, 400, "invalid-body", id="no-json"),
        pytest.param(b"<a/>", "application/dicom+xml", 415, "unsupported", id="xml"),
        pytest.param(
            question(*(f"1.2.{number}" for number in range(10_001))),
            JSON,
            400,
            "invalid-commitment-request",
            id="too-many",
        ),
    ],
)
async def test_a_question_that_is_none_is_refused(
    door: WebDoor, body: bytes, kind: str, status: int, code: str
) -> None:
    got, _, answer = await door.post(REQUEST, body, kind)
    assert (got, json.loads(answer)["code"]) == (status, code)
    assert (await door.get("/commitment-requests/abc"))[0] == 400
