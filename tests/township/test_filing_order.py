"""A journal is filed as it came, but for emergencies: they do not wait behind a large study."""

from itertools import islice
from pathlib import Path

import msgspec
import sqlalchemy as sa
from hypothesis import given, strategies as st

from gateway.township import spool
from gateway.township.filing_order import AHEAD, FilingOrder
from gateway.township.tables import instances
from kernel.arrival import Priority, encode_arrival
from kernel.journal.writer import Committed, JournalWriter, Position, Stored
from tests.databases import open_filled
from tests.orders.desk import LIU, open_desk
from tests.township.node import arrival_of, node_in
from tests.township.test_order_urgency import EMERGENCY, examined
from tests.uploads.dicom_files import ct_slice
from yilian.wiring.urgency import ordered_urgency

ARRIVAL = arrival_of(ct_slice(1))
BACKLOG = 3 * spool._BATCH
CALM, URGENT = "2.25.1", "2.25.2"


def batch(number: int, *studies: str) -> Committed:
    """The batch *number* of a journal, with an object of each of *studies*; "" is unreadable."""
    entries = [
        Stored(
            encode_arrival(msgspec.structs.replace(ARRIVAL, study_instance_uid=study))
            if study
            else b"?",
            number,
            Path("nowhere"),
            (),
        )
        for study in studies
    ]
    return Committed(Position(1, number), tuple(entries))


def numbers(stored: tuple[Stored, ...]) -> list[int]:
    return [one.size for one in stored]


def test_only_what_would_wait_for_another_turn_is_asked_about() -> None:
    order = FilingOrder(2)
    order.add([batch(1, CALM), batch(2, URGENT)])
    assert order.behind() == {}
    order.add([batch(3, ""), batch(4, URGENT)])
    assert list(order.behind()) == [URGENT]


def test_an_emergency_overtakes_and_is_not_filed_again() -> None:
    order = FilingOrder(2)
    order.add([batch(n, CALM) for n in (1, 2, 3)])
    order.add([batch(4, CALM, URGENT), batch(5, URGENT), batch(6, URGENT)])
    turn = order.turn({URGENT})
    assert (numbers(turn.stored), turn.upto) == ([4, 5], None)
    order.done(turn)
    # One that came while the first ones were filed.
    order.add([batch(7, URGENT)])
    turn = order.turn({URGENT})
    assert (numbers(turn.stored), turn.upto) == ([6, 7], None)
    order.done(turn)
    assert URGENT not in order.behind()
    left = []
    while not order.empty:
        turn = order.turn(())
        left.append((numbers(turn.stored), turn.upto))
        order.done(turn)
    assert left == [
        ([1, 2], Position(1, 2)),
        ([3, 4], Position(1, 4)),
        ([], Position(1, 6)),
        ([], Position(1, 7)),
    ]


def test_what_is_nowhere_in_it_holds_nothing_up() -> None:
    order = FilingOrder(2)
    order.add([batch(1, CALM)])
    assert order.turn({"2.25.9"}).upto == Position(1, 1)
    assert order.room == AHEAD - 1


@given(
    batches=st.lists(st.lists(st.sampled_from([CALM, URGENT, "2.25.3", ""]), max_size=4)),
    chosen=st.lists(st.sets(st.sampled_from([URGENT, "2.25.3"]))),
    size=st.integers(1, 5),
)
def test_each_object_is_filed_once_and_each_place_is_reached_in_order(
    batches: list[list[str]], chosen: list[set[str]], size: int
) -> None:
    order, filed, places = FilingOrder(size), [], []
    told = [batch(number, *studies) for number, studies in enumerate(batches, 1)]
    reading = iter(told)
    turns = iter(chosen)
    while True:
        order.add(list(islice(reading, 3)))
        if order.empty:
            break
        turn = order.turn(next(turns, set()))
        filed += list(map(id, turn.stored))
        places += [turn.upto] if turn.upto else []
        order.done(turn)
        # What a place says is done is done.
        before = {id(one) for each in told for one in each.entries if each.position in places}
        assert before <= set(filed)
    assert sorted(filed) == sorted(id(one) for each in told for one in each.entries)
    assert places == sorted(places)
    assert places[-1:] == [each.position for each in told[-1:]]


async def fill(home: Path, raws: list[bytes], *, last: Priority = Priority.ROUTINE) -> None:
    """Acknowledge *raws* one by one while nobody files; the last came in as *last*."""
    journal = JournalWriter.open(home / "journal", reserve_bytes=0, segment_bytes=1 << 20)
    for raw in raws:
        draft = journal.begin()
        await draft.write(raw)
        priority = last if raw is raws[-1] else Priority.ROUTINE
        await journal.commit([(draft, encode_arrival(arrival_of(raw, priority=priority)))])
    await journal.close()


async def test_an_ordered_emergency_is_in_the_queue_before_a_large_study_is(
    tmp_path: Path,
) -> None:
    database = await open_filled(f"sqlite:///{tmp_path}/node.sqlite")
    desk = await open_desk(database)
    order = await desk.order(LIU, EMERGENCY)
    images = [await examined(desk, order, number) for number in (901, 902)]
    await database.close()
    await fill(tmp_path, [*(ct_slice(number) for number in range(BACKLOG)), *images])
    async with node_in(tmp_path, urgency=ordered_urgency) as node:
        await node.until(waiting=BACKLOG + 2)
        filed = [study for (study,) in await node.rows("study_instance_uid")]
        assert filed.count(order.study_instance_uid) == 2
        assert filed[:2] == [order.study_instance_uid] * 2
        # Nothing of the journal is left to file, nor filed twice.
        query = sa.select(sa.func.count()).select_from(instances)
        assert await node.database.read(lambda conn: conn.scalar(query)) == BACKLOG + 2


async def test_what_overtook_is_one_also_where_the_node_ends_before_its_place(
    tmp_path: Path,
) -> None:
    await fill(
        tmp_path,
        [*(ct_slice(number) for number in range(BACKLOG)), ct_slice(1, study=77)],
        last=Priority.EMERGENCY,
    )
    async with node_in(tmp_path) as node:

        async def some() -> int:
            return sum((await node.states()).values())

        while not await some():
            pass
    async with node_in(tmp_path) as node:
        await node.until(waiting=BACKLOG + 1)
        filed = await node.rows("study_instance_uid", "object_key")
        assert filed[0][0].endswith(".77")
        assert len({key for _, key in filed}) == BACKLOG + 1
