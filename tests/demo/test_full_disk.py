"""A full disk: images are refused for now, everything else goes on, and it mends itself."""

import errno
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.dimse.outgoing import Peer
from gateway.dimse.scu import echo
from kernel.identifiers import AETitle
from tests.demo.acknowledged import Modality, images
from tests.demo.running import RunningDemo, free_offset, until

_OUT_OF_RESOURCES = 0xA700
_MIB = 1 << 20
_DISK_BYTES = 640 * _MIB
_RESERVE_BYTES = 64 * _MIB
# Seen by the demo alone, and needs no root.
_MOUNT_AND_RUN = 'mount -t tmpfs -o size="$1",mode=700 tmpfs "$2" && shift 2 && exec "$@"'


def _cannot() -> str:
    unshare = shutil.which("unshare")
    if unshare is None:
        return "unshare is not installed"
    tried = subprocess.run([unshare, "-rm", "true"], capture_output=True, timeout=20, check=False)
    return "" if tried.returncode == 0 else "no mount namespace of one's own on this machine"


pytestmark = [pytest.mark.skipif(bool(_cannot()), reason=_cannot()), pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Cramped:
    """A demo in which one node has a small disk."""

    demo: RunningDemo
    node: str
    place: str

    @property
    def disk(self) -> "Disk":
        assert self.demo.process is not None
        return Disk(Path(f"/proc/{self.demo.process.pid}/root{self.demo.home}") / self.node)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("county", "county-hospital"), id="county"),
        pytest.param(("qingshan", "qingshan"), id="township"),
    ],
)
def cramped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cramped]:
    node, place = request.param
    home = tmp_path_factory.mktemp(node) / "home"
    (home / node).mkdir(parents=True)
    mount = ("sh", "-c", _MOUNT_AND_RUN, "sh", str(_DISK_BYTES), str(home / node))
    demo = RunningDemo(home, free_offset(), launcher=("unshare", "-rm", *mount))
    demo.environment["YILIAN_JOURNAL_RESERVE_BYTES"] = str(_RESERVE_BYTES)
    demo.environment["YILIAN_LOG_FILE"] = str(home.with_name("nodes.log"))
    try:
        demo.start()
        yield Cramped(demo, node, place)
    finally:
        if demo.process is not None:
            demo.kill()


@dataclass
class Disk:
    """The disk of a node, from outside its mount namespace."""

    root: Path

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave: int) -> None:
        """Let somebody else's file take all but *leave* bytes."""
        with (self.root / "ballast").open("ab") as ballast:
            while (more := self.free_bytes - leave) > 0:
                end = ballast.seek(0, os.SEEK_END)
                try:
                    os.posix_fallocate(ballast.fileno(), end, min(more, _MIB))
                except OSError as exc:
                    if exc.errno == errno.ENOSPC:
                        return
                    raise

    def free(self) -> None:
        (self.root / "ballast").unlink()


class Sending:
    """Sends to one place again and again, and remembers what was acknowledged in all."""

    def __init__(self, demo: RunningDemo, place: str, run: str) -> None:
        self.acknowledged: set[str] = set()
        self._demo = demo
        self._place = place
        self._run = run
        self._times = 0

    def some(self, count: int = 8, *, size: int = 64) -> Modality:
        """Send *count* new images; each is acknowledged or refused for now."""
        self._times += 1
        made = images(count, series=self._times, run=f"{self._place} {self._run}", size=size)
        sender = Modality(self._demo.door(self._place), made)
        self.acknowledged.update(sender.send_all())
        assert len(sender.acknowledged) + len(sender.refused) == count
        assert set(sender.refused.values()) <= {_OUT_OF_RESOURCES}
        return sender

    def all_there(self) -> bool:
        return self.acknowledged <= set(self._demo.instances())


def _reading_goes_on(demo: RunningDemo, place: str) -> None:
    door = demo.door(place)
    here = AETitle(door["ae_title"])
    echo(Peer(door["host"], door["port"], here, AETitle("CT-TEST"), timeout_s=20))
    if place == "county-hospital":
        assert isinstance(demo.get("/dicom-web/studies?limit=1"), list)
    else:
        assert demo.get("/api/v1/queue", at=place, role="technician")["summary"]


def _sign_in(demo: RunningDemo, place: str) -> int:
    """Return the status of signing in at *place*."""
    role = "radiologist" if place == "county-hospital" else "technician"
    person = demo.account(role)
    words = {name: person[name] for name in ("username", "password")}
    request = urllib.request.Request(
        demo.http(place) + "/api/v1/session",
        data=json.dumps(words).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_a_disk_somebody_else_fills_refuses_images_until_there_is_room(cramped: Cramped) -> None:
    demo, node, place, disk = cramped.demo, cramped.node, cramped.place, cramped.disk
    pids = demo.pids(str(demo.home / node))
    sending = Sending(demo, place, "somebody else")
    assert not sending.some().refused

    def refused(leave: int) -> bool:
        # Again and again: the node gives back what it no longer needs.
        disk.fill(leave=leave)
        return not sending.some().acknowledged

    # The door looks at its disk about once a second.
    until(lambda: refused(_RESERVE_BYTES - _MIB), 20, "images to be refused")
    _reading_goes_on(demo, place)
    assert _sign_in(demo, place) == 200

    until(lambda: refused(0), 20, "images to be refused")
    _reading_goes_on(demo, place)
    disk.fill(leave=0)
    # No trace of it could be kept, so nobody new is let in.
    assert _sign_in(demo, place) == 507

    disk.free()
    until(lambda: not sending.some().refused, 10, "images to be taken again")
    assert _sign_in(demo, place) == 200
    until(sending.all_there, 60, "all acknowledged at the county")
    assert demo.pids(str(demo.home / node)) == pids


def test_images_alone_never_take_the_room_that_the_rest_needs(cramped: Cramped) -> None:
    demo, place, disk = cramped.demo, cramped.place, cramped.disk
    sending = Sending(demo, place, "images alone")
    disk.fill(leave=_RESERVE_BYTES + 48 * _MIB)
    until(lambda: not sending.some(40, size=512).acknowledged, 90, "the disk to be full")
    _reading_goes_on(demo, place)
    assert _sign_in(demo, place) == 200
    disk.free()
    until(lambda: not sending.some().refused, 10, "images to be taken again")
    until(sending.all_there, 90, "all acknowledged at the county")
