"""R11: a node whose disk somebody else fills. What it refuses it has not acknowledged.

On a tmpfs in a mount namespace of its own, which needs no root. The status 0xA700, signing in and
reading on a full disk are tried on the whole program in tests/demo/test_full_disk.py.
"""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.torture.as_seen import as_seen
from tests.torture.figures import Control, Figures, Size, compared
from tests.torture.hops import image_of
from tests.torture.processes import heard, started, the_victims_key
from tests.torture.victim import large_image
from tests.uploads.county_door import county_door

_DISK: Final = "64m"
_MOUNT_AND_RUN: Final = 'mount -t tmpfs -o size="$1",mode=700 tmpfs "$2" && shift 2 && exec "$@"'
_IMAGES: Final = {Size.SHORT: 60, Size.LONG: 120}
_RUNS: Final = {Size.SHORT: 1, Size.LONG: 20}
_WITHIN_S: Final = 90.0
_RESUMED_WITHIN_MS: Final = 5_000


def missing() -> str:
    """Return why no small disk can be made here, or an empty text."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "unshare is not installed"
    tried = subprocess.run([unshare, "-rm", "true"], capture_output=True, timeout=20, check=False)
    return "" if tried.returncode == 0 else "no mount namespace of one's own on this machine"


async def township(folder: Path, size: Size) -> Figures:
    """Fill the disk of a node that takes images in, and free it again."""
    found = Figures(0, 0, 0, 0)
    notes: tuple[str, ...] = ()
    for run in range(_RUNS[size]):
        one = await _one(folder / f"{run}", _IMAGES[size])
        found = Figures(
            found.runs + 1,
            found.acknowledged + one.acknowledged,
            found.lost + one.lost,
            found.duplicated + one.duplicated,
            broken=found.broken + one.broken,
        )
        notes = one.notes
    return replace(found, notes=notes)


async def _one(folder: Path, count: int, *how: str) -> Figures:
    home = folder / "township"
    await asyncio.to_thread(home.mkdir, parents=True)
    with the_victims_key():
        async with county_door(folder / "county") as county:
            mount = ("unshare", "-rm", "sh", "-c", _MOUNT_AND_RUN, "sh", _DISK, str(home))
            victim = (sys.executable, "-m", "tests.torture.victim", "cramped", str(home))
            async with started([*mount, *victim, str(county.port), str(count), *how]) as process:
                said = await heard(process, within_s=_WITHIN_S)
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    told = {
        each.uid: each.content
        for each in (image_of(large_image(number)) for number in said.get("acked", ()))
    }
    refused, resumed = len(said.get("refused", ())), max(said.get("resumed", [-1]))
    broken = []
    if not refused:
        broken.append("nothing was refused")
    if "delivered" not in said:
        broken.append("not everything was delivered")
    if not how and not 0 <= resumed <= _RESUMED_WITHIN_MS:
        broken.append(f"took images again after {resumed} ms")
    return replace(
        compared(told, seen.instances, runs=1),
        notes=(f"refused {refused} times, again taken {resumed} ms after there was room",),
        broken=tuple(broken),
    )


async def controls(folder: Path) -> Sequence[Control]:
    """Return the trial with a node that acknowledges before it writes."""
    found = await _one(folder, _IMAGES[Size.SHORT], "ack-first")
    return [Control("the node answers before it has written", found)]
