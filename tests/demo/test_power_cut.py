"""Power cuts while modalities send: every acknowledged instance is there once, with its bytes."""

import io
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pydicom
import pytest

from tests.demo import unflushed
from tests.demo.acknowledged import Image, Modality, images
from tests.demo.running import RunningDemo, free_offset, until
from tests.torture.ext4_image import Ext4Image, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
_COUNTY, _TOWNSHIP = "county", "qingshan"
_DOORS = {_COUNTY: "county-hospital", _TOWNSHIP: _TOWNSHIP}
_IMAGES = 60
_DISK_BYTES = 1 << 30


class Town:
    """A demo whose county and first township each have a disk of their own to lose."""

    def __init__(self, folder: Path) -> None:
        self.demo = RunningDemo(folder / "home", free_offset())
        self.demo.environment["YILIAN_JOURNAL_RESERVE_BYTES"] = str(32 << 20)
        self.disks: dict[str, Ext4Image] = {}
        self._mounted = ExitStack()
        for node in (_COUNTY, _TOWNSHIP):
            disk = Ext4Image(self.demo.home / "disks" / node, size=_DISK_BYTES)
            (self.demo.home / node).symlink_to(disk.root)
            self.disks[node] = disk

    def start(self) -> None:
        """Mount the disks and start on whatever they hold."""
        for disk in self.disks.values():
            self._mounted.enter_context(disk.mounted())
        self.demo.start()

    def cut(self, nodes: Sequence[str]) -> None:
        """Cut the power of all; the disks of *nodes* keep what was flushed and no more."""
        self.demo.freeze()
        for node in nodes:
            self.disks[node].cut_power()
        self.end()

    def end(self) -> None:
        """Kill what runs and unmount."""
        if self.demo.process is not None:
            self.demo.kill()
        self._mounted.close()


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    made = Town(folder)
    try:
        yield made
    finally:
        made.end()


def _check_bytes(demo: RunningDemo, sent: Sequence[Image], acknowledged: frozenset[str]) -> None:
    expected = {i.sop_instance_uid: i for i in sent if i.sop_instance_uid in acknowledged}
    for study in sorted({image.study_instance_uid for image in expected.values()}):
        for file in demo.objects(study):
            given = pydicom.dcmread(io.BytesIO(file))
            image = expected.get(given.SOPInstanceUID)
            assert image is None or file.endswith(image.dataset), given.SOPInstanceUID
            expected.pop(given.SOPInstanceUID, None)
    assert not expected


def _await_all(town: Town, acknowledged: frozenset[str]) -> None:
    """Wait for all of them at the county; say of those that do not come how far they are."""
    demo = town.demo
    try:
        until(lambda: acknowledged <= set(demo.instances()), 180, "all acknowledged at the county")
    except AssertionError as exc:
        lost = acknowledged.difference(demo.instances())
        exc.add_note(f"{len(lost)} are not there: {sorted(lost)[:10]}")
        queue = demo.get("/api/v1/queue?limit=200", at=_TOWNSHIP, role="technician")
        exc.add_note(f"the township: {queue}")
        for node, disk in town.disks.items():
            exc.add_note(f"disk of the {node}: {shutil.disk_usage(disk.root)}")
        raise


def _survive(town: Town, cuts: int, seed: int) -> None:
    chance = random.Random(seed)
    demo = town.demo
    sent: list[Image] = []
    acknowledged: frozenset[str] = frozenset()
    town.start()
    for cut in range(cuts):
        lost = chance.choice([[_COUNTY], [_TOWNSHIP], [_COUNTY, _TOWNSHIP]])
        senders = []
        for number, place in enumerate(_DOORS.values(), 1):
            some = images(_IMAGES, series=number, run=f"cut-{seed}-{cut}")
            sent += some
            senders.append(Modality(demo.door(place), some))
        for sender in senders:
            sender.start()
        count = chance.randrange(1, _IMAGES)
        if chance.random() < 0.5:
            senders[cut % len(senders)].wait_for(count)
        else:
            path = senders[-1].study_path
            until(lambda path=path, count=count: len(demo.get(path)) >= count, 60, "forwarding")  # type: ignore[misc]
        town.cut(lost)
        # Frozen before the cut: no answer that a modality holds is younger than it.
        acknowledged = acknowledged.union(*(sender.finish() for sender in senders))
        town.start()
    assert acknowledged
    _await_all(town, acknowledged)
    found = Counter(demo.instances())
    twice = [uid for uid, times in found.items() if times > 1]
    print(  # noqa: T201  # the figures of the trial
        f"{cuts} power cuts: {len(acknowledged)} acknowledged, "
        f"{len(acknowledged & set(found))} of them at the county, {len(found)} there in all, "
        f"{len(twice)} twice"
    )
    assert not twice
    assert demo.get("/api/v1/studies?conflicts=true")["items"] == []
    _check_bytes(demo, sent, acknowledged)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_nothing_acknowledged_is_lost_in_ten_power_cuts(tmp_path: Path) -> None:
    with town(tmp_path) as made:
        _survive(made, cuts=10, seed=10)


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_the_control_without_flushes_loses_what_it_acknowledged(tmp_path: Path) -> None:
    library = unflushed.library(tmp_path)
    with town(tmp_path) as made:
        made.demo.environment["LD_PRELOAD"] = str(library)
        made.start()
        # What the start has written is to be there: only what is sent may be lost.
        for disk in made.disks.values():
            subprocess.run(["sync", "-f", str(disk.root)], check=True, timeout=60)
        sender = Modality(
            made.demo.door("county-hospital"), images(_IMAGES, series=1, run="control")
        )
        acknowledged = sender.send_all()
        made.cut([_COUNTY, _TOWNSHIP])
        del made.demo.environment["LD_PRELOAD"]
        assert len(acknowledged) == _IMAGES
        assert _lost(made, acknowledged)


def _lost(made: Town, acknowledged: frozenset[str]) -> frozenset[str]:
    """Return what is not there after the restart; all of it where the home cannot start."""
    try:
        made.start()
    except AssertionError:
        return acknowledged
    (last,) = images(1, series=2, run="control")
    assert Modality(made.demo.door("county-hospital"), [last]).send_all()
    # Filed in the order of the journal: what lies before the marker is there by now, or lost.
    until(lambda: last.sop_instance_uid in made.demo.instances(), 60, "the marker")
    return acknowledged - set(made.demo.instances())
