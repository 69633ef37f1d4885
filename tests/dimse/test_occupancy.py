"""Places: silent connections make room for others, associations keep theirs."""

from hypothesis import given, strategies as st

from gateway.dimse.occupancy import Occupancy
from gateway.dimse.reject import LOCAL_LIMIT_EXCEEDED, TEMPORARY_CONGESTION
from gateway.dimse.settings import AcceptorSettings
from kernel.identifiers import AETitle

CT_ROOM, MR_ROOM = AETitle("CT_ROOM"), AETitle("MR_ROOM")


def places(
    *, connections: int = 100, pending: int = 3, associations: int = 100, of_address: int = 100
) -> Occupancy[int]:
    return Occupancy(
        AcceptorSettings(
            max_connections=connections,
            pending_per_address=pending,
            max_associations=associations,
            associations_per_address=of_address,
        )
    )


def test_the_oldest_silent_connection_of_an_address_goes_for_its_newest() -> None:
    occupancy = places(pending=3)
    assert [occupancy.arrived(key, "a") for key in range(3)] == [None, None, None]
    assert occupancy.arrived(3, "a") == 0
    assert occupancy.arrived(4, "a") == 1
    occupancy.left(0)
    occupancy.left(1)
    assert occupancy.pending == 3


def test_a_connection_that_was_put_out_gets_no_seat_any_more() -> None:
    occupancy = places(pending=1)
    occupancy.arrived(0, "a")
    assert occupancy.arrived(1, "a") == 0
    assert occupancy.seated(0, CT_ROOM, max_of_title=9) == LOCAL_LIMIT_EXCEEDED


def test_silent_connections_of_one_address_do_not_count_for_another() -> None:
    occupancy = places(pending=2)
    for key in range(2):
        occupancy.arrived(key, "a")
    assert occupancy.arrived(2, "b") is None


def test_the_oldest_silent_connection_of_all_goes_when_the_house_is_full() -> None:
    occupancy = places(connections=3, pending=10)
    for key, address in enumerate("abc"):
        occupancy.arrived(key, address)
    assert occupancy.arrived(3, "d") == 0


def test_a_house_full_of_associations_takes_no_connection() -> None:
    occupancy = places(connections=2)
    for key in range(2):
        occupancy.arrived(key, "a")
        assert occupancy.seated(key, CT_ROOM, max_of_title=9) is None
    assert occupancy.arrived(2, "b") == 2


def test_rejects_beyond_the_limit_of_a_title_of_an_address_and_of_the_house() -> None:
    occupancy = places(pending=10, associations=4, of_address=3)
    for key, address in enumerate("aaaabbb"):
        occupancy.arrived(key, address)
    assert occupancy.seated(0, CT_ROOM, max_of_title=2) is None
    assert occupancy.seated(1, CT_ROOM, max_of_title=2) is None
    assert occupancy.seated(2, CT_ROOM, max_of_title=2) == LOCAL_LIMIT_EXCEEDED
    assert occupancy.seated(2, MR_ROOM, max_of_title=2) is None
    assert occupancy.seated(3, MR_ROOM, max_of_title=2) == LOCAL_LIMIT_EXCEEDED
    assert occupancy.seated(4, MR_ROOM, max_of_title=2) is None
    assert occupancy.seated(5, AETitle("X"), max_of_title=2) == TEMPORARY_CONGESTION
    occupancy.left(0)
    assert occupancy.seated(5, CT_ROOM, max_of_title=2) is None


def test_an_association_that_is_over_gives_its_place_back_before_its_peer_has_gone() -> None:
    occupancy = places(associations=1)
    for key in range(2):
        occupancy.arrived(key, "a")
    assert occupancy.seated(0, CT_ROOM, max_of_title=1) is None
    assert occupancy.seated(1, CT_ROOM, max_of_title=1) == TEMPORARY_CONGESTION
    occupancy.stood_up(0)
    assert (occupancy.pending, occupancy.associations) == (2, 0)
    assert occupancy.seated(1, CT_ROOM, max_of_title=1) is None


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc"), st.sampled_from("+su-"))))
def test_whatever_comes_and_goes_nothing_stays_counted(
    acts: list[tuple[int, str, str]],
) -> None:
    occupancy = places(connections=6, pending=2, associations=3, of_address=2)
    waiting: set[int] = set()
    seated: set[int] = set()
    for key, address, act in acts:
        if act == "+" and key not in waiting | seated:
            victim = occupancy.arrived(key, address)
            waiting.add(key)
            if victim is not None:
                waiting.discard(victim)
        elif act == "s" and key in waiting:
            if occupancy.seated(key, CT_ROOM, max_of_title=2) is None:
                waiting.discard(key)
                seated.add(key)
        elif act == "u":
            occupancy.stood_up(key)
            waiting |= seated & {key}
            seated.discard(key)
        elif act == "-":
            occupancy.left(key)
            waiting.discard(key)
            seated.discard(key)
        assert (occupancy.pending, occupancy.associations) == (len(waiting), len(seated))
        assert len(waiting) + len(seated) <= 6
        assert len(seated) <= 3
    for key in range(9):
        occupancy.left(key)
    assert (occupancy.pending, occupancy.associations) == (0, 0)
    assert not any((occupancy._pending, occupancy._by_address, occupancy._by_title))
