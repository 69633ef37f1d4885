"""Accession numbers among nodes: blocks, claims, and who keeps a number two orders have."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kernel.errors import PlatformError
from kernel.identity import Role
from kernel.letter import InvalidLetter, Letter
from referrals.orders import numbers
from referrals.orders.accession import (
    AccessionNumberTaken,
    BlockRefused,
    InvalidAccessionNumber,
    NoAccessionNumbers,
)
from referrals.orders.asked import NewOrder
from referrals.orders.ledger import Applied
from referrals.orders.model import Order
from referrals.orders.performing import Performed, matching
from referrals.orders.records import RecordKind, from_letter, to_letter
from referrals.orders.search import Narrow, list_orders
from referrals.orders.views import rows_of_orders
from tests.databases import open_filled
from tests.orders.desk import AT, COUNTY, HEAD, LIU, QINGSHAN, Desk, by, open_desk
from tests.orders.two_nodes import over_the_line, tell


async def test_two_nodes_that_claim_one_number(
    township: Desk, county: Desk, tmp_path: Path
) -> None:
    """A township's machine and its copy, set back to an older database, use one block."""
    database = await open_filled(f"sqlite:///{tmp_path / 'copy.sqlite'}")
    copy = await open_desk(database)
    first = await township.order()
    second = await copy.order(replace(LIU, name="马成功", resident_id="", patient_id="QS-9"))
    assert first.accession_number == second.accession_number == "QIN00000001"
    assert await tell(township.letters, county) == [Applied.NEW, Applied.NEW]
    assert await tell(copy.letters, county) == [Applied.NEW, Applied.RENUMBERED]
    renumbered = await county.find_order(second.id)
    assert renumbered.accession_number != "QIN00000001"
    assert renumbered.former_accession_numbers == ("QIN00000001",)
    history = await county.versions(RecordKind.ORDER, second.id)
    assert [(each.change.act, each.change.reason) for each in history] == [
        ("order", "not-checked"),
        ("renumber", "accession-number-taken"),
    ]
    # The same letters again give no further number.
    await tell(copy.letters, county)
    assert await county.find_order(second.id) == renumbered
    # The node that was refused hears of it, and both orders stand there with a number each.
    await tell(county.letters, copy)
    assert (await copy.find_order(second.id)).accession_number == renumbered.accession_number
    # Images bear the old number; they are found by it, each at its own patient.
    for order, patient_id in ((first, ""), (second, "QS-9")):
        known = patient_id or (await county.find_patient(order.patient)).patient_id
        performed = Performed(
            institution=QINGSHAN, accession_number="QIN00000001", patient_id=known
        )
        match = await county.read(lambda conn, p=performed: matching(conn, p))  # type: ignore[misc]
        assert match is not None
        assert (match.order.id, match.same_patient) == (order.id, True)
    narrow = Narrow(institution=QINGSHAN, typed="QIN00000001", folded="qin00000001")
    found = await county.read(lambda conn: list_orders(conn, narrow, limit=9, before=None))
    assert {order.id for order in found} == {first.id, second.id}
    await database.close()


MA = replace(LIU, name="马成功", resident_id="", patient_id="QS-9")


async def test_a_number_outside_every_block_belongs_to_whoever_came_first(
    township: Desk, county: Desk, tmp_path: Path
) -> None:
    """Another system's number, typed at two nodes while neither heard of the other."""
    database = await open_filled(f"sqlite:///{tmp_path / 'other.sqlite'}")
    other = await open_desk(database)
    foreign = NewOrder(examination=HEAD.code, accession_number=" ris-2026/77 ")
    first = await township.order(LIU, foreign)
    second = await other.order(MA, foreign)
    assert first.accession_number == second.accession_number == "RIS-2026/77"
    assert await tell(township.letters, county) == [Applied.NEW, Applied.NEW]
    assert await tell(other.letters, county) == [Applied.NEW, Applied.RENUMBERED]
    renumbered = await county.find_order(second.id)
    assert renumbered.accession_number.startswith("QIN")
    assert renumbered.former_accession_numbers == ("RIS-2026/77",)
    assert (await county.find_order(first.id)).accession_number == "RIS-2026/77"
    # Kept whole: what the second node wrote, and why the county wrote another.
    history = await county.versions(RecordKind.ORDER, second.id)
    assert [each.change.reason for each in history] == ["not-checked", "accession-number-taken"]
    await tell(county.letters, other)
    assert await other.find_order(second.id) == renumbered
    await database.close()


async def test_a_number_of_anothers_block_goes_to_the_node_that_gives_it_out(
    township: Desk, county: Desk
) -> None:
    """Typed at a node that knows nothing of that block, before its owner came so far."""

    def allot(conn: sa.Connection) -> str:
        block = numbers.allot(conn, QINGSHAN, "elsewhere", at=AT)
        return block.give()[0]

    number = await county.database.write(allot)
    await no_blocks(township)
    typed = await township.order(LIU, NewOrder(examination=HEAD.code, accession_number=number))
    assert typed.accession_number == number
    assert await tell(township.letters, county) == [Applied.NEW, Applied.RENUMBERED]
    renumbered = await county.find_order(typed.id)
    assert renumbered.former_accession_numbers == (number,)
    assert renumbered.accession_number != number
    history = await county.versions(RecordKind.ORDER, typed.id)
    assert history[-1].change.reason == "accession-number-of-another-node"
    narrow = Narrow(institution=QINGSHAN, typed=number.lower(), folded=number.lower())
    found = await county.read(lambda conn: list_orders(conn, narrow, limit=9, before=None))
    assert [order.id for order in found] == [typed.id]


async def test_a_typed_number_is_nobody_elses_and_none_this_node_will_give_out(
    township: Desk,
) -> None:
    taken = await township.order(LIU, NewOrder(examination=HEAD.code, accession_number="RIS-1"))
    with pytest.raises(AccessionNumberTaken) as refused:
        await township.order(MA, NewOrder(examination=HEAD.code, accession_number="ris-1"))
    assert refused.value.members == {"order": taken.id}
    for number in ("QIN00000007", "A\\B", "X" * 17, "A\nB"):
        with pytest.raises(InvalidAccessionNumber):
            await township.order(MA, NewOrder(examination=HEAD.code, accession_number=number))
    assert (await township.order(MA)).accession_number == "QIN00000001"


async def test_a_letter_whose_number_no_modality_could_carry_is_refused(township: Desk) -> None:
    order = await township.order()
    change = from_letter(township.letters[1])[1]
    for number in ("", "A\\B", "X" * 17, " A"):
        letter = to_letter(replace(order, accession_number=number), change)
        with pytest.raises(InvalidLetter):
            from_letter(over_the_line(letter))


async def test_a_number_two_orders_have_at_a_node_is_shown_until_the_county_decides(
    township: Desk, county: Desk, tmp_path: Path
) -> None:
    database = await open_filled(f"sqlite:///{tmp_path / 'copy.sqlite'}")
    copy = await open_desk(database)
    mine = await township.order()
    theirs = await copy.order(replace(LIU, name="马成功", resident_id="", patient_id="QS-9"))
    await tell(copy.letters, county)
    # The county tells all nodes of the institution; the other order is the first there.
    assert await tell(copy.letters, township) == [Applied.NEW, Applied.NEW]

    def disputed(conn: sa.Connection) -> dict[str, bool]:
        return {row.id: row.number_disputed for row in rows_of_orders(conn, [mine, theirs])}

    assert await township.read(disputed) == {mine.id: True, theirs.id: False}
    assert Applied.RENUMBERED in await tell(township.letters, county)
    await tell(county.letters, township)
    settled = await township.find_order(mine.id)
    assert settled.former_accession_numbers == ("QIN00000001",)
    await database.close()


async def ask_county(township: Desk, county: Desk) -> list[Letter]:
    need = await township.read(lambda conn: numbers.need_letter(conn, QINGSHAN, QINGSHAN))
    if need is None:
        return []
    asked = over_the_line(need)
    return await county.database.write(lambda conn: numbers.allot_to(conn, asked, QINGSHAN, at=AT))


async def take(letters: Sequence[Letter], at: Desk) -> list[bool]:
    def taken(conn: sa.Connection) -> list[bool]:
        return [
            numbers.take_block(conn, over_the_line(letter), QINGSHAN, at=AT) for letter in letters
        ]

    return await at.database.write(taken)


async def no_blocks(desk: Desk) -> None:
    await desk.database.write(lambda conn: conn.execute(sa.text("DELETE FROM accession_blocks")))


async def test_a_node_asks_in_time_and_is_given_each_block_once(
    township: Desk, county: Desk
) -> None:
    await no_blocks(township)
    with pytest.raises(NoAccessionNumbers):
        await township.order()
    letters = await ask_county(township, county)
    # The answer is lost, and asked for again.
    assert await ask_county(township, county) == letters
    assert len(letters) == 2
    assert await take(letters, township) == [True, True]
    assert await take(letters, township) == [False, False]
    assert await ask_county(township, county) == []
    mine = await township.order()
    theirs = await county.order(LIU, NewOrder(examination=HEAD.code))
    assert mine.accession_number == "QIN00000001"
    assert theirs.accession_number == "QIN00004001"


async def test_a_box_that_replaces_another_is_given_blocks_of_its_own(county: Desk) -> None:
    """The old box may have given out numbers nobody heard of."""

    body = {"institution": QINGSHAN, "wanted": 2, "heard_to": 0}
    need = Letter(numbers.NEED_LETTER, QINGSHAN, 0, body)

    async def allotted(box: str) -> list[int]:
        letters = await county.database.write(
            lambda conn: numbers.allot_to(conn, need, QINGSHAN, box=box, at=AT)
        )
        return [letter.body["first"] for letter in letters]

    assert await allotted("old") == [1, 2001]
    # Asked again, because the answer was lost.
    assert await allotted("old") == [1, 2001]
    assert await allotted("new") == [4001, 6001]


async def test_a_block_of_another_node_is_not_taken(township: Desk, county: Desk) -> None:
    def allot(conn: sa.Connection) -> Letter:
        return numbers.block_letter(numbers.allot(conn, QINGSHAN, "elsewhere", at=AT))

    letter = await county.database.write(allot)
    with pytest.raises(InvalidLetter):
        await take([letter], township)


async def test_a_block_over_another_is_refused(township: Desk) -> None:
    there = await township.read(lambda conn: numbers.blocks_of(conn, QINGSHAN, QINGSHAN))
    over = replace(there[0], first=10, last=40, next=10)
    with pytest.raises(BlockRefused):
        await take([numbers.block_letter(over)], township)


@pytest.mark.parametrize("body", [{}, {"institution": 1}, {"prefix": "Q", "first": "x"}])
async def test_what_is_no_block_is_refused(township: Desk, body: dict[str, Any]) -> None:
    with pytest.raises(PlatformError):
        await take([Letter(numbers.BLOCK_LETTER, "k", 1, body)], township)


async def test_blocks_allotted_at_once_do_not_overlap(county: Desk) -> None:
    made = await asyncio.gather(
        *(
            county.database.write(
                lambda conn, n=node: numbers.allot(conn, QINGSHAN, n, at=AT, size=10)  # type: ignore[misc]
            )
            for node in "abcdefgh"
        )
    )
    spans = sorted((block.first, block.last) for block in made)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


async def test_a_doctor_of_the_county_orders_with_the_countys_own_numbers(county: Desk) -> None:
    order = await county.order(who=by(Role.DOCTOR, COUNTY, "wanghai"))
    assert isinstance(order, Order)
    assert order.accession_number == "COU00000001"
