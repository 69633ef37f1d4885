"""Once anything of the node reaches the county, nothing goes on waiting for the line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

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
