"""How the nodes are: "12 of 60 arrived, line down since 10:42", and who is told of silence."""

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import sqlalchemy as sa

from gateway.exchange.completeness import QUIET, Basis, Fullness, completeness
from gateway.exchange.node_facts import note_expected
from gateway.exchange.node_status import LATE_AFTER, SILENT_AFTER, words_of
from gateway.exchange.silence import Listening, note_silent
from gateway.township.model import InstanceState
from gateway.township.tables import instances, studies
from kernel.events import Event, events_after
from tests.exchange.two_nodes import County, Township, county_in, line_up, township_in

STUDY = "1.2.826.0.1.3680043.8.498.990000.1"
A_SECOND = dt.timedelta(seconds=1)
AGES = dt.timedelta(days=9)


@pytest.mark.parametrize(
    ("told", "here", "arrived", "quiet_for", "expected", "basis", "state"),
    [
        pytest.param(None, 12, 3, QUIET - A_SECOND, None, Basis.NONE, Fullness.GROWING, id="new"),
        pytest.param(None, 12, 3, QUIET, 12, Basis.QUIET, Fullness.ON_THE_WAY, id="quiet"),
        pytest.param(None, 12, 12, QUIET, 12, Basis.QUIET, Fullness.COMPLETE, id="quiet-all"),
        pytest.param(60, 12, 12, A_SECOND, 60, Basis.MPPS, Fullness.GROWING, id="told-more"),
        pytest.param(60, 12, 12, QUIET, 60, Basis.MPPS, Fullness.SHORT, id="told-more-and-quiet"),
        pytest.param(60, 60, 12, A_SECOND, 60, Basis.MPPS, Fullness.ON_THE_WAY, id="told-all-here"),
        pytest.param(60, 60, 60, A_SECOND, 60, Basis.MPPS, Fullness.COMPLETE, id="told-all-there"),
        pytest.param(60, 61, 60, A_SECOND, 60, Basis.MPPS, Fullness.ON_THE_WAY, id="one-more"),
    ],
)
def test_how_full_a_study_is(  # noqa: PLR0917  # a table
    told: int | None,
    here: int,
    arrived: int,
    quiet_for: dt.timedelta,
    expected: int | None,
    basis: Basis,
    state: Fullness,
) -> None:
    found = completeness(told=told, here=here, arrived=arrived, quiet_for=quiet_for, quiet=QUIET)
    assert (found.expected, found.basis, found.state) == (expected, basis, state)


def stored(conn: sa.Connection, at: dt.datetime, *, here: int, arrived: int) -> None:
    """Put a study into the node's queue, as the spool and receipts would."""
    conn.execute(
        sa.insert(studies).values(
            study_instance_uid=STUDY,
            institution="qingshan",
            modality="CT",
            rank=0,
            first_received_at=at,
            last_received_at=at,
        )
    )
    for number in range(here):
        state = InstanceState.AT_COUNTY if number < arrived else InstanceState.WAITING
        conn.execute(
            sa.insert(instances).values(
                study_instance_uid=STUDY,
                series_instance_uid=f"{STUDY}.1",
                sop_instance_uid=f"{STUDY}.1.{number}",
                content=f"c{number}",
                object_key=f"k{number}",
                size_bytes=1000,
                arrival={},
                received_at=at,
                state=state.value,
            )
        )


async def topics(county: County) -> list[Event]:
    found = await county.database.read(partial(events_after, after_id=0))
    return [event for event in found if event.topic.startswith(("node.", "study.completeness"))]


async def seen(page: aiohttp.ClientSession, path: str) -> Any:
    async with page.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def beaten(node: Township) -> None:
    """Let the node say how it is."""
    node.sender._beat_s = float("-inf")
    while await node.sender.send_once():
        pass


async def test_the_county_knows_twelve_of_sixty_arrived_and_since_when_the_line_is_down(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            at = node.clock.now()
            await node.database.write(partial(stored, at=at, here=30, arrived=12))
            await node.database.write(partial(note_expected, study=STUDY, instances_=60, at=at))
            await beaten(node)
        async with county.page("wang") as page:
            [shown] = (await seen(page, "/api/v1/nodes"))["items"]
            assert (shown["state"], shown["down_since"]) == ("up", None)
            assert shown["lanes"] == [
                {"priority": "emergency", "studies": 1, "instances": 18, "size_bytes": 18000}
            ]
            assert shown["disk"] == {"total_bytes": 100, "free_bytes": 40}
            county.clock.ahead = LATE_AFTER + A_SECOND
            detail = await seen(page, f"/api/v1/nodes/{enrolled.node}")
            assert detail["node"]["state"] == "late"
            assert detail["node"]["down_since"] == detail["node"]["heard_at"] is not None
            [study] = detail["studies"]
            assert (study["study_instance_uid"], study["modality"]) == (STUDY, "CT")
            assert study["completeness"] == {
                "expected": 60,
                "basis": "mpps",
                "here": 30,
                "arrived": 12,
                "state": "growing",
            }
        words = await county.database.read(partial(words_of, studies=[STUDY, "1.2.3"]))
        assert words[STUDY].completeness.arrived == 12
        assert list(words) == [STUDY]
        told = [event for event in await topics(county) if event.topic == "study.completeness"]
        assert told[0].payload["completeness"]["expected"] == 60
        assert (told[0].institution, told[0].routed_to) == ("qingshan", frozenset({"county"}))


async def test_three_minutes_of_silence_are_told_once_and_so_is_the_first_word_after(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            await beaten(node)

            async def looked(listening: dt.timedelta = AGES) -> int:
                return await county.database.write(
                    partial(
                        note_silent, centre="county", at=county.clock.now(), listening=listening
                    )
                )

            county.clock.ahead = SILENT_AFTER - dt.timedelta(seconds=30)
            assert await looked() == 0
            county.clock.ahead = SILENT_AFTER + A_SECOND
            # A county that was away itself has heard nobody, and blames nobody.
            assert await looked(listening=SILENT_AFTER - A_SECOND) == 0
            assert await looked() == 1
            assert await looked() == 0
            async with county.page("sys") as page:
                [shown] = (await seen(page, "/api/v1/nodes"))["items"]
                assert shown["state"] == "silent"
            await beaten(node)
            assert await looked() == 0
        told = [event for event in await topics(county) if event.topic != "node.updated"]
        assert [event.topic for event in told] == ["node.silent", "node.back"]
        assert told[0].payload["institution"] == {"code": "qingshan", "name": "青山镇卫生院"}
        assert told[1].payload["silent_s"] >= SILENT_AFTER.total_seconds()


async def test_a_line_somebody_holds_is_told_at_once_with_who_and_until_when(
    tmp_path: Path,
) -> None:
    line = line_up()
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        node_of = township_in(
            tmp_path, county.port, enrolled, key, heartbeat_s=3600, line_facts=lambda: line
        )
        async with node_of as node, county.page("wang") as page:

            async def held() -> tuple[str | None, str]:
                [shown] = (await seen(page, "/api/v1/nodes"))["items"]
                return shown["line"]["held_until"], shown["line"]["held_by"]

            async def updates() -> list[Event]:
                return [each for each in await topics(county) if each.topic == "node.updated"]

            await beaten(node)
            assert await held() == (None, "")
            told = len(await updates())
            until = node.clock.now() + dt.timedelta(minutes=30)
            line = msgspec.structs.replace(line_up(), held_until=until, held_by="李静")
            await node.sender.send_once()
            assert await held() == (until.isoformat().replace("+00:00", "Z"), "李静")
            assert len(await updates()) == told + 1
            # A hold that is over is none, whether or not anybody has looked since.
            past = node.clock.now() - A_SECOND
            line = msgspec.structs.replace(line, held_until=past)
            await node.sender.send_once()
            assert await held() == (None, "")


@pytest.mark.parametrize(
    ("seconds", "wall"),
    [
        pytest.param(360.0, 360.0, id="held"),
        pytest.param(15.0, 360.0, id="its-seconds-stood-still"),
    ],
)
def test_a_county_that_was_held_itself_listens_anew(seconds: float, wall: float) -> None:
    ear, at = Listening(), dt.datetime(2026, 5, 12, 9, 0, tzinfo=dt.UTC)
    listening = dt.timedelta(0)
    for look in range(41):
        now_s = look * 15.0
        listening = ear.look(now_s, at + dt.timedelta(seconds=now_s))
    assert listening == dt.timedelta(minutes=10)
    now_s, at = 600.0 + seconds, at + dt.timedelta(seconds=600 + wall)
    assert ear.look(now_s, at) == dt.timedelta(0)
    # From there on it counts again; a look somewhat late is no break.
    assert ear.look(now_s + 30, at + dt.timedelta(seconds=30)) == dt.timedelta(seconds=30)


async def test_a_house_knows_of_its_own_nodes_only(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        mine, _ = await county.new_node("qingshan")
        other, _ = await county.new_node("shiqiao")
        async with county.page("zhao") as page:
            items = (await seen(page, "/api/v1/nodes"))["items"]
            assert [each["id"] for each in items] == [mine.node]
            assert items[0]["state"] == "never"
            for unknown in (other.node, "x" * 26):
                async with page.get(f"/api/v1/nodes/{unknown}") as answer:
                    assert answer.status == 404
                    assert (await answer.json())["code"] in {"not-found", "node-unknown"}


async def test_a_heartbeat_that_has_nothing_new_is_short(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            at = node.clock.now() - dt.timedelta(hours=1)
            await node.database.write(partial(stored, at=at, here=3, arrived=3))
            await beaten(node)
            beat = await node.sender._heartbeat()
            assert beat.studies is None
            await node.database.write(
                lambda conn: conn.execute(sa.update(instances).values(state="waiting"))
            )
            assert (await node.sender._heartbeat()).studies is not None
