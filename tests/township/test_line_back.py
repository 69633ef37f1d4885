"""Once anything of the node reaches the county, nothing goes on waiting for the line."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from gateway.township.backoff import Backoff
from gateway.township.line import LineState
from gateway.township.waits import LINE, REFUSED, Waits
from kernel.arrival import Priority
from tests.township.node import Node, door_to, node_in, settings_for
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import ct_slice
from tests.uploads.tus_door import until

HOUR_S = 3600.0
STEP_S = 0.01
SPREAD_S = 2.0
LONG = Backoff(first_s=HOUR_S, cap_s=HOUR_S)


@asynccontextmanager
async def after_an_outage(home: Path, priority: Priority, spread_s: float) -> AsyncIterator[Node]:
    """A node whose images wait out the longest back-off, though the line is there again."""
    settings = settings_for(backoff=LONG, chance=lambda: 0.9, spread_s=spread_s)
    async with county_door(home / "county") as county, open_line(county.port, QUICK_LINE) as line:
        line.take_down()
        async with node_in(home / "node", door_to(line.port), settings=settings) as node:
            await node.store([ct_slice(1)], priority=priority)
            await until(lambda: node.news.line().state is LineState.DOWN)
            await until(lambda: node.forwarder is None or not node.forwarder.uploads())
            line.bring_up()
            yield node


@pytest.mark.parametrize("priority", [Priority.ROUTINE, Priority.EMERGENCY])
async def test_images_go_once_a_heartbeat_was_answered(tmp_path: Path, priority: Priority) -> None:
    async with after_an_outage(tmp_path, priority, 0.1) as node:
        await node.news.reached()
        await node.until(at_county=1)


async def test_an_emergency_does_not_stand_back_for_other_nodes(tmp_path: Path) -> None:
    async with after_an_outage(tmp_path, Priority.EMERGENCY, HOUR_S) as node:
        await node.news.reached()
        await node.until(at_county=1)


@pytest.mark.parametrize("priority", [Priority.ROUTINE, Priority.EMERGENCY])
async def test_a_line_that_is_down_again_is_not_hammered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, priority: Priority
) -> None:
    """A heartbeat was answered; by the time that images go, nobody answers any more."""
    caplog.set_level(logging.INFO)
    each = Backoff(first_s=0.3, cap_s=0.3)
    settings = settings_for(backoff=each, chance=lambda: 0.9, spread_s=1.0)
    async with county_door(tmp_path / "county") as county, open_line(county.port, QUICK_LINE) as it:
        it.take_down()
        async with node_in(tmp_path / "node", door_to(it.port), settings=settings) as node:

            def failed_s() -> list[float]:
                found = [one for one in caplog.records if one.getMessage() == "forwarder.later"]
                return [one.created for one in found]

            await node.store([ct_slice(1)], priority=priority)
            await until(lambda: node.news.line().state is LineState.DOWN)
            caplog.clear()
            await node.news.reached()
            await until(lambda: len(failed_s()) > 4)
            rests_s = [after - before for before, after in pairwise(failed_s())]
            # One may have been on its way when the county was heard.
            assert all(rest_s > 0.2 for rest_s in rests_s[1:]), rests_s


def waits() -> Waits:
    found = Waits(LONG, lambda: 0.5)
    for name in (LINE, REFUSED, "study"):
        found.add(name, 0.0)
    return found


def test_only_who_waits_for_the_line_goes_on_when_it_is_back() -> None:
    found = waits()
    found.heard(10.0, spread_s=4.0)
    assert found.waiting(11.9) == {LINE, REFUSED, "study"}
    assert found.waiting(12.1) == {REFUSED, "study"}
    assert found.add(LINE, 12.1) == HOUR_S / 2


def test_a_wait_that_ends_sooner_is_not_made_longer() -> None:
    found = waits()
    found.heard(HOUR_S / 2 - 1, spread_s=4.0)
    assert LINE not in found.waiting(HOUR_S / 2 + 0.1)


@pytest.mark.parametrize(
    ("heard", "refused", "emergency", "stands"),
    [
        pytest.param(False, False, True, True, id="down"),
        pytest.param(True, False, False, True, id="back-spread"),
        pytest.param(True, False, True, False, id="back-emergency"),
        pytest.param(True, True, True, True, id="back-refused"),
    ],
)
def test_what_keeps_the_line_empty(
    heard: bool, refused: bool, emergency: bool, stands: bool
) -> None:
    found = Waits(LONG, lambda: 0.5)
    found.add(LINE, 0.0)
    if refused:
        found.add(REFUSED, 0.0)
    if heard:
        found.heard(1.0, spread_s=4.0)
    assert found.keep_off(2.0, emergency=emergency) is stands


def test_a_failure_while_others_are_let_go_first_begins_a_wait_of_its_own() -> None:
    found = Waits(LONG, lambda: 0.5)
    found.add(LINE, 0.0)
    found.heard(1.0, spread_s=4.0)
    assert found.add(LINE, 1.1) == HOUR_S / 2
    assert found.keep_off(HOUR_S / 2, emergency=True)
    assert found.add(LINE, 1.2) == pytest.approx(HOUR_S / 2 - 0.1)


@given(
    heard=st.lists(st.floats(0.0, 60.0), max_size=8),
    chances=st.lists(st.floats(0.1, 0.99), min_size=1, max_size=20),
)
def test_an_emergency_is_tried_once_for_each_time_the_county_is_heard_and_then_as_the_back_off_says(
    heard: list[float], chances: list[float]
) -> None:
    drawn = cycle(chances)
    found = Waits(Backoff(first_s=1.0, cap_s=30.0), lambda: next(drawn))
    free_s, to_hear = 0.0, sorted(heard)
    for step in range(6_000):
        now_s = step * STEP_S
        while to_hear and to_hear[0] <= now_s:
            to_hear.pop(0)
            found.heard(now_s, spread_s=SPREAD_S)
            free_s = 0.0
        if not found.keep_off(now_s, emergency=True):
            assert now_s >= free_s
            free_s = now_s + found.add(LINE, now_s)
            assert free_s - now_s >= 0.1 - 1e-9
