"""Letters up: every one taken once, in order, over a line that drops; what cannot be is kept."""

import datetime as dt
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import strategies as st

from bench.line.model import QUICK_LINE, AtByte, Fault
from bench.line.proxy import open_line
from gateway.exchange import outbox
from gateway.exchange.heartbeat import Post
from gateway.exchange.inbox import InvalidPost, take_post
from gateway.exchange.model import PostAnswer, Sent, Source, Versions
from gateway.exchange.nodes import Node, add_node
from gateway.exchange.taking import kept_letters, retry_unknown
from gateway.township.backoff import Backoff
from kernel.errors import Invalid, Unavailable
from kernel.identity import Institution, InstitutionKind, put_institution
from kernel.letter import Letter
from kernel.sql.columns import metadata
from kernel.sql.db import Database
from tests.databases import open_filled
from tests.exchange.two_nodes import Read, Township, county_in, township_in, until
from yilian.wiring import tables

tables.load()

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
NODE = "n" * 26
EPOCH = "e" * 26
SOURCE = Source(NODE, "qingshan", AT)


def order(number: int, **body: Any) -> Letter:
    return Letter("order", f"o{number}", 1, {"number": number, **body})


def sent(sequence: int, kind: str = "order", **body: Any) -> Sent:
    return Sent(
        sequence=sequence, id=f"id{sequence}", kind=kind, key=f"o{sequence}", version=1, body=body
    )


def post(*letters: Sent, epoch: str = EPOCH) -> Post:
    return Post(epoch=epoch, versions=Versions(), letters=list(letters))


def know_node(conn: sa.Connection) -> None:
    put_institution(conn, Institution("qingshan", "q", InstitutionKind.TOWNSHIP), at=AT)
    add_node(conn, Node(NODE, "qingshan", "q", "0" * 64, AT, None))


async def test_letters_arrive_once_and_in_order_over_a_line_that_drops(tmp_path: Path) -> None:
    read = Read()
    async with county_in(tmp_path, {"order": read}) as county:
        enrolled, key = await county.new_node()
        async with (
            open_line(county.port, QUICK_LINE) as line,
            township_in(tmp_path, line.port, enrolled, key) as node,
        ):
            # Lost answers most of all: the county has taken what the node thinks it has not.
            for after in (300, 900, 1500, 700, 1100, 500):
                line.troubles.append(AtByte(after, Fault.RST, before_answer=True))
                line.troubles.append(AtByte(after, Fault.RST))
            node.start()
            drawn = random.Random(7)  # text that does not compress
            for number in range(60):
                await node.write(order(number, text=drawn.randbytes(number * 20).hex()))
            await until(lambda: len(read.letters) >= 60)
            await until(_none_waits(node))
            assert len(line.strikes) >= 3
        assert read.keys == [f"o{number}" for number in range(60)]
        assert {house for house, _ in read.letters} == {"qingshan"}


def _waits(node: Township, count: int) -> Callable[[], Awaitable[bool]]:
    async def as_many() -> bool:
        return await node.waiting() == count

    return as_many


def _none_waits(node: Township) -> Callable[[], Awaitable[bool]]:
    return _waits(node, 0)


async def test_a_letter_its_room_refuses_is_kept_at_both_ends_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    def strict(_conn: sa.Connection, letter: Letter, _source: Source) -> None:
        if letter.body["number"] == 1:
            raise Invalid("no such examination", code="examination-unknown")

    async with county_in(tmp_path, {"order": strict}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            node.start()
            await node.write(order(0), order(1), order(2))
            await until(_none_waits(node))
            at_node = await node.database.read(outbox.waiting)
            assert (at_node.waiting, at_node.refused) == (0, 1)
        [kept] = await county.database.read(partial(kept_letters, limit=9))
        assert (kept.source, kept.key, kept.code) == (enrolled.node, "o1", "examination-unknown")


async def test_a_node_speaks_for_no_other_house(database: Database) -> None:
    await database.write(know_node)
    read = Read()
    foreign = sent(2, institution="shiqiao")
    take = partial(
        take_post,
        post=post(sent(1, institution="qingshan"), foreign, sent(3)),
        handlers={"order": read},
        source=SOURCE,
        protocol=1,
    )
    answer = await database.write(take)
    assert [(r.sequence, r.code) for r in answer.refused] == [(2, "other-institution")]
    assert read.keys == ["o1", "o3"]


async def test_the_same_post_again_changes_nothing_and_is_answered_alike(
    database: Database,
) -> None:
    await database.write(know_node)
    read = Read()
    take = partial(
        take_post,
        post=post(sent(1), sent(2, "unheard-of"), sent(3)),
        handlers={"order": read},
        source=SOURCE,
        protocol=1,
    )
    first = await database.write(take)
    assert await database.write(take) == first
    assert (first.last_sequence, first.last_id) == (3, "id3")
    assert read.keys == ["o1", "o3"]


async def test_a_part_that_is_down_undoes_the_whole_post(database: Database) -> None:
    await database.write(know_node)
    read, trouble = Read(), [Unavailable("later")]

    def handler(conn: sa.Connection, letter: Letter, source: Source) -> None:
        if letter.key == "o2" and trouble:
            raise trouble.pop()
        conn.execute(sa.text("INSERT INTO notes VALUES (:key)"), {"key": letter.key})
        read(conn, letter, source)

    notes = sa.Table("notes", sa.MetaData(), sa.Column("key", sa.Text))
    await database.write(notes.metadata.create_all)
    take = partial(
        take_post,
        post=post(sent(1), sent(2)),
        handlers={"order": handler},
        source=SOURCE,
        protocol=1,
    )
    with pytest.raises(Unavailable):
        await database.write(take)
    query = sa.select(notes.c.key)
    assert await database.read(lambda conn: list(conn.scalars(query))) == []
    await database.write(take)
    assert await database.read(lambda conn: list(conn.scalars(query))) == ["o1", "o2"]


class PowerCut(Exception):
    """The machine is gone in the middle of a transaction."""


async def _notes(database: Database) -> sa.Table:
    notes = sa.Table("notes", sa.MetaData(), sa.Column("key", sa.Text))
    await database.write(notes.metadata.create_all)
    await database.write(know_node)
    return notes


async def test_a_crash_between_a_letter_and_its_place_leaves_neither(sqlite_url: str) -> None:
    database = await open_filled(sqlite_url)
    notes = await _notes(database)

    def handler(conn: sa.Connection, letter: Letter, _source: Source) -> None:
        conn.execute(sa.insert(notes).values(key=letter.key))

    take = partial(
        take_post, post=post(sent(1)), handlers={"order": handler}, source=SOURCE, protocol=1
    )

    def cut(conn: sa.Connection) -> None:
        take(conn)
        raise PowerCut

    with pytest.raises(PowerCut):
        await database.write(cut)
    await database.write(take)
    count = sa.select(sa.func.count()).select_from(notes)
    assert await database.read(lambda conn: conn.scalar(count)) == 1
    await database.close()


async def test_control_letter_and_place_in_two_transactions_take_it_twice(
    sqlite_url: str,
) -> None:
    database = await open_filled(sqlite_url)
    notes = await _notes(database)

    def apply(conn: sa.Connection) -> None:
        conn.execute(sa.insert(notes).values(key="o1"))

    take = partial(
        take_post,
        post=post(sent(1)),
        handlers={"order": lambda conn, _letter, _source: apply(conn)},
        source=SOURCE,
        protocol=1,
    )
    await database.write(apply)  # and the power goes before the place is written
    await database.write(take)
    count = sa.select(sa.func.count()).select_from(notes)
    assert await database.read(lambda conn: conn.scalar(count)) == 2
    await database.close()


@pytest.mark.parametrize(
    "letters",
    [
        pytest.param([sent(2), sent(1)], id="falling"),
        pytest.param([sent(1), sent(1)], id="repeated"),
        pytest.param([sent(0)], id="from-zero"),
        pytest.param([sent(2**63)], id="beyond-the-column"),
    ],
)
async def test_a_post_out_of_order_is_refused(sqlite_url: str, letters: list[Sent]) -> None:
    database = await open_filled(sqlite_url)
    with pytest.raises(InvalidPost):
        await database.write(
            partial(take_post, post=post(*letters), handlers={}, source=SOURCE, protocol=1)
        )
    await database.close()


async def test_a_kind_nobody_reads_waits_for_the_program_that_does(database: Database) -> None:
    await database.write(know_node)
    await database.write(
        partial(
            take_post,
            post=post(sent(1, "bed"), sent(2, "bed")),
            handlers={},
            source=SOURCE,
            protocol=1,
        )
    )
    read = Read()
    retry = partial(
        retry_unknown, handlers={"bed": read}, institutions={NODE: "qingshan"}, source=SOURCE
    )
    assert await database.write(retry) == 2
    assert read.keys == ["o1", "o2"]
    assert await database.read(partial(kept_letters, limit=9)) == []


async def test_a_node_put_back_to_an_older_copy_loses_no_letter(tmp_path: Path) -> None:
    read = Read()
    async with county_in(tmp_path, {"order": read}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path / "a", county.port, enrolled, key) as node:
            node.start()
            await node.write(*(order(number) for number in range(5)))
            await until(_none_waits(node))
        # The same box after its disk was changed: numbers begin again, the county is past them.
        async with township_in(tmp_path / "b", county.port, enrolled, key) as node:
            await node.write(*(order(number) for number in range(5, 8)))
            node.start()
            await until(_none_waits(node))
        assert read.keys == [f"o{number}" for number in range(8)]


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    cuts=st.lists(
        st.tuples(st.integers(1, 12), st.integers(1, 12)).map(sorted),
        max_size=12,
    )
)
def test_whatever_parts_come_in_whatever_order_each_letter_is_taken_once_and_in_order(
    cuts: list[list[int]],
) -> None:
    """Posts overlap, come twice, come late: as a node does that hears no answers."""
    letters = [sent(number) for number in range(1, 13)]
    engine = sa.create_engine("sqlite://")
    read = Read()
    with engine.connect() as conn:
        metadata.create_all(conn)
        know_node(conn)
        reached = 0
        for begin, end in cuts:
            # A node never leaves one out: it begins at or before the first unanswered one.
            first = min(begin, reached + 1)
            part = letters[first - 1 : max(end, first)]
            answer = take_post(conn, post(*part), {"order": read}, SOURCE, protocol=1)
            reached = answer.last_sequence
        take_post(conn, post(*letters[reached:]), {"order": read}, SOURCE, protocol=1)
    engine.dispose()
    assert read.keys == [letter.key for letter in letters]


async def test_the_trail_waits_while_an_emergency_needs_the_line_and_is_not_lost(
    tmp_path: Path,
) -> None:
    read = Read()
    async with county_in(tmp_path, {"order": read, "audit": read}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            node.line.emergency = True
            node.start()
            await node.write(Letter("audit", "1-2", 2, {}), order(1))
            await until(_waits(node, 1))
            assert read.keys == ["o1"]
            node.line.emergency = False
            await node.write(order(2))
            await until(lambda: len(read.keys) == 3)
            assert sorted(read.keys) == ["1-2", "o1", "o2"]
            await until(_none_waits(node))


async def test_letters_go_both_ways_once_anything_of_the_node_reaches_the_county(
    tmp_path: Path,
) -> None:
    read, slow = Read(), Backoff(first_s=3600.0, cap_s=3600.0)
    async with county_in(tmp_path, {"order": read}) as county:
        enrolled, key = await county.new_node()
        async with (
            open_line(county.port, QUICK_LINE) as line,
            township_in(tmp_path, line.port, enrolled, key, backoff=slow) as node,
        ):
            line.take_down()
            node.start()
            await node.write(order(1))
            await until(lambda: "line-down" in node.line.words)
            await until(lambda: len(node.line.back._waiting) == 2)
            line.bring_up()
            # One is heard, and takes the other with it.
            await node.follower.follow_once()
            await until(lambda: read.keys == ["o1"])
            assert (await node.database.read(outbox.make_place)).heard_at is not None


async def test_the_same_letters_go_again_under_the_same_numbers(sqlite_url: str) -> None:
    database = await open_filled(sqlite_url)
    await database.write(lambda conn: outbox.write_letters(conn, [order(1)], at=AT))
    first = await database.write(outbox.next_letters)
    await database.write(lambda conn: outbox.write_letters(conn, [order(2)], at=AT))
    assert await database.write(outbox.next_letters) == first
    answer = PostAnswer(protocol=1, last_sequence=1, last_id=first[0].id)
    await database.write(lambda conn: outbox.note_answer(conn, first, answer, at=AT))
    assert [(each.sequence, each.key) for each in await database.write(outbox.next_letters)] == [
        (2, "o2")
    ]
    await database.close()
