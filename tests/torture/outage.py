"""R06, R07 and R22: days without a line, a county that loses what it took, and a poisoned study.

The clock of R06 is a frozen one that is moved on with each study, so that three days pass while a
queue grows; what takes real time is only the sending itself.
"""

import asyncio
import datetime as dt
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from bench.line.model import LineShape
from bench.line.proxy import Line, open_line
from gateway.township import parcel_queue
from gateway.township.backoff import Backoff
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.tables import studies
from gateway.uploads.parcel_sink import ParcelSink
from gateway.uploads.upload_files import UploadInfo
from kernel.arrival import Priority, decode_arrival, encode_arrival
from kernel.clock import FrozenClock
from kernel.journal.writer import JournalReader, Position
from tests.torture.as_seen import as_seen
from tests.torture.credulous import without_receipts
from tests.torture.figures import Control, Figures, Size, compared
from tests.torture.hops import Image, image_of
from tests.township.node import AT, Node, arrival_of, door_to, node_in
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ct_slice
from tests.uploads.tus_door import until

_Take = Callable[[ParcelSink, UploadInfo, Path], Awaitable[None]]

OUTAGE: Final = dt.timedelta(hours=72)
_STUDIES: Final = {Size.SHORT: 120, Size.LONG: 5_000}
_LOST_PARCELS: Final = {Size.SHORT: 20, Size.LONG: 100}
_AMONG: Final = {Size.SHORT: 100, Size.LONG: 1_000}
_EMERGENCY_EVERY: Final = 40
_EMERGENCIES_WITHIN_S: Final = 60.0
_OVERTAKEN_MAX: Final = 16
"""Places by which one routine study may come before an earlier one: what is on the way at once."""
_OF_CONTROL: Final = 40
"""Studies; the only emergency among them is the last."""
_FAILURES_MAX: Final = 3
_GIVEN_UP_S: Final = 5.0
"""How long is waited for one that has given up; a node that goes on begins at once."""
_BATCHES_MAX: Final = 100_000
_AT_ONCE: Final = 20
_STALL_S: Final = 20.0
_NOISE: Final = 30_000
_FILED_S: Final = 600.0
_WITHIN_S: Final = {Size.SHORT: 120.0, Size.LONG: 3_600.0}
_QUICK_SHAPE: Final = LineShape(20_000_000, 20_000_000, rtt_s=0.02)
_SHAPE: Final = LineShape(4_000_000, 4_000_000, rtt_s=0.1)
"""The better line that a township has, and one that can be filled: a study costs some 40 ms of this
process, in which both nodes and the line run, whatever is in it. With images of 2 KB that is all
that is measured, 3 % of 20 Mbit/s."""
_BAD_SHAPE: Final = LineShape(2_000_000, 2_000_000, rtt_s=0.2)
_ON_A_BAD_LINE: Final = 250
_THUMBNAIL_SIDE: Final = 32
_SMALL_SIDE: Final = 192
"""Of 75 KB: 5,000 of these take 13 minutes of 4 Mbit/s."""
_ULTRASOUND_SIDE: Final = 256
"""Of 133 KB once compressed: among the smallest that a clinic has in numbers."""


async def three_days_without_a_line(folder: Path, size: Size) -> Figures:
    """Queue studies for 72 hours with the county away, then let the line come back.

    One study in forty is an emergency; these are to leave first, the rest in the order in which
    they came, and a keeper sweeps all the while.
    """
    small = size is Size.SHORT
    return await _after_an_outage(
        folder,
        _STUDIES[size],
        _QUICK_SHAPE if small else _SHAPE,
        side=_THUMBNAIL_SIDE if small else _SMALL_SIDE,
        within_s=_WITHIN_S[size],
    )


async def three_days_without_a_bad_line(folder: Path, size: Size) -> Figures:
    """The same with images as large as an ultrasound's, on the line a township has.

    How much of the line they make use of is told.
    """
    count, within_s = _ON_A_BAD_LINE, _WITHIN_S[size]
    return await _after_an_outage(
        folder, count, _BAD_SHAPE, side=_ULTRASOUND_SIDE, within_s=within_s
    )


async def _after_an_outage(
    folder: Path, count: int, shape: LineShape, *, side: int, within_s: float
) -> Figures:
    clock = FrozenClock(AT)
    sent: list[Image] = []
    # As patient as a node is: what is in a slow line's queue is not lost.
    async with (
        county_door(folder / "county") as county,
        open_line(county.port, shape) as line,
        node_in(folder / "township", door_to(line.port, stall_s=_STALL_S), clock=clock) as node,
    ):
        line.take_down()
        settings = KeepSettings(free_target_bytes=0)
        keeper = Keeper(node.database, node.objects, folder, settings, clock=clock)
        for first in range(0, count, _AT_ONCE):
            for number in range(first, min(first + _AT_ONCE, count)):
                clock.advance(OUTAGE / count)
                image = await _store(node, number, _priority(number), at=clock.now(), side=side)
                sent.append(replace(image, dataset=b""))
            await keeper.sweep()
        async with asyncio.timeout(_FILED_S):
            while sum((await node.states()).values()) < count:  # noqa: ASYNC110  # rows, no event
                await asyncio.sleep(0.05)
        tries, began, before = line.connections, line.now_s(), line.up.sent_bytes
        line.bring_up()
        urgent = {sent[n].uid for n in range(count) if _priority(n) is Priority.EMERGENCY}
        broken: list[str] = []
        urgent_s = math.inf
        try:
            urgent_s = await _at_county_s(node, urgent, line, within_s) - began
            await node.until(at_county=count, timeout_s=within_s)
        except (TimeoutError, AssertionError):
            broken.append("not everything was delivered")
        took_s = line.now_s() - began
        share = (line.up.sent_bytes - before) / took_s / shape.rate_bytes_per_s(up=True)
        order = await asyncio.to_thread(_in_journal, county)
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    broken += _out_of_order(order, [each.uid for each in sent if each.uid not in urgent])
    broken += _overtaken(order, urgent)
    if math.inf > urgent_s > _EMERGENCIES_WITHIN_S:
        broken.append(f"the emergencies were there after {urgent_s:.0f} s")
    return replace(
        compared({each.uid: each.content for each in sent}, seen.instances, runs=1),
        notes=(
            f"{count} studies in 72 h by a moved clock, {tries} attempts meanwhile",
            f"all emergencies {urgent_s:.1f} s after the line is back, everything {took_s:.0f} s",
            *_use(count / took_s, share, shape),
        ),
        broken=tuple(broken),
    )


async def a_county_that_loses_parcels(
    folder: Path, size: Size, *, believing: bool = False
) -> Figures:
    """Damage or lose every parcel at the county, after its last byte and before it is taken."""
    count = _LOST_PARCELS[size]
    losing = _Losing(seed=7)
    with pytest.MonkeyPatch.context() as patched, ExitStack() as held:
        patched.setattr(ParcelSink, "take", losing.taking(ParcelSink.take))
        if believing:
            held.enter_context(without_receipts())
        async with (
            county_door(folder / "county") as county,
            node_in(folder / "township", door_to(county.port)) as node,
        ):
            sent = [await _store(node, number) for number in range(count)]
            await node.until(at_county=count, timeout_s=_WITHIN_S[size])
            if believing:
                await until(lambda: len(losing.lost) == count)
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    return replace(
        compared({each.uid: each.content for each in sent}, seen.instances, runs=count),
        notes=(f"{losing.damaged} damaged and {len(losing.lost) - losing.damaged} lost there",),
    )


class _Losing:
    """A county's disk that damages or loses each parcel once, in turn."""

    def __init__(self, *, seed: int) -> None:
        self._draw = random.Random(seed)
        self.lost: set[str] = set()
        self.damaged = 0

    def taking(self, take: _Take) -> _Take:
        """Return *take* behind such a disk."""

        async def take_from_it(sink: ParcelSink, info: UploadInfo, path: Path) -> None:
            parcel_id = info.metadata["parcel"]
            if parcel_id not in self.lost:
                self.lost.add(parcel_id)
                self._strike(path)
            await take(sink, info, path)

        return take_from_it

    def _strike(self, path: Path) -> None:
        if len(self.lost) % 2:
            path.unlink()
            return
        self.damaged += 1
        raw = bytearray(path.read_bytes())
        raw[self._draw.randrange(len(raw))] ^= 1
        path.write_bytes(raw)


async def a_poisoned_study(folder: Path, size: Size, *, believing: bool = False) -> Figures:
    """Let one of many instances go bad on the node's own disk; the others are not to wait."""
    count = _AMONG[size]
    with ExitStack() as held:
        if believing:
            held.enter_context(without_receipts())
        async with county_door(folder / "county") as county:
            async with node_in(folder / "township") as node:
                sent = [await _store(node, number) for number in range(count)]
                await node.until(waiting=count, timeout_s=_WITHIN_S[size])
                keys = [key for (key,) in await node.rows("object_key")]
                bad = folder / "township" / "objects" / keys[count // 3]
                bad.write_bytes(bad.read_bytes().replace(b"990000-", b"990009-"))
            async with node_in(folder / "township", door_to(county.port)) as node:
                if believing:
                    await node.until(at_county=count, timeout_s=_WITHIN_S[size])
                    await until(lambda: len(county.committed()) == count - 1)
                else:
                    await node.until(at_county=count - 1, set_aside=1, timeout_s=_WITHIN_S[size])
                reasons = {code for (code,) in await node.rows("reason_code") if code}
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    told = {each.uid: each.content for each in sent}
    if not believing:
        # It is not lost: it lies at the node, with its reason, until somebody looks.
        del told[sent[count // 3].uid]
    return replace(
        compared(told, seen.instances, runs=1),
        notes=(f"1 of {count} poisoned, set aside for {', '.join(sorted(reasons)) or 'nothing'}",),
    )


async def controls_of_the_outage(folder: Path) -> Sequence[Control]:
    """Return R06 with nodes that give up, that keep no order, and that know no urgency."""

    def in_line(*order: sa.ColumnElement[Any]) -> Callable[[], tuple[sa.ColumnElement[Any], ...]]:
        return lambda: (*order, studies.c.study_instance_uid)

    received = studies.c.first_received_at
    without: Mapping[str, tuple[object, str, object]] = {
        "the node gives up after three failures": (Backoff, "delay_s", _giving_up),
        "the last study goes first": (
            parcel_queue,
            "in_line",
            in_line(studies.c.rank, received.desc()),
        ),
        "an emergency waits its turn": (parcel_queue, "in_line", in_line(received)),
    }
    found = []
    for number, (taken_out, (where, name, instead)) in enumerate(without.items()):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(where, name, instead)
            figures = await _after_an_outage(
                folder / f"{number}",
                _OF_CONTROL,
                _QUICK_SHAPE,
                side=_THUMBNAIL_SIDE,
                within_s=_GIVEN_UP_S if where is Backoff else _WITHIN_S[Size.SHORT],
            )
        found.append(Control(taken_out, figures))
    return found


def _giving_up(backoff: Backoff, failures: int, chance: float) -> float:
    return math.inf if failures > _FAILURES_MAX else backoff.first_s * chance


async def controls(folder: Path) -> Sequence[Control]:
    """Return R07 and R22 with a node that reads no receipts."""
    return [
        Control(
            "the node reads no receipt (R07)",
            await a_county_that_loses_parcels(folder / "lost", Size.SHORT, believing=True),
        ),
        Control(
            "the node reads no receipt (R22)",
            await a_poisoned_study(folder / "poisoned", Size.SHORT, believing=True),
        ),
    ]


def _priority(number: int) -> Priority:
    urgent = number % _EMERGENCY_EVERY == _EMERGENCY_EVERY - 1
    return Priority.EMERGENCY if urgent else Priority.ROUTINE


async def _store(
    node: Node,
    number: int,
    priority: Priority = Priority.ROUTINE,
    *,
    at: dt.datetime = AT,
    side: int = 32,
) -> Image:
    """Acknowledge a study of one small image, as one that came at *at*."""
    raw = ct_slice(1, study=1000 + number, side=side, noise=_NOISE)
    draft = node.journal.begin()
    await draft.write(raw)
    told = encode_arrival(arrival_of(raw, priority=priority, at=at))
    await node.journal.commit([(draft, told)])
    return image_of(raw)


async def _at_county_s(node: Node, uids: set[str], line: Line, within_s: float) -> float:
    """Return when all of *uids* were receipted, on the line's clock."""
    async with asyncio.timeout(within_s):
        while True:
            rows = await node.rows("sop_instance_uid", "state")
            if uids <= {uid for uid, state in rows if state == "at-county"}:
                return line.now_s()
            await asyncio.sleep(0.05)


def _in_journal(county: County) -> list[str]:
    """Return the UIDs of what *county* committed, in order, without the objects."""
    reader = JournalReader.open(county.home / "journal", after=Position(0, 0))
    try:
        return [
            decode_arrival(stored.meta).sop_instance_uid
            for batch in reader.poll(_BATCHES_MAX)
            for stored in batch.entries
        ]
    finally:
        reader.close()


def _use(studies_per_s: float, share: float, shape: LineShape) -> tuple[str, ...]:
    """Say how much of a line was made use of, where that is what was tried."""
    if shape is _QUICK_SHAPE:
        return ()
    rate = f"{shape.up_bits_per_s / 1e6:g} Mbit/s"
    return (f"{studies_per_s:.1f} studies/s, {share:.0%} of {rate} while catching up",)


def _out_of_order(found: Sequence[str], sent: Sequence[str]) -> list[str]:
    places = {uid: number for number, uid in enumerate(sent)}
    routine = [uid for uid in found if uid in places]
    worst = max((abs(place - places[uid]) for place, uid in enumerate(routine)), default=0)
    return [f"a routine study left {worst} places out of turn"] if worst > _OVERTAKEN_MAX else []


def _overtaken(found: Sequence[str], urgent: set[str]) -> list[str]:
    """Say how many routine studies were at the county before the last emergency."""
    last = max((place for place, uid in enumerate(found) if uid in urgent), default=-1)
    before = sum(uid not in urgent for uid in found[: last + 1])
    return [f"{before} routine studies before an emergency"] if before > _OVERTAKEN_MAX else []
