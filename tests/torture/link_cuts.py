"""R05: a line that is cut at any byte, on both hops; everything arrives once, bit by bit.

The faults are drawn: resets, orderly ends, silence, and answers lost after the last byte; towards
the county also single flipped bits, which C-STORE has no means to find (TCP's own checksum is what
it has). Flipped bits come on top: what is counted as asked for are cuts. C-STORE cannot go on in
mid-object, so there only the object at hand is sent again.
"""

import asyncio
import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.line.model import AtByte, Fault, seeded
from bench.line.proxy import Line
from tests.torture.credulous import without_receipts
from tests.torture.figures import MIB, Control, Figures, Size, compared
from tests.torture.hops import Image, hops, image_of, store_until_acknowledged
from tests.township.node import settings_for
from tests.uploads.dicom_files import ct_slice

CUTS: Final = {Size.SHORT: 100, Size.LONG: 1000}
_FLIPS: Final = {Size.SHORT: 10, Size.LONG: 250}
"""Beside the cuts."""
_ANSWERS_PERCENT: Final = 20
"""Of the cuts, that take the answer to what has arrived whole: at least so many."""
_DRAWN_AS_ANSWERS: Final = 0.25
_DEALS_MOST: Final = 20
_CUTS_OF_CONTROL: Final = 30
"""Of the same faults; each third of them loses something where nobody waits for an answer."""
_PARCEL_BYTES: Final = MIB
_SIDE: Final = 256
_OBJECT_BYTES: Final = 2 * _SIDE * _SIDE
_AT_ONCE: Final = 16
_CUTTING: Final = (Fault.RST, Fault.RST, Fault.FIN)
_WITHIN_S: Final = 120.0


def troubles(cuts: int, *, most_bytes: int, flips: int, seed: int) -> list[AtByte]:
    """Return *cuts* faults that end a connection, and *flips* more, in the order of a draw.

    A quarter takes an answer, one in fifty is silence.
    """
    drawn = list(
        seeded(seed, cuts, most_bytes=most_bytes, faults=_CUTTING, answers=_DRAWN_AS_ANSWERS)
    )
    for number in range(0, cuts, 50):
        drawn[number] = AtByte(drawn[number].after_up, Fault.BLACK_HOLE)
    drawn += seeded(seed + 1, flips, most_bytes=most_bytes, faults=(Fault.FLIP,))
    random.Random(seed).shuffle(drawn)
    return drawn


class _Deck:
    """The faults of one trial, dealt until what is asked for has struck."""

    def __init__(self, line: Line, cuts: int, *, most_bytes: int, flips: int, seed: int) -> None:
        self._line = line
        self._cuts = cuts
        self._flips = flips
        self._most_bytes = most_bytes
        self._seed = seed
        self._deals = 1
        line.troubles.extend(troubles(cuts, most_bytes=most_bytes, flips=flips, seed=seed))

    def goes_on(self) -> bool:
        """Whether there is more to come; deals for those that met a line that was ending."""
        line = self._line
        if line.troubles:
            return True
        cuts, flips, answers = self._missing()
        if self._deals == _DEALS_MOST:
            return False
        self._deals += 1
        self._seed += 2
        again = troubles(cuts, most_bytes=self._most_bytes, flips=flips, seed=self._seed)
        left = iter(range(answers))
        line.troubles.extend(
            dataclasses.replace(each, fault=Fault.RST, before_answer=True)
            if each.fault is not Fault.FLIP and next(left, None) is not None
            else each
            for each in again
        )
        return bool(line.troubles)

    def broken(self) -> tuple[str, ...]:
        """Say what was asked for and did not strike."""
        cuts, flips, answers = self._missing()
        said = f"{cuts} cuts and {flips} flips too few, {answers} after the last byte"
        return (said,) if cuts or flips else ()

    def _missing(self) -> tuple[int, int, int]:
        found = _Counts.of(self._line)
        answers = max(0, self._cuts * _ANSWERS_PERCENT // 100 - found.answers)
        cuts = max(0, self._cuts - found.cuts, answers)
        return cuts, max(0, self._flips - found.flips), answers


@dataclasses.dataclass(frozen=True, slots=True)
class _Counts:
    """What struck."""

    cuts: int
    flips: int
    answers: int

    @classmethod
    def of(cls, line: Line) -> "_Counts":
        """Count the strikes of *line*."""
        flips = sum(each.fault is Fault.FLIP for each in line.strikes)
        answers = sum(each.before_answer for each in line.strikes)
        return cls(len(line.strikes) - flips, flips, answers)


def _images(first: int) -> list[Image]:
    return [
        image_of(ct_slice(number, study=number % 3, side=_SIDE, noise=30_000))
        for number in range(first, first + _AT_ONCE)
    ]


async def modality_to_township(folder: Path, size: Size, *, trusting: bool = False) -> Figures:
    """Cut a C-STORE sender's line until the faults are used up."""
    acknowledged: dict[str, str] = {}
    sent = 0
    async with hops(folder) as made:
        line = made.modality_line
        cuts = _CUTS_OF_CONTROL if trusting else CUTS[size]
        deck = _Deck(line, cuts, most_bytes=2 * _OBJECT_BYTES, flips=0, seed=5)
        while deck.goes_on():
            images = await asyncio.to_thread(_images, 1 + sent)
            acknowledged |= await store_until_acknowledged(line, images, trusting=trusting)
            sent += len(images)
        if trusting:
            # What was never written cannot be waited for.
            await made.until_quiet()
        else:
            await made.node.until(at_county=sent, timeout_s=_WITHIN_S)
        figures = compared(acknowledged, made.at_county(), runs=len(line.strikes))
        overhead = line.up.sent_bytes - sent * _OBJECT_BYTES
        if trusting:
            return figures
        return dataclasses.replace(
            figures,
            resent_bytes=overhead,
            notes=(_kinds(line), "whole objects, as C-STORE must"),
            broken=deck.broken(),
        )


async def township_to_county(folder: Path, size: Size) -> Figures:
    """Cut a node's line to the county until the faults are used up."""
    acknowledged: dict[str, str] = {}
    sent = 0
    async with hops(folder, settings=settings_for(parcel_bytes=_PARCEL_BYTES)) as made:
        line = made.county_line
        deck = _Deck(line, CUTS[size], most_bytes=_PARCEL_BYTES // 4, flips=_FLIPS[size], seed=6)
        while deck.goes_on():
            images = await asyncio.to_thread(_images, 1 + sent)
            acknowledged |= await store_until_acknowledged(made.modality_line, images)
            sent += len(images)
            await made.node.until(at_county=sent, timeout_s=_WITHIN_S)
        watch = made.watch
        broken = (
            [f"{watch.worst_bytes / MIB:.2f} MiB were sent again after one cut"]
            if watch.worst_bytes > MIB
            else []
        )
        needed = sum(arrival.size_bytes for arrival, _ in made.county.committed())
        anew = sum(watch.furthest.values()) - needed
        return dataclasses.replace(
            compared(acknowledged, made.at_county(), runs=len(line.strikes)),
            resent_bytes=watch.resent_bytes,
            worst_resent_bytes=watch.worst_bytes,
            notes=(_kinds(line), f"and {anew / MIB:.1f} MiB as parcels anew where a bit was wrong"),
            broken=(*broken, *deck.broken()),
        )


async def township_to_county_without_receipts(folder: Path) -> Figures:
    """Flip bits on the way to a county whose receipts nobody reads."""
    images = await asyncio.to_thread(_images, 1)
    with without_receipts():
        async with hops(folder, settings=settings_for(parcel_bytes=_PARCEL_BYTES)) as made:
            made.county_line.troubles.append(AtByte(_PARCEL_BYTES // 2, Fault.FLIP))
            acknowledged = await store_until_acknowledged(made.modality_line, images)
            await made.node.until(at_county=len(images), timeout_s=_WITHIN_S)
            await made.until_quiet()
            return compared(acknowledged, made.at_county(), runs=1)


async def controls(folder: Path) -> Sequence[Control]:
    """Return both hops with their safeguard taken out."""
    first = await modality_to_township(folder / "modality", Size.SHORT, trusting=True)
    second = await township_to_county_without_receipts(folder / "county")
    return [
        Control("the modality waits for no answer", first),
        Control("the node reads no receipt", second),
    ]


def _kinds(line: Line) -> str:
    counted = {
        fault: sum(each.fault is fault for each in line.strikes)
        for fault in sorted({each.fault for each in line.strikes} - {Fault.FLIP})
    }
    found = _Counts.of(line)
    said = ", ".join(f"{count} {fault}" for fault, count in counted.items())
    flips = f"; and {found.flips} flipped bits" if found.flips else ""
    return f"{found.cuts} cuts: {said}; {found.answers} of them after the last byte{flips}"
