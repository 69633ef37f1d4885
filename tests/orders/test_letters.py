"""What two nodes tell each other of patients and orders, in every order and however often."""

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from kernel.errors import Invalid
from kernel.events import outbox
from kernel.letter import InvalidLetter, Letter
from referrals.orders.asked import OrderChanges, PatientChanges
from referrals.orders.detail import history
from referrals.orders.ledger import Applied, By, ForeignRecord, Page
from referrals.orders.machine import Act
from referrals.orders.model import State
from referrals.orders.performing import Performed, note
from referrals.orders.records import RecordKind, from_letter, to_letter
from referrals.orders.retelling import tell_again
from referrals.orders.store import VersionDiffers
from referrals.orders.tables import (
    orders,
)
from referrals.orders.views import rows_of_orders
from referrals.orders.worklist import WorklistQuery, worklist
from tests.databases import open_filled
from tests.orders.desk import AT, COUNTY, LIU, QINGSHAN, Desk, ask, by, open_desk, seen
from tests.orders.two_nodes import over_the_line, rows, tell, wiped

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


async def test_what_a_township_writes_stands_at_the_county_as_it_is_there(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    assert await tell(township.letters, county) == [Applied.NEW, Applied.NEW]
    assert await county.find_order(order.id) == order
    assert await county.find_patient(order.patient) == await township.find_patient(order.patient)


async def test_the_same_letter_twice_changes_nothing(township: Desk, county: Desk) -> None:
    await township.order()
    await tell(township.letters, county)
    before, events = await rows(county), await county.count(outbox)
    assert set(await tell(township.letters, county)) == {Applied.KNOWN}
    assert await rows(county) == before
    assert await county.count(outbox) == events


@pytest.mark.parametrize("thinned", [7, pytest.param(1, marks=pytest.mark.torture)])
@pytest.mark.timeout(120)
async def test_every_order_of_arrival_ends_alike(
    township: Desk, county: Desk, thinned: int
) -> None:
    order = await township.order()
    await tell(township.letters, county)
    questions = OrderChanges(clinical_question="跌倒")
    await township.desk.change(by(), seen(order), questions, ask())
    here = await township.find_order(order.id)
    await township.desk.move(by(), seen(here), Act.BEGIN, "", ask())
    # The county knows nothing of that and cancels.
    theirs = by(institution=QINGSHAN, username="wangjing")
    await county.desk.move(theirs, seen(order), Act.CANCEL, "重复", ask())
    letters = [*township.letters, *county.letters]
    assert len(letters) == 5
    ends = []
    # What decides is the same code on both; the server is tried with a fifth of the orders.
    every = thinned * (1 if county.database.dialect == "sqlite" else 5)
    for arrival in itertools.islice(itertools.permutations(letters), 0, None, every):
        await wiped(county)
        await tell(arrival, county)
        ends.append(await rows(county))
    assert all(end == ends[0] for end in ends)
    shown = await county.find_order(order.id)
    # The highest version is what was done; the cancelling lies open beside version 2.
    assert shown.state is State.IN_PROGRESS
    kept = await county.versions(RecordKind.ORDER, order.id)
    assert [(each.version.version, each.version.node) for each in kept] == [
        (1, QINGSHAN),
        (2, COUNTY),
        (2, QINGSHAN),
        (3, QINGSHAN),
    ]


async def test_both_nodes_end_alike_after_a_conflict_is_settled_at_one(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    await tell(township.letters, county)
    here, there = len(township.letters), len(county.letters)
    await township.desk.change(by(), seen(order), OrderChanges(clinical_question="跌倒"), ask())
    await county.desk.change(by(), seen(order), OrderChanges(clinical_question="头痛"), ask())
    assert await tell(township.letters[here:], county) == [Applied.CONFLICT]
    assert await tell(county.letters[there:], township) == [Applied.CONFLICT]
    assert await township.find_order(order.id) == await county.find_order(order.id)
    shown = await county.find_order(order.id)
    there = len(county.letters)
    await county.desk.settle(by(), RecordKind.ORDER, seen(shown), "2.qingshan", ask())
    assert await tell(county.letters[there:], township) == [Applied.NEW]
    settled = await township.find_order(order.id)
    assert settled == await county.find_order(order.id)
    assert settled.clinical_question == "跌倒"
    for desk in (township, county):
        assert (
            await desk.read(
                lambda conn: conn.scalar(
                    sa.select(orders.c.conflicts).where(orders.c.id == order.id)
                )
            )
            == 0
        )


async def test_both_noting_the_same_beginning_is_no_conflict(township: Desk, county: Desk) -> None:
    order = await township.order()
    await tell(township.letters, county)
    here, there = len(township.letters), len(county.letters)
    await township.desk.move(by(), seen(order), Act.BEGIN, "", ask())
    county.clock.advance(dt.timedelta(seconds=40))
    await county.desk.move(by(), seen(order), Act.BEGIN, "", ask())
    await tell(township.letters[here:], county)
    await tell(county.letters[there:], township)
    for desk in (township, county):
        conflicts = sa.select(orders.c.conflicts)
        assert await desk.read(lambda conn, q=conflicts: conn.scalar(q)) == 0  # type: ignore[misc]
    assert await township.find_order(order.id) == await county.find_order(order.id)


async def test_what_two_machines_noted_stands_once_in_the_history(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    await tell(township.letters, county)
    here, there = len(township.letters), len(county.letters)
    performed = Performed(institution=QINGSHAN, study_instance_uid=order.study_instance_uid)

    async def begun(desk: Desk, machine: str) -> None:
        def begin(conn: sa.Connection) -> None:
            page, now = Page(conn), desk.clock.now()
            note(desk.ledger, page, performed, Act.BEGIN, By(machine=machine), at=now)
            desk.ledger.end(page, at=now)

        await desk.database.write(begin)

    await begun(township, "mpps")
    county.clock.advance(dt.timedelta(seconds=40))
    await begun(county, "first-image")
    await tell(township.letters[here:], county)
    await tell(county.letters[there:], township)
    for desk in (township, county):
        assert len(await desk.versions(RecordKind.ORDER, order.id)) == 3
        lines = await desk.read(lambda conn: history(conn, RecordKind.ORDER, order.id))
        assert [(line.act, line.by, line.at) for line in lines] == [
            ("order", "罗丽", AT),
            ("begin", "", AT),
        ]


async def test_what_people_did_stands_in_the_history_beside_what_a_machine_noted(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    await tell(township.letters, county)
    there = len(county.letters)
    await township.desk.move(by(), seen(order), Act.BEGIN, "", ask())
    await county.desk.move(by(username="sunyu"), seen(order), Act.BEGIN, "", ask())
    await tell(county.letters[there:], township)
    lines = await township.read(lambda conn: history(conn, RecordKind.ORDER, order.id))
    assert [line.act for line in lines] == ["order", "begin", "begin"]


async def test_an_order_may_come_before_its_patient(township: Desk, county: Desk) -> None:
    order = await township.order()
    patient, ordered = township.letters
    await tell([ordered], county)

    def row(conn: sa.Connection) -> tuple[bool, int]:
        (found,) = rows_of_orders(conn, [order])
        listed = worklist(conn, QINGSHAN, WorklistQuery(), now=AT, limit=9)
        return found.patient is not None, len(listed)

    assert await county.read(row) == (False, 0)
    await tell([patient], county)
    assert await county.read(row) == (True, 1)


async def test_what_was_corrected_and_reconciled_reaches_the_county(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    patient = await township.find_patient(order.patient)
    await township.desk.correct(by(), seen(patient), PatientChanges(name="刘晓凤"), ask())
    await tell(reversed_pairs(township.letters), county)
    assert await rows(county) == await rows(township)


def reversed_pairs(letters: Sequence[Letter]) -> list[Letter]:
    return list(reversed(letters))


async def test_a_node_tells_of_its_own_institution_only(township: Desk, county: Desk) -> None:
    order = await township.order()
    await tell(township.letters, county)
    stolen = replace(order, institution="dahe", version=2)
    change = from_letter(township.letters[1])[1]
    for record in (stolen, replace(order, id="0" * 26, institution="dahe")):
        with pytest.raises(ForeignRecord):
            await county.hear(over_the_line(to_letter(record, change)))

    def by_writer(conn: sa.Connection) -> Applied:
        forged = replace(order, version=9, written_by_node=COUNTY)
        letter = to_letter(forged, change)
        return county.ledger.apply(Page(conn), letter, institution=QINGSHAN, writer=QINGSHAN)

    with pytest.raises(ForeignRecord):
        await county.database.write(by_writer)
    assert await county.find_order(order.id) == order


async def test_an_order_shows_no_other_institutions_patient(township: Desk, county: Desk) -> None:
    stranger = await county.desk.register(by(institution=COUNTY), LIU, ask())
    order = await township.order()
    forged = replace(order, patient=stranger, id="1" * 26, accession_number="QIN00000009")
    await tell([to_letter(forged, from_letter(township.letters[1])[1])], county)

    def shown(conn: sa.Connection) -> tuple[object, int]:
        (row,) = rows_of_orders(conn, [forged])
        return row.patient, len(worklist(conn, QINGSHAN, WorklistQuery(), now=AT, limit=9))

    assert await county.read(shown) == (None, 0)


async def test_two_contents_of_one_node_under_one_version_are_refused(
    township: Desk, county: Desk
) -> None:
    order = await township.order()
    await tell(township.letters, county)
    change = from_letter(township.letters[1])[1]
    other = to_letter(replace(order, clinical_question="别的"), change)
    with pytest.raises(VersionDiffers):
        await county.hear(over_the_line(other))


@given(
    st.sampled_from(["patient", "order", "account"]),
    st.dictionaries(st.sampled_from(["record", "change", "x"]), JSON),
)
def test_what_is_no_letter_of_ours_is_refused(kind: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidLetter):
        from_letter(Letter(kind, "k", 1, body))


async def test_a_letter_whose_version_is_not_its_bodys_is_refused(township: Desk) -> None:
    await township.order()
    letter = township.letters[1]
    with pytest.raises(InvalidLetter):
        from_letter(replace(letter, version=7))
    broken = {**letter.body, "record": {**letter.body["record"], "scheduled_at": "2026-05-12"}}
    with pytest.raises(InvalidLetter):
        from_letter(replace(letter, body=broken))


async def test_everything_can_be_told_again_a_piece_at_a_time(township: Desk, county: Desk) -> None:
    first = await township.order()
    for _ in range(2):
        await township.order(first.patient)
    letters: list[Letter] = []
    mark, pieces = "", 0
    while pieces == 0 or mark:
        told, mark = await township.read(
            lambda conn, m=mark: tell_again(conn, QINGSHAN, m, limit=2)  # type: ignore[misc]
        )
        letters, pieces = [*letters, *told], pieces + 1
    assert [letter.kind for letter in letters] == ["patient", "order", "order", "order"]
    assert pieces == 3
    # The newest first: what is to be done today comes before what was done last year.
    assert letters[1].key > letters[2].key > letters[3].key
    await tell(letters, county)
    assert await rows(county) == await rows(township)
    with pytest.raises(Invalid):
        await township.read(lambda conn: tell_again(conn, QINGSHAN, "account:1"))


async def test_what_is_told_again_holds_its_conflict_and_goes_on_where_it_ended(
    township: Desk, county: Desk, tmp_path: Path
) -> None:
    order = await township.order()
    await tell(township.letters, county)
    here = len(township.letters)
    await township.desk.change(by(), seen(order), OrderChanges(clinical_question="跌倒"), ask())
    await county.desk.change(by(), seen(order), OrderChanges(clinical_question="头痛"), ask())
    await tell(township.letters[here:], county)
    database = await open_filled(f"sqlite:///{tmp_path / 'new.sqlite'}")
    new = await open_desk(database)
    await tell((await county.read(lambda conn: tell_again(conn, QINGSHAN, "")))[0], new)
    assert await rows(new) == await rows(county)
    shown = await new.find_order(order.id)
    await new.desk.settle(by(), RecordKind.ORDER, seen(shown), "2.qingshan", ask())
    assert await tell(new.letters, county) == [Applied.NEW]
    assert await county.find_order(order.id) == await new.find_order(order.id)
    await database.close()
