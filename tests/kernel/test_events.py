"""The outbox: nothing a reader has passed ever appears behind it."""

import asyncio
import datetime as dt
import itertools
from functools import partial

import pytest
import sqlalchemy as sa

from kernel.events import (
    Event,
    EventDraft,
    events_after,
    first_event_id,
    last_event_id,
    outbox,
    prune,
    publish,
    publish_all,
)
from kernel.sql.db import Database

AT = dt.datetime(2025, 5, 12, 8, 0, tzinfo=dt.UTC)


async def _publish(database: Database, topic: str, institution: str = "qingshan") -> int:
    return await database.write(
        lambda conn: publish(conn, topic, {"n": 1}, institution=institution, at=AT)
    )


async def test_an_event_reads_back_as_it_was_published(database: Database) -> None:
    key = await database.write(
        lambda conn: publish(
            conn, "study.updated", {"名": "张伟", "n": [1]}, institution="qingshan", at=AT
        )
    )
    assert await database.read(lambda conn: events_after(conn, 0)) == [
        Event(key, "study.updated", "qingshan", {"名": "张伟", "n": [1]}, AT)
    ]


async def test_ids_rise_in_the_order_given(database: Database) -> None:
    drafts = [EventDraft(f"topic.{number}", {}, "qingshan") for number in range(50)]
    ids = await database.write(lambda conn: publish_all(conn, drafts, at=AT))
    assert ids == sorted(ids)
    events = await database.read(lambda conn: events_after(conn, 0))
    assert [event.topic for event in events] == [draft.topic for draft in drafts]


async def test_what_rolled_back_was_never_said(database: Database) -> None:
    def fail(conn: sa.Connection) -> None:
        publish(conn, "study.updated", {}, institution="qingshan", at=AT)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await database.write(fail)
    assert await database.read(last_event_id) == 0


async def test_a_reader_asks_by_topic_and_institution(database: Database) -> None:
    for topic, institution in [("a", "x"), ("b", "x"), ("a", "y")]:
        await _publish(database, topic, institution)
    found = await database.read(
        lambda conn: events_after(conn, 0, topics=["a"], institutions=["x"])
    )
    assert [(event.topic, event.institution) for event in found] == [("a", "x")]


async def test_pruning_keeps_the_newest_and_never_gives_a_number_out_again(
    database: Database,
) -> None:
    ids = [await _publish(database, "a") for _ in range(3)]
    later = AT + dt.timedelta(days=9)
    assert await database.write(lambda conn: prune(conn, before=later)) == 2
    assert await database.read(first_event_id) == ids[-1]
    assert await _publish(database, "a") > ids[-1]


async def test_a_reader_never_skips_an_event_that_commits_later(database: Database) -> None:
    """Many writers that dawdle before they commit; one reader that never looks back."""
    url = database._url.render_as_string(hide_password=False)
    others = [await Database.open(url) for _ in range(3)]
    seen: list[int] = []
    done = asyncio.Event()
    dawdling = itertools.cycle([0, 5, 1, 3, 0, 2])

    async def follow() -> None:
        after, last = 0, False
        while not last:
            last = done.is_set()
            for event in await database.read(partial(events_after, after_id=after)):
                seen.append(event.id)
                after = event.id
            await asyncio.sleep(0)

    def dawdle(conn: sa.Connection) -> None:
        publish(conn, "a", {}, institution="x", at=AT)
        for _ in range(next(dawdling)):
            conn.execute(sa.select(sa.literal(1))).scalar_one()

    async def say(target: Database) -> None:
        for _ in range(25):
            await target.write(dawdle)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            async with asyncio.TaskGroup() as writers:
                for other in others:
                    writers.create_task(say(other))
            done.set()
    finally:
        for other in others:
            await other.close()
    everything = await database.read(
        lambda conn: list(conn.scalars(sa.select(outbox.c.id).order_by(outbox.c.id)))
    )
    assert len(everything) == 75
    assert seen == everything


async def test_without_the_lock_postgresql_would_skip(postgres_url: str) -> None:
    """The negative control: a number drawn early and committed late lands behind the reader."""
    first, second = await Database.open(postgres_url), await Database.open(postgres_url)
    try:
        await first.write(outbox.create)
        insert = sa.insert(outbox).values(
            topic="a", institution="x", routed_to=[], payload={}, at=AT
        )
        engine = first._engine._engine  # type: ignore[attr-defined]  # a bare connection
        async with engine.connect() as slow:
            await slow.execute(insert)
            await second.write(lambda conn: conn.execute(insert).rowcount)
            ahead = await second.read(last_event_id)
            await slow.commit()
        behind = await second.read(lambda conn: events_after(conn, 0))
        assert [event.id for event in behind] == [ahead - 1, ahead]
        assert await second.read(lambda conn: events_after(conn, ahead)) == []
    finally:
        await first.close()
        await second.close()
