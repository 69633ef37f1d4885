"""A county one version newer or older than its nodes."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from gateway.exchange.county_link import CountyUnreachable
from gateway.exchange.feed import send_down
from gateway.exchange.heartbeat import LineFacts
from gateway.exchange.model import Versions
from gateway.exchange.versions import NoCommonVersion, agree, carries
from kernel.letter import Letter
from tests.exchange.two_nodes import Read, Township, county_in, township_in, until

ONE, BOTH, TWO = Versions(), Versions(newest=2), Versions(oldest=2, newest=2)
NEW_KIND = {"bed": 2}


@pytest.mark.parametrize(
    ("mine", "theirs", "agreed"), [(ONE, ONE, 1), (BOTH, ONE, 1), (ONE, BOTH, 1), (BOTH, TWO, 2)]
)
def test_the_newest_common_version_holds(mine: Versions, theirs: Versions, agreed: int) -> None:
    assert agree(mine, theirs) == agree(theirs, mine) == agreed


def test_without_a_common_version_nobody_guesses() -> None:
    with pytest.raises(NoCommonVersion):
        agree(ONE, TWO)
    assert carries("order", 1, NEW_KIND)
    assert not carries("bed", 1, NEW_KIND)


class LineOfBefore(msgspec.Struct, frozen=True, kw_only=True):
    """What a heartbeat said of the line before it told who holds it."""

    state: str
    since: dt.datetime | None
    rate_bits_per_s: int | None
    code: str = ""


def test_an_older_county_passes_over_who_holds_the_line_and_an_older_node_says_nobody() -> None:
    until_ten = dt.datetime(2026, 5, 12, 10, 0, tzinfo=dt.UTC)
    told = LineFacts(
        state="up", since=None, rate_bits_per_s=None, held_until=until_ten, held_by="李静"
    )
    before = LineOfBefore(state="up", since=None, rate_bits_per_s=None)
    assert msgspec.json.decode(msgspec.json.encode(told), type=LineOfBefore) == before
    read = msgspec.json.decode(msgspec.json.encode(before), type=LineFacts)
    assert (read.held_until, read.held_by) == (None, "")
    assert msgspec.json.decode(msgspec.json.encode(told), type=LineFacts) == told


async def _one_waits(node: Township) -> bool:
    return await node.waiting() == 1


async def test_a_newer_node_keeps_back_what_its_older_county_cannot_read(tmp_path: Path) -> None:
    read = Read()
    async with county_in(tmp_path, {"order": read, "bed": read}, versions=ONE) as county:
        enrolled, key = await county.new_node()
        node_of = township_in(tmp_path, county.port, enrolled, key, versions=BOTH, since=NEW_KIND)
        async with node_of as node:
            node.start()
            await node.write(Letter("bed", "b1", 1, {}), Letter("order", "o1", 1, {}))
            await until(lambda: read.keys == ["o1"])
            await until(lambda: _one_waits(node))
    # The county is updated; what waited goes.
    async with county_in(
        tmp_path, {"order": read, "bed": read}, versions=BOTH, since=NEW_KIND
    ) as county:
        node_of = township_in(tmp_path, county.port, enrolled, key, versions=BOTH, since=NEW_KIND)
        async with node_of as node:
            node.start()
            await until(lambda: read.keys == ["o1", "b1"])


async def test_a_newer_county_passes_over_what_its_older_node_cannot_read_and_tells_it_later(
    tmp_path: Path,
) -> None:
    read = Read()
    async with county_in(tmp_path, versions=BOTH, since=NEW_KIND) as county:
        enrolled, key = await county.new_node()
        letters = [Letter("bed", "b1", 1, {}), Letter("order", "o1", 1, {})]
        at = county.clock.now()
        await county.database.write(
            lambda conn: send_down(conn, letters, institution="qingshan", at=at)
        )
        handlers = {"order": read, "bed": read}
        old = township_in(tmp_path, county.port, enrolled, key, handlers=handlers, versions=ONE)
        async with old as node:
            await node.follower.follow_once()
            assert read.keys == ["o1"]
        new = township_in(tmp_path, county.port, enrolled, key, handlers=handlers, versions=BOTH)
        async with new as node:
            node.start()
            await until(lambda: "b1" in read.keys)


async def test_a_node_too_old_waits_and_loses_nothing(tmp_path: Path) -> None:
    async with county_in(tmp_path, versions=TWO) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key, versions=ONE) as node:
            await node.write(Letter("order", "o1", 1, {}))
            with pytest.raises(CountyUnreachable) as refused:
                await node.sender.send_once()
            assert refused.value.code == "exchange-version"
            assert await node.waiting() == 1
            with pytest.raises(CountyUnreachable) as refused:
                await node.follower.follow_once()
            assert refused.value.code == "exchange-version"
