"""What Prometheus learns of the queue and the line."""

import datetime as dt
import math
from pathlib import Path

from prometheus_client import CollectorRegistry

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.metrics import QueueMetrics
from kernel.clock import SystemClock
from tests.township.node import AT, door_to, node_in
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import ct_slice


class Told:
    """A registry, read by short names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def __call__(self, name: str, **labels: str) -> float:
        value = self._registry.get_sample_value(f"yilian_{name}", labels)
        assert value is not None, name
        return value


async def test_what_waits_and_what_is_set_aside_is_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    told = Told(registry)
    async with node_in(tmp_path) as node:
        metrics = QueueMetrics(node.database, node.news, registry)
        await metrics.refresh()
        assert told("spool_instances", state="waiting") == 0
        assert told("spool_oldest_timestamp_seconds") == 0
        assert told("forwarder_last_receipt_timestamp_seconds") == 0
        assert math.isnan(told("forwarder_line_up"))
        await node.store([ct_slice(1), ct_slice(2)])
        await node.until(waiting=2)
        await metrics.refresh()
        assert told("spool_instances", state="waiting") == 2
        assert told("spool_bytes", state="waiting") > 0
        assert told("spool_instances", state="set-aside") == 0
        assert told("spool_oldest_timestamp_seconds") == AT.timestamp()
        await node.news.lost("county-unreachable")
        await metrics.refresh()
        assert told("forwarder_line_up") == 0
        assert told("forwarder_line_changed_timestamp_seconds") > 0


async def test_a_receipt_ends_the_waiting_and_is_remembered_when_the_files_are_gone(
    tmp_path: Path,
) -> None:
    registry = CollectorRegistry()
    told = Told(registry)
    clock = SystemClock()
    begun = clock.now().timestamp()
    async with (
        county_door(tmp_path / "county") as county,
        open_line(county.port, QUICK_LINE) as line,
    ):
        door = door_to(line.port)
        async with node_in(tmp_path / "node", door) as node:
            metrics = QueueMetrics(node.database, node.news, registry)
            await node.store([ct_slice(1)])
            await node.until(at_county=1)
            await metrics.refresh()
            assert told("forwarder_line_up") == 1
            assert told("spool_instances", state="waiting") == 0
            assert told("spool_oldest_timestamp_seconds") == 0
            sent = told("forwarder_sent_bytes_total")
            assert sent > 1000
            receipt = told("forwarder_last_receipt_timestamp_seconds")
            assert receipt >= begun
            keep = KeepSettings(keep=dt.timedelta())
            keeper = Keeper(node.database, node.objects, tmp_path, keep, clock=clock)
            assert await keeper.sweep() == 1
            await metrics.refresh()
            assert told("forwarder_last_receipt_timestamp_seconds") == receipt
            assert told("forwarder_sent_bytes_total") == sent
