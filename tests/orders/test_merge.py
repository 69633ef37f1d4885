"""What nodes show that write one record without hearing of each other."""

import itertools

import pytest
from hypothesis import given, strategies as st

from referrals.orders.merge import Version, standing

VERSIONS = st.builds(
    Version,
    version=st.integers(1, 4),
    node=st.sampled_from(["county", "qingshan", "dahe"]),
    content=st.sampled_from("xyz"),
    weight=st.integers(0, 2),
    urgency=st.integers(0, 2),
    settles=st.booleans(),
)


def at(
    version: int, node: str, content: str = "x", weight: int = 0, *, settles: bool = False
) -> Version:
    return Version(version=version, node=node, content=content, weight=weight, settles=settles)


@given(st.lists(VERSIONS, min_size=1, max_size=5, unique_by=lambda v: (v.version, v.node)))
def test_every_order_of_arrival_ends_alike(versions: list[Version]) -> None:
    ends = {standing(order) for order in itertools.permutations(versions)}
    assert len(ends) == 1
    assert standing(versions * 2) in ends


def test_the_newer_version_wins() -> None:
    found = standing([at(1, "qingshan"), at(2, "county", "y"), at(3, "qingshan", "z")])
    assert (found.shown, found.open) == (at(3, "qingshan", "z"), ())


def test_two_that_wrote_the_same_version_are_in_conflict_until_somebody_settles_it() -> None:
    mine, theirs = at(2, "qingshan", "y"), at(2, "county", "z")
    found = standing([at(1, "qingshan"), mine, theirs])
    assert set(found.open) == {mine, theirs}
    assert found.conflicts == 1
    # Going on from one of them does not hide the other.
    assert standing([mine, theirs, at(3, "county", "z")]).conflicts == 1
    assert standing([mine, theirs, at(3, "county", "z", settles=True)]).conflicts == 0


def test_a_change_that_was_overtaken_is_not_lost_without_a_word() -> None:
    """The county went on to version 3 before it heard of the township's version 2."""
    found = standing([at(2, "county", "y"), at(3, "county", "y"), at(2, "qingshan", "z")])
    assert found.shown == at(3, "county", "y")
    assert at(2, "qingshan", "z") in found.open


def test_two_that_wrote_the_same_are_in_no_conflict() -> None:
    assert standing([at(2, "qingshan", "y"), at(2, "county", "y")]).conflicts == 0


def test_what_was_done_outweighs_what_was_wished() -> None:
    done, wished = at(2, "a", "done", 2), at(2, "z", "cancelled", 1)
    assert standing([done, wished]).shown == done


def test_of_two_wishes_the_more_urgent_stands_whatever_the_nodes_are_called() -> None:
    calm = Version(version=2, node="qingshan", content="y")
    soon = Version(version=2, node="county", content="z", urgency=1)
    now = Version(version=2, node="a", content="w", urgency=2)
    assert standing([calm, soon]).shown == soon
    assert standing([calm, soon, now]).shown == now


def test_an_urgency_that_lies_open_stands_until_somebody_settles() -> None:
    begun = Version(version=2, node="qingshan", content="y", weight=2)
    now = Version(version=2, node="county", content="z", urgency=2)
    found = standing([begun, now])
    assert (found.shown, found.urgency) == (begun, 2)
    assert standing([begun, now, at(3, "qingshan", "y", 4)]).urgency == 2
    assert standing([begun, now, at(3, "county", "y", 2, settles=True)]).urgency == 0


def test_two_that_settle_it_differently_are_in_conflict_again() -> None:
    one, other = at(3, "qingshan", "y", settles=True), at(3, "county", "z", settles=True)
    assert standing([at(2, "county"), at(2, "qingshan", "z"), one, other]).conflicts == 1


def test_a_record_without_a_version_is_none() -> None:
    with pytest.raises(ValueError, match="version"):
        standing([])
