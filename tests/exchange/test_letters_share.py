"""Letters share the line: they go through its bucket, and leave it to whoever holds it."""

import datetime as dt
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.township.clinic_hours import ClinicHours, Shares
from gateway.township.line import LineMeter
from gateway.township.traffic import BURST_BYTES, HELD_BYTES_PER_S, Traffic
from kernel.arrival import Priority
from kernel.clock import FrozenClock, SystemClock
from kernel.letter import Letter
from tests.exchange.two_nodes import County, Read, Township, county_in, township_in, until

DRAWN = random.Random(7)  # text that does not compress well
SLOW_BYTES_PER_S = 40_000.0
NINE = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def order(number: int, size: int = 10) -> Letter:
    return Letter("order", f"o{number}", 1, {"text": DRAWN.randbytes(size).hex()})


def trail(number: int) -> Letter:
    """Return a letter that fills a post by itself, some 70 KB as it travels."""
    return Letter("audit", f"{number}-{number}", number, {"text": DRAWN.randbytes(70_000).hex()})


def bucket(most_bytes_per_s: float | None) -> Traffic:
    shares = Shares(most_bytes_per_s=most_bytes_per_s)
    return Traffic(shares, LineMeter(), SystemClock(), zone=dt.UTC)


@asynccontextmanager
async def on_a_bucket(
    home: Path, most_bytes_per_s: float | None, read: Read
) -> AsyncIterator[tuple[County, Township]]:
    async with county_in(home, {"order": read, "audit": read}) as county:
        enrolled, key = await county.new_node()
        async with township_in(home, county.port, enrolled, key) as node:
            node.line.traffic = bucket(most_bytes_per_s)
            yield county, node


@pytest.mark.parametrize("kind", ["order", "audit"])
async def test_a_slow_bucket_bounds_letters(tmp_path: Path, kind: str) -> None:
    read = Read()
    async with on_a_bucket(tmp_path, SLOW_BYTES_PER_S, read) as (_, node):
        many = [trail(number) for number in range(1, 5)]
        letters = [Letter(kind, each.key, each.version, each.body) for each in many]
        began_s = node.clock.monotonic_s()
        await node.write(*letters)
        node.start()

        async def all_answered() -> bool:
            return await node.waiting() == 0

        await until(all_answered)
        assert len(read.letters) == 4
        took_s = node.clock.monotonic_s() - began_s
        lane = Priority.ROUTINE if kind == "audit" else Priority.URGENT
        owed = node.line.owed_bytes[lane]
        assert owed > 4 * 70_000
        # Nobody waits for what the last of the four posts owes.
        assert took_s >= (owed * 0.7 - BURST_BYTES) / SLOW_BYTES_PER_S


async def test_an_order_is_not_behind_the_trail_of_a_long_outage(tmp_path: Path) -> None:
    read = Read()
    async with on_a_bucket(tmp_path, SLOW_BYTES_PER_S, read) as (_, node):
        await node.write(*(trail(number) for number in range(1, 11)), order(1))
        node.start()
        await until(lambda: len(read.letters) >= 3)
        assert read.keys[0] == "o1"
        began_s = node.clock.monotonic_s()
        await node.write(order(2))
        await until(lambda: "o2" in read.keys)
        assert node.clock.monotonic_s() - began_s < 5
        assert len(read.keys) < 12


async def test_while_a_person_holds_the_line_orders_and_heartbeats_pass_and_the_trail_waits(
    tmp_path: Path,
) -> None:
    read = Read()
    async with on_a_bucket(tmp_path, None, read) as (county, node):
        node.line.traffic.note(held=True, emergency=False)
        await node.write(trail(1), order(1))
        node.start()
        await until(lambda: read.keys == ["o1"])
        async with county.page("sys") as page:

            async def heard() -> str:
                async with page.get("/api/v1/nodes") as answer:
                    [shown] = (await answer.json())["items"]
                    return str(shown["heard_at"])

            before = await heard()

            async def again() -> bool:
                return await heard() > before

            await until(again)
        assert (read.keys, await node.waiting()) == (["o1"], 1)
        node.line.traffic.note(held=False, emergency=False)
        await until(lambda: read.keys == ["o1", "1-1"])


async def test_what_comes_down_is_counted(tmp_path: Path) -> None:
    async with on_a_bucket(tmp_path, SLOW_BYTES_PER_S, Read()) as (_, node):
        await node.follower.follow_once()
        assert node.line.owed_bytes[Priority.URGENT] > 0


def test_images_wait_for_what_letters_took() -> None:
    clock = FrozenClock(NINE)
    shares = Shares(ClinicHours.parse("08:00-12:00"), 0.5, 20_000.0)
    traffic = Traffic(shares, LineMeter(), clock, zone=dt.UTC)
    assert traffic.owe(BURST_BYTES, Priority.URGENT) == 0
    assert traffic.reserve(10_000, lane=Priority.ROUTINE) == pytest.approx(1.0)
    # Urgent letters wait for themselves only, others for images as well.
    assert traffic.owe(5_000, Priority.URGENT) == pytest.approx(0.5)
    assert traffic.owe(5_000, Priority.ROUTINE) == pytest.approx(2.0)
    assert traffic.reserve(10_000, lane=Priority.ROUTINE) == pytest.approx(3.0)


def test_a_held_line_lets_a_trickle_of_letters_pass() -> None:
    clock = FrozenClock(NINE)
    traffic = Traffic(Shares(), LineMeter(), clock, zone=dt.UTC)
    assert traffic.owe(10**6, Priority.URGENT) == 0
    traffic.note(held=True, emergency=False)
    assert traffic.owe(BURST_BYTES, Priority.URGENT) == 0
    assert traffic.owe(HELD_BYTES_PER_S, Priority.URGENT) == pytest.approx(1.0)
    traffic.note(held=False, emergency=False)
    assert traffic.owe(10**6, Priority.URGENT) == 0
