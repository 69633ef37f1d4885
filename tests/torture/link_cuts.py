"""R05: a line that is cut at any byte, on both hops; everything arrives once, bit by bit.

The faults are drawn: resets, orderly ends, silence, and answers lost after the last byte; towards
the county also single flipped bits, which C-STORE has no means to find (TCP's own checksum is what
it has). C-STORE cannot go on in mid-object, so there only the object at hand is sent again.
"""

import asyncio
import dataclasses
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

_CUTS: Final = {Size.SHORT: 100, Size.LONG: 1000}
_CUTS_OF_CONTROL: Final = 30
"""Of the same faults; each third of them loses something where nobody waits for an answer."""
_PARCEL_BYTES: Final = MIB
_SIDE: Final = 256
_OBJECT_BYTES: Final = 2 * _SIDE * _SIDE
_AT_ONCE: Final = 16
_CUTTING: Final = (Fault.RST, Fault.RST, Fault.FIN)
_WITHIN_S: Final = 120.0


def troubles(count: int, *, most_bytes: int, flips: bool, seed: int) -> list[AtByte]:
    """Return *count* faults: a fifth takes an answer, one in fifty is silence."""
    faults = (*_CUTTING, Fault.FLIP) if flips else _CUTTING
    drawn = list(seeded(seed, count, most_bytes=most_bytes, faults=faults, answers=0.25))
    for number in range(0, count, 50):
        drawn[number] = AtByte(drawn[number].after_up, Fault.BLACK_HOLE)
    return drawn


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
        line.troubles.extend(
            troubles(
                _CUTS_OF_CONTROL if trusting else _CUTS[size],
                most_bytes=2 * _OBJECT_BYTES,
                flips=False,
                seed=5,
            )
        )
        while line.troubles:
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
            figures, resent_bytes=overhead, notes=(_kinds(line), "whole objects, as C-STORE must")
        )


async def township_to_county(folder: Path, size: Size) -> Figures:
    """Cut a node's line to the county until the faults are used up."""
    acknowledged: dict[str, str] = {}
    sent = 0
    async with hops(folder, settings=settings_for(parcel_bytes=_PARCEL_BYTES)) as made:
        line = made.county_line
        line.troubles.extend(
            troubles(_CUTS[size], most_bytes=_PARCEL_BYTES // 4, flips=True, seed=6)
        )
        while line.troubles:
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
            broken=tuple(broken),
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
        for fault in dict.fromkeys(each.fault for each in line.strikes)
    }
    said = ", ".join(f"{count} {fault}" for fault, count in counted.items())
    return f"{said}; {sum(each.before_answer for each in line.strikes)} after the last byte"
