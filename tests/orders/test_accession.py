"""Accession numbers: no two nodes give out the same, whatever happens in between."""

import pytest
from hypothesis import given, strategies as st

from referrals.orders.accession import (
    LAST,
    NUMBER_MAX,
    Block,
    BlockRefused,
    NoAccessionNumbers,
    blocks_wanted,
    number_of,
    prefix_for,
)

CODES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


def block(first: int = 1, last: int = 10, next_: int | None = None) -> Block:
    return Block.parse(
        institution="qingshan", node="qingshan", prefix="QIN", first=first, last=last, next=next_
    )


def test_a_number_is_the_prefix_and_eight_digits() -> None:
    number, rest = block(42, 50).give()
    assert (number, rest.next, rest.left) == ("QIN00000042", 43, 8)


def test_an_empty_block_says_what_to_do() -> None:
    with pytest.raises(NoAccessionNumbers) as none:
        block(1, 10, 11).give()
    assert none.value.code == "no-accession-numbers"
    assert "county" in none.value.detail


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40)), min_size=1, max_size=8))
def test_numbers_of_all_nodes_are_different_and_fit(allotted: list[tuple[str, int]]) -> None:
    given_out: list[str] = []
    at = 1
    for node, size in allotted:
        left = Block.parse(
            institution="qingshan", node=node, prefix="QIN", first=at, last=at + size - 1
        )
        at += size
        while left.left:
            number, left = left.give()
            given_out.append(number)
            assert left.holds(number)
    assert len(set(given_out)) == len(given_out) == at - 1
    assert all(len(number) < NUMBER_MAX for number in given_out)


@given(st.lists(CODES, min_size=1, max_size=60))
def test_every_institution_has_a_prefix_of_its_own(codes: list[str]) -> None:
    taken: set[str] = set()
    for code in codes:
        prefix = prefix_for(code, frozenset(taken))
        assert prefix not in taken
        made = Block.parse(institution=code, node=code, prefix=prefix, first=1, last=LAST)
        assert len(number_of(made.prefix, LAST)) < NUMBER_MAX
        taken.add(prefix)


@pytest.mark.parametrize(
    ("blocks", "wanted"),
    [
        pytest.param([], 2, id="a-new-node"),
        pytest.param([block(1, 10, 11)], 2, id="all-used-up"),
        pytest.param([block(1, 10)], 1, id="none-in-reserve"),
        pytest.param([block(1, 10, 8), block(11, 20)], 0, id="three-tenths-left"),
        pytest.param([block(1, 10, 9), block(11, 20)], 1, id="two-tenths-left"),
        pytest.param([block(1, 10, 9), block(11, 20), block(21, 30)], 0, id="already-asked-for"),
        pytest.param([block(1, 10, 11), block(11, 20, 15), block(21, 30)], 0, id="the-first-gone"),
    ],
)
def test_a_node_keeps_one_block_in_use_and_one_in_reserve(blocks: list[Block], wanted: int) -> None:
    assert blocks_wanted(blocks) == wanted


@pytest.mark.parametrize(
    ("prefix", "first", "last", "next_"),
    [
        ("", 1, 2, None),
        ("qin", 1, 2, None),
        ("1AB", 1, 2, None),
        ("ABCDEFGH", 1, 2, None),
        ("QIN", 0, 2, None),
        ("QIN", 3, 2, None),
        ("QIN", 1, LAST + 1, None),
        ("QIN", 1, 2, 4),
        ("QIN", 2, 3, 1),
    ],
)
def test_what_is_no_block_is_refused(prefix: str, first: int, last: int, next_: int | None) -> None:
    with pytest.raises(BlockRefused):
        Block.parse(institution="q", node="q", prefix=prefix, first=first, last=last, next=next_)


@pytest.mark.parametrize("number", ["QIN0000042", "QIX00000042", "QIN00000051", "QIN0000004²", ""])
def test_a_block_knows_what_is_not_its_own(number: str) -> None:
    assert not block(42, 50).holds(number)
