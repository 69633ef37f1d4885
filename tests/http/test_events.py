"""The event stream: nothing missed, nothing shown to whom it does not concern."""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from gateway.accounts.administration import OPERATOR
from gateway.http.app import STREAMS
from gateway.http.sse import as_text, visible
from kernel.events import Event, prune, publish
from kernel.identity import Principal, Role
from tests.http.conftest import AT, Door

Told = tuple[str, str, str]


async def _publish(
    door: Door,
    topic: str = "study.updated",
    *,
    institution: str = "qingshan",
    routed_to: tuple[str, ...] = ("county",),
    payload: Mapping[str, Any] | None = None,
) -> int:
    key = await door.database.write(
        lambda conn: publish(
            conn, topic, payload or {"n": 1}, institution=institution, at=AT, routed_to=routed_to
        )
    )
    await door.bus.notify(topic)
    return key


async def _told(stream: aiohttp.ClientResponse, count: int) -> list[Told]:
    """Return the next *count* events as (id, topic, data)."""
    found: list[Told] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        while len(found) < count:
            line = (await stream.content.readline()).decode()
            assert line, "the stream ended"
            if line == "\n":
                if "data" in fields:
                    found.append((fields.get("id", ""), fields.get("event", ""), fields["data"]))
                fields = {}
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
    return found


async def test_what_happens_comes_at_once_with_its_id(door: Door) -> None:
    page = await door.page("wang")
    async with page.get("/api/v1/events") as stream:
        assert stream.content_type == "text/event-stream"
        key = await _publish(door, payload={"study_instance_uid": "1.2.3"})
        assert await _told(stream, 1) == [
            (str(key), "study.updated", '{"study_instance_uid":"1.2.3"}')
        ]


async def test_a_cut_stream_goes_on_after_the_last_event_seen(door: Door) -> None:
    keys = [await _publish(door, payload={"n": number}) for number in range(5)]
    page = await door.page("wang")
    async with page.get("/api/v1/events", headers={"Last-Event-ID": str(keys[1])}) as stream:
        later = await _publish(door)
        told = await _told(stream, 4)
    assert [int(one[0]) for one in told] == [*keys[2:], later]


async def test_without_a_last_event_only_news_come(door: Door) -> None:
    await _publish(door)
    page = await door.page("wang")
    async with page.get("/api/v1/events") as stream:
        key = await _publish(door)
        assert [int(one[0]) for one in await _told(stream, 1)] == [key]


async def test_more_than_the_ring_holds_comes_from_the_database(door: Door) -> None:
    def many(conn: Any) -> list[int]:
        return [
            publish(conn, "study.updated", {}, institution="county", at=AT) for _ in range(2600)
        ]

    keys = await door.database.write(many)
    page = await door.page("wang")
    async with page.get("/api/v1/events?last_event_id=1") as stream:
        told = await _told(stream, len(keys) - 1)
    assert [int(one[0]) for one in told] == keys[1:]


@pytest.mark.parametrize("case", ["pruned", "other-database"])
async def test_who_missed_something_is_told_to_start_over(door: Door, case: str) -> None:
    first = await _publish(door)
    for _ in range(3):
        await _publish(door)
    await door.database.write(lambda conn: prune(conn, before=AT + dt.timedelta(days=1)))
    last_seen = first if case == "pruned" else 999_999
    page = await door.page("wang")
    async with page.get("/api/v1/events", headers={"Last-Event-ID": str(last_seen)}) as stream:
        key = await _publish(door)
        told = await _told(stream, 2)
    assert [(one[1], one[2]) for one in told] == [("reset", "{}"), ("study.updated", '{"n":1}')]
    assert told[1][0] == str(key)


async def test_another_institution_hears_nothing(door: Door) -> None:
    page = await door.page("qian")
    async with page.get("/api/v1/events") as stream:
        await _publish(door, institution="qingshan")
        await _publish(door, "queue.updated", institution="qingshan")
        await _publish(door, "line.changed", institution="qingshan", routed_to=())
        await _publish(door, "secret.inner", institution="shiqiao")
        own = await _publish(door, institution="shiqiao")
        assert [int(one[0]) for one in await _told(stream, 1)] == [own]


@pytest.mark.parametrize(
    ("role", "institution", "topic", "seen"),
    [
        (Role.RADIOLOGIST, "county", "study.updated", True),
        (Role.RADIOLOGIST, "county", "study.order-updated", True),
        (Role.RADIOLOGIST, "shiqiao", "study.order-updated", False),
        (Role.TECHNICIAN, "qingshan", "queue.summary", True),
        (Role.RADIOLOGIST, "shiqiao", "study.updated", False),
        (Role.SYSTEM_ADMINISTRATOR, "qingshan", "study.updated", False),
        (Role.SYSTEM_ADMINISTRATOR, "qingshan", "line.changed", True),
        (Role.SYSTEM_ADMINISTRATOR, "county", "line.changed", False),
        (Role.REGISTRAR, "county", "conflict.updated", True),
        (Role.REGISTRAR, "qingshan", "conflict.updated", True),
        (Role.REGISTRAR, "shiqiao", "conflict.updated", False),
        (Role.RADIOLOGIST, "county", "conflict.updated", False),
        (Role.RADIOLOGIST, "county", "outbox.inner", False),
    ],
)
def test_who_may_hear_what(role: Role, institution: str, topic: str, seen: bool) -> None:
    who = Principal("u", "u", "u", frozenset({role}), institution)
    event = Event(1, topic, "qingshan", {}, AT, frozenset({"county"}))
    assert visible(who, event) is seen


def test_names_are_masked_for_who_need_not_know_them() -> None:
    event = Event(
        7,
        "study.updated",
        "q",
        {
            "patient": {
                "name": "张伟",
                "alphabetic_name": "Zhang Wei",
                "patient_id": "P1",
                "masked_id": "P1",
                "birth_date": "1949-12-31",
                "sex": "M",
            }
        },
        AT,
    )
    assert "张伟" in as_text(event, full_names=True).decode()
    masked = as_text(event, full_names=False).decode()
    assert "张伟" not in masked
    assert "P1" not in masked
    assert "Wei" not in masked
    assert "1949" not in masked
    assert "张**" in masked


@pytest.mark.parametrize("end", ["sign-out", "disable", "roles"])
async def test_a_stream_ends_with_its_session(door: Door, end: str) -> None:
    page = await door.page("wang")
    secret = next(iter(page.cookie_jar)).value
    async with page.get("/api/v1/events") as stream:
        match end:
            case "sign-out":
                await door.sign_ins.sign_out(secret)
            case "disable":
                await door.admin.disable(OPERATOR, "wang")
            case _:
                await door.admin.set_roles(OPERATOR, "wang", frozenset({Role.DOCTOR}))
        async with asyncio.timeout(10):
            assert b"event" not in await stream.content.read()


async def test_an_open_stream_keeps_no_session_alive(door: Door) -> None:
    page = await door.page("wang")
    async with page.get("/api/v1/events") as stream:
        door.clock.advance(dt.timedelta(minutes=15))
        async with asyncio.timeout(10):
            await stream.content.read()
    async with page.get("/api/v1/who") as answer:
        assert answer.status == 401


async def test_a_closed_page_is_no_fault(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    streams = door.app[STREAMS]
    page = await door.page("wang")
    for _ in range(5):
        stream = await page.get("/api/v1/events")
        await _publish(door)
        await _told(stream, 1)
        stream.close()
        async with asyncio.timeout(15):
            while streams.open_streams:
                await _publish(door)
                await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


async def test_a_quiet_stream_beats_and_moves_the_id_on(door: Door) -> None:
    page = await door.page("qian")
    async with page.get("/api/v1/events") as stream:
        hidden = await _publish(door, institution="qingshan")
        # Another's event is passed over some rounds before the next beat is due.
        mine = await _publish(door, institution="shiqiao")
        assert (await _told(stream, 1))[0][0] == str(mine)
        passed_over = await _publish(door, institution="qingshan")
        assert passed_over > mine > hidden
        seen = b""
        async with asyncio.timeout(25):
            while f"id: {passed_over}\n: still here".encode() not in seen:
                assert not stream.content.at_eof(), seen
                try:
                    async with asyncio.timeout(0.5):
                        seen += await stream.content.readany()
                except TimeoutError:
                    # Only now: the stream has looked meanwhile and written nothing.
                    door.clock.advance(dt.timedelta(seconds=15))


async def test_one_person_has_twenty_streams_at_most(door: Door) -> None:
    page = await door.page("wang")

    streams = [await page.get("/api/v1/events") for _ in range(20)]
    async with page.get("/api/v1/events") as answer:
        assert answer.status == 429
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9" * 30, "\uff11"])
async def test_a_last_event_that_is_no_number_is_400(door: Door, text: str) -> None:
    page = await door.page("wang")
    async with page.get("/api/v1/events", params={"last_event_id": text}) as answer:
        assert answer.status == 400
