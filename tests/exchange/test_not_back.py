"""What could not come back from the county is told, counted, and tried again when somebody asks."""

import asyncio
import datetime as dt
from functools import partial
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from gateway.exchange import outbox, return_turns, returns
from gateway.exchange.heartbeat import DiskFacts, Heartbeat, LineFacts
from gateway.exchange.model import Source
from gateway.exchange.node_facts import NodeFacts
from gateway.exchange.return_letters import take_return
from gateway.exchange.returns import ObjectState, ReturnState
from gateway.township.queue_view import queue_items, totals
from gateway.township.tables import studies
from kernel.clock import SystemClock
from kernel.letter import Letter
from kernel.settings import NodeKind, Settings
from tests.exchange.prior_place import place_in
from tests.exchange.test_heartbeats import STUDY, stored
from tests.exchange.test_hindered import X, asked_for_both
from tests.township.node import node_in
from yilian.cli import main
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

pytestmark = pytest.mark.timeout(90)
LONG_AGO = dt.timedelta(days=9)


def lost(conn: sa.Connection, *, at: dt.datetime, kind: str = "report") -> None:
    """Have one object of ``STUDY`` set aside, as the fetcher leaves it."""
    one = {
        "series_instance_uid": f"{STUDY}.9",
        "sop_instance_uid": f"{STUDY}.9.1",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.104.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "size_bytes": 4,
        "digest": {"dataset": "0" * 64},
    }
    body = {"study": STUDY, "objects_in_all": 1, "objects": [one]}
    source = Source("county", "qingshan", at)
    take_return(conn, Letter(kind, f"{STUDY}/0", 1, body), source)
    found = return_turns.next_object(conn)
    assert found is not None
    later = at + dt.timedelta(hours=1)
    became = return_turns.Fetched(ObjectState.SET_ASIDE, "object-missing", not_before=later)
    return_turns.note_object(conn, found, became, institution="qingshan", at=at)


async def test_a_study_of_which_nothing_comes_any_more_says_so_and_comes_when_it_is_tried_again(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        [file] = await asked_for_both(place)
        gone = file.rename(file.with_suffix(".gone"))
        await place.fetcher.fetch_next()
        view = await place.view(X)
        assert (view.state, view.code, view.set_aside) == (
            ReturnState.SET_ASIDE,
            "object-missing",
            1,
        )
        gone.rename(file)
        again = partial(
            return_turns.retry, study=X, institution="qingshan", at=place.node.clock.now()
        )
        assert await place.node.database.write(again) == 1
        assert (await place.view(X)).state is ReturnState.FETCHING
        assert await place.fetcher.fetch_next()
        assert (await place.view(X)).state is ReturnState.HERE
        assert await place.node.database.write(again) == 0


async def test_a_study_of_days_ago_is_in_the_list_and_counted_while_its_report_is_not_here(
    tmp_path: Path,
) -> None:
    async with node_in(tmp_path) as node:
        now, since = node.news.now(), node.news.since()
        long_ago = now.at - LONG_AGO
        await node.database.write(partial(stored, at=long_ago, here=2, arrived=2))
        done = sa.update(studies).values(county_received_at=long_ago)
        await node.database.write(lambda conn: conn.execute(done))

        def told(conn: sa.Connection) -> tuple[int, int, list[str]]:
            counted = totals(conn, now, since=since)
            items = queue_items(conn, now, since=since, limit=10)
            return (
                counted.needs_attention,
                counted.safe_here,
                [item.study_instance_uid for item in items],
            )

        assert await node.database.read(told) == (0, 0, [])
        await node.database.write(partial(lost, at=now.at))
        # It is no study of today, and still needs somebody.
        assert await node.database.read(told) == (1, 0, [STUDY])
        await node.database.write(
            partial(return_turns.retry, study=STUDY, institution="qingshan", at=now.at)
        )
        assert await node.database.read(told) == (0, 0, [])


class OlderHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a county of an earlier version reads of it."""

    letters_refused: int
    set_aside: int


async def test_the_county_is_told_and_an_older_one_of_the_sum(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        at = node.news.now().at
        await node.database.write(partial(lost, at=at))
        facts = NodeFacts(
            program="0",
            started_at=at,
            line=lambda: LineFacts(state="up", since=None, rate_bits_per_s=None),
            disk=lambda: DiskFacts(total_bytes=1, free_bytes=1),
        )
        beat = await node.database.read(partial(facts.heartbeat, at=at))
    assert (beat.set_aside, beat.returns_set_aside) == (1, 1)
    raw = msgspec.json.encode(beat)
    assert msgspec.json.decode(raw, type=OlderHeartbeat).set_aside == 1
    # A node of an earlier version does not say it.
    told = msgspec.json.decode(raw)
    del told["returns_set_aside"]
    assert msgspec.convert(told, Heartbeat).returns_set_aside == 0


def test_the_command_line_names_what_is_not_back_and_tries_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP)

    async def fill() -> None:
        async with opened_database(
            home, Settings.load(NodeKind.TOWNSHIP, file=home.settings_file)
        ) as database:
            await database.write(partial(lost, at=SystemClock().now()))

    def spool(*words: str) -> str:
        assert main(["spool", *words, "--home", str(home.root)]) == 0
        return capsys.readouterr().out

    async def left() -> tuple[str, list[str]]:
        async with opened_database(
            home, Settings.load(NodeKind.TOWNSHIP, file=home.settings_file)
        ) as database:
            [view] = await database.read(partial(returns.views, studies=[STUDY]))
            letters = await database.write(outbox.next_letters)
            return view.state.value, [letter.kind for letter in letters]

    asyncio.run(fill())
    assert f"study={STUDY}  back=report" in spool("list")
    assert "reason_code=object-missing" in spool("aside")
    assert "1 " in spool("retry", STUDY)
    assert spool("aside").strip() == "nothing is set aside"
    assert "state=fetching" in spool("list")
    # The county is asked for the reports alone.
    assert asyncio.run(left()) == ("fetching", ["prior-request"])
