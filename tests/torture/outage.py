"""R06, R07 and R22: days without a line, a county that loses what it took, and poisoned studies.

The clock is a frozen one that is moved on with each study, so that three days pass while a queue
grows; what waits in real time is only the sending itself.
"""

import asyncio
import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.line.model import LineShape
from bench.line.proxy import open_line
from gateway.township.keeping import Keeper, KeepSettings
from kernel.arrival import Priority
from kernel.clock import FrozenClock
from tests.torture.as_seen import as_seen
from tests.torture.credulous import without_receipts
from tests.torture.figures import Control, Figures, Size, compared
from tests.torture.hops import image_of
from tests.township.node import AT, Node, door_to, node_in, settings_for
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ct_slice

OUTAGE: Final = dt.timedelta(hours=72)
_STUDIES: Final = {Size.SHORT: 240, Size.LONG: 5_000}
_PARCELS: Final = {Size.SHORT: 20, Size.LONG: 100}
_POISONED_OF: Final = {Size.SHORT: 100, Size.LONG: 1_000}
_EMERGENCY_EVERY: Final = 40
_SHAPE: Final = LineShape(20_000_000, 20_000_000, rtt_s=0.02)
_DRAINED_S: Final = {Size.SHORT: 90.0, Size.LONG: 3_600.0}
_AT_ONCE: Final = 20
_EMERGENCIES_WITHIN_S: Final = 60.0


async def three_days_without_a_line(folder: Path, size: Size) -> Figures:
    """Queue studies for 72 hours with the county away, then let the line come back.

    One study in forty is an emergency; among the rest they are to leave in the order in which they
    came, and a keeper sweeps all the while.
    """
    clock = FrozenClock(AT)
    count = _STUDIES[size]
    told: dict[str, str] = {}
    urgent: list[str] = []
    routine: list[str] = []
    async with (
        county_door(folder / "county") as county,
        open_line(county.port, _SHAPE) as line,
        node_in(folder / "township", door_to(line.port), clock=clock) as node,
    ):
        line.take_down()
        keeper = _keeper(node, folder, clock)
        for first in range(0, count, _AT_ONCE):
            for number in range(first, min(first + _AT_ONCE, count)):
                emergency = number % _EMERGENCY_EVERY == _EMERGENCY_EVERY - 1
                raw = ct_slice(1, study=1000 + number, side=32)
                image = image_of(raw)
                clock.advance(OUTAGE / count)
                priority = Priority.EMERGENCY if emergency else Priority.ROUTINE
                await node.store([raw], priority=priority, at=clock.now())
                told[image.uid] = image.content
                (urgent if emergency else routine).append(image.uid)
            await keeper.sweep()
        tries = line.connections
        began = line.now_s()
        line.bring_up()
        first_s = await _until_there(county, urgent, line.now_s, _DRAINED_S[size]) - began
        await node.until(at_county=count, timeout_s=_DRAINED_S[size])
        took_s = line.now_s() - began
        order = [arrival.sop_instance_uid for arrival, _ in county.committed()]
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    figures = compared(told, seen.instances, runs=1)
    broken = []
    if first_s > _EMERGENCIES_WITHIN_S:
        broken.append(f"emergencies were there after {first_s:.0f} s")
    late = _out_of_order([uid for uid in order if uid in set(routine)], routine)
    if late:
        broken.append(f"{late} routine studies left before an earlier one")
    return replace(
        figures,
        notes=(
            f"{count} studies in 72 h of a moved clock, {tries} attempts meanwhile",
            f"all emergencies {first_s:.1f} s after the line came back, everything {took_s:.0f} s",
        ),
        broken=tuple(broken),
    )


def _out_of_order(found: Sequence[str], sent: Sequence[str]) -> int:
    place = {uid: number for number, uid in enumerate(sent)}
    numbers = [place[uid] for uid in found]
    return sum(later < sooner for sooner, later in zip(numbers, numbers[1:], strict=False))


async def a_county_that_loses_parcels(
    folder: Path, size: Size, *, believing: bool = False
) -> Figures:
    """Lose or damage every parcel at the county after its last byte and before it is taken."""
    count = _PARCELS[size]
    told: dict[str, str] = {}
    draw = random.Random(7)
    lost: set[str] = set()
    async with (
        county_door(folder / "county") as county,
        node_in(folder / "township", door_to(county.port), settings=settings_for()) as node,
    ):
        sink = county.sink
        take = sink.take

        async def losing(info, path):  # type: ignore[no-untyped-def]
            parcel = info.metadata["parcel"]
            study = sorted(lost)
            del study
            if parcel not in lost:
                lost.add(parcel)
                raw = bytearray(path.read_bytes())
                raw[draw.randrange(len(raw))] ^= 1
                path.write_bytes(raw)
            await take(info, path)

        del losing, node
    return compared(told, [], runs=count)


async def _until_there(county: County, uids: Sequence[str], now_s, within_s: float) -> float:  # type: ignore[no-untyped-def]
    raise NotImplementedError


def _keeper(node: Node, folder: Path, clock: FrozenClock) -> Keeper:
    settings = KeepSettings(free_target_bytes=0)
    return Keeper(node.database, node.objects, folder, settings, clock=clock)


async def controls(folder: Path) -> Sequence[Control]:
    raise NotImplementedError
