"""An act that is sent again is done once."""

import asyncio
import datetime as dt
from functools import partial

import pytest
import sqlalchemy as sa

from kernel.errors import Invalid
from kernel.idempotency import Ask, KeyReused, done_before, forget, remember
from kernel.sql.db import Database

AT = dt.datetime(2026, 5, 12, 8, 0, tzinfo=dt.UTC)


def act(conn: sa.Connection, ask: Ask, made: str) -> str:
    before = done_before(conn, ask)
    if before is not None:
        return before
    remember(conn, ask, made, at=AT)
    return made


async def test_of_many_at_once_one_acts_and_all_hear_what_it_made(database: Database) -> None:
    ask = Ask.parse("u1", "k", b"order a chest")
    heard = await asyncio.gather(
        *(database.write(partial(act, ask=ask, made=f"order:{number}")) for number in range(8))
    )
    assert len(set(heard)) == 1


async def test_a_key_is_its_owners_and_means_one_request(database: Database) -> None:
    mine, theirs = Ask.parse("u1", "k", b"a"), Ask.parse("u2", "k", b"b")
    await database.write(lambda conn: act(conn, mine, "order:1"))
    assert await database.write(lambda conn: act(conn, theirs, "order:2")) == "order:2"
    with pytest.raises(KeyReused):
        await database.write(lambda conn: act(conn, Ask.parse("u1", "k", b"c"), "order:3"))


async def test_old_acts_are_forgotten(database: Database) -> None:
    ask = Ask.parse("u1", "k", b"a")
    await database.write(lambda conn: act(conn, ask, "order:1"))
    assert await database.write(lambda conn: forget(conn, before=AT)) == 0
    assert await database.write(lambda conn: forget(conn, before=AT + dt.timedelta(1))) == 1
    assert await database.write(lambda conn: act(conn, ask, "order:2")) == "order:2"


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "键", "a\n"])
def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(Invalid):
        Ask.parse("u1", key, b"")
