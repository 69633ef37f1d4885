"""In which order the images of one study go: first, middle and last of each series, then the rest.

With these three the county sees what was examined, and how well, long before all of it is there.
Pure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_OPENING: Final = 3
"""Images of a series that go before all others."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One image as far as its turn depends on it."""

    id: int
    """Grows in the order of arrival."""
    series: str
    instance_number: int | None = None
    position_mm: float | None = None
    """Along the normal of its plane; None where the image states no plane."""
    gone: bool = False
    """It is in a parcel already, at the county, or will not go at all."""


@dataclass(frozen=True, slots=True)
class Order:
    """The images that are still to go."""

    opening: tuple[int, ...]
    """Ids of the first, middle and last of each series that wait, the series by turns."""
    rest: tuple[int, ...]
    """Ids of all others, series after series."""


def sending_order(slices: Iterable[Slice], *, whole: bool) -> Order:
    """Return in which order those of *slices* that are not gone are sent.

    Args:
        slices: all that is known of one study, also what is gone.
        whole: whether what is known is opened as it is. While a study grows, its last image is
            another one every moment; where that is to be waited for, three of a series go ahead as
            soon as there are any, and no more.
    """
    by_series: dict[str, list[Slice]] = {}
    for one in sorted(slices, key=lambda known: known.id):
        by_series.setdefault(one.series, []).append(one)
    openings: list[list[int]] = []
    rest: list[int] = []
    for series in by_series.values():
        ordered = in_order(series)
        ahead = _opening(ordered, whole=whole)
        openings.append([one.id for one in ahead])
        taken = set(openings[-1])
        rest.extend(one.id for one in ordered if not one.gone and one.id not in taken)
    return Order(tuple(_by_turns(openings)), tuple(rest))


def in_order(series: Sequence[Slice]) -> list[Slice]:
    """Return the images of one series as a reader would page through them.

    By InstanceNumber where every image has one of its own, else by their place in space where
    every one states it, else by InstanceNumber as far as it goes, and as they came.
    """
    numbers = [one.instance_number for one in series]
    if None not in numbers and len(set(numbers)) == len(numbers):
        return sorted(series, key=lambda one: (one.instance_number or 0, one.id))
    if all(one.position_mm is not None for one in series):
        return sorted(series, key=lambda one: (one.position_mm or 0.0, one.id))
    return sorted(
        series, key=lambda one: (one.instance_number is None, one.instance_number or 0, one.id)
    )


def _opening(ordered: Sequence[Slice], *, whole: bool) -> list[Slice]:
    last = len(ordered) - 1
    places = dict.fromkeys((0, last // 2, last))
    marked = [ordered[place] for place in places]
    waiting = [one for one in marked if not one.gone]
    if whole:
        return waiting
    return waiting[: max(_OPENING - sum(one.gone for one in ordered), 0)]


def _by_turns(openings: Sequence[Sequence[int]]) -> list[int]:
    """Return the first of every series, then the second of every one, and so on."""
    return [
        ids[turn]
        for turn in range(max(map(len, openings), default=0))
        for ids in openings
        if turn < len(ids)
    ]


def place_along_normal(position: Sequence[float], orientation: Sequence[float]) -> float | None:
    """Return where an image lies along the normal of its plane, in mm; None where it is no plane.

    Args:
        position: Image Position (Patient), three numbers (PS3.3 C.7.6.2.1.1).
        orientation: Image Orientation (Patient), six numbers.
    """
    if len(position) != 3 or len(orientation) != 6:  # noqa: PLR2004  # PS3.3 C.7.6.2.1.1
        return None
    ax, ay, az, bx, by, bz = orientation
    normal = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    if max(map(abs, normal)) == 0:
        return None
    place = sum(part * along for part, along in zip(position, normal, strict=True))
    return place if math.isfinite(place) else None


def cut_at_opening(order: Order, sizes: Mapping[int, int], most_bytes: int) -> list[int]:
    """Return which images of *order* make up the next parcel; none only where none is left.

    The opening travels in parcels of its own, so that it is whole at the county, and can be looked
    at, before the rest has come. An image above *most_bytes* travels alone.

    Args:
        order: of the images that wait.
        sizes: bytes of each.
        most_bytes: of one parcel.
    """
    chosen: list[int] = []
    total = 0
    for one in order.opening or order.rest:
        total += sizes[one]
        if chosen and total > most_bytes:
            break
        chosen.append(one)
    return chosen
