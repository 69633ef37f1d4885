"""Which uploads go on, which leave off, and whose turn is next. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.township.parcel_queue import Board, ParcelRow, Precedence


@dataclass(frozen=True, slots=True)
class OnTheLine:
    """One upload, from the making of its parcel on."""

    study_key: str
    parcel_id: str | None
    """None while the parcel is being made."""
    precedence: Precedence
    """As it was when it began."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do now."""

    stop: frozenset[int]
    """Places in the given sequence of uploads that leave off at the next piece."""
    start: tuple[str, ...]
    """Studies of which one may put something on the line, the oldest first."""


def decide(
    board: Board,
    running: Sequence[OnTheLine],
    *,
    parallel: int,
    blocked: Collection[str] = (),
) -> Moves:
    """Return what to do.

    What is more urgent has the line for itself: everything else leaves off, and goes on when the
    more urgent is over. Studies of the same precedence share the line.

    Args:
        board: what could go, as the rows say now.
        running: what goes.
        parallel: uploads at a time.
        blocked: studies something is wrong with for the moment.
    """
    if board.held_until is not None:
        return Moves(frozenset(range(len(running))), ())
    parcels = {parcel.parcel_id: parcel for parcel in board.parcels}
    now = [_precedence(one, parcels, board) for one in running]
    idle = _idle(board, running, blocked)
    waiting = [parcel.precedence for parcel in idle]
    waiting += [study.precedence for study in board.studies]
    best = min([*waiting, *(one for one in now if one is not None)], default=None)
    stop = frozenset(place for place, one in enumerate(now) if one is None or one != best)
    if len(running) - len(stop) >= parallel or best is None:
        return Moves(stop, ())
    making = {one.study_key for one in running if one.parcel_id is None}
    start = [parcel.study_key for parcel in idle if parcel.precedence == best]
    start += [study.study_key for study in board.studies if study.precedence == best]
    return Moves(stop, tuple(key for key in dict.fromkeys(start) if key not in making))


def idle_parcel_of(board: Board, running: Sequence[OnTheLine], study_key: str) -> ParcelRow | None:
    """Return the oldest made parcel of a study that is not on the line; None without one."""
    return next((one for one in _idle(board, running, ()) if one.study_key == study_key), None)


def _idle(board: Board, running: Sequence[OnTheLine], blocked: Collection[str]) -> list[ParcelRow]:
    going = {one.parcel_id for one in running}
    return [
        parcel
        for parcel in board.parcels
        if parcel.parcel_id not in going and parcel.study_key not in blocked
    ]


def _precedence(one: OnTheLine, parcels: dict[str, ParcelRow], board: Board) -> Precedence | None:
    """Return what an upload's precedence is now, None where it shall not be sent any more."""
    if one.parcel_id is not None:
        parcel = parcels.get(one.parcel_id)
        return parcel.precedence if parcel else None
    found = (study.precedence for study in board.studies if study.study_key == one.study_key)
    # A study that is served may have left the best few; what it is being made for holds.
    return next(found, one.precedence)
