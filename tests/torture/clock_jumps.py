"""R12: clocks that are wrong, or jump by hours, days or decades, forwards and back.

The table's other halves (leases, sign-in, the order of the audit trail) are tried where they live.
"""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Final

import pytest

from gateway.township.keeping import Keeper, KeepSettings
from kernel.clock import SystemClock
from tests.torture.as_seen import as_seen
from tests.torture.figures import Control, Figures, Size, compared
from tests.torture.hops import image_of
from tests.township.node import door_to, node_in
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import ct_slice

_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)
JUMPS: Final = (_HOUR, -_HOUR, _DAY, -_DAY, 7305 * _DAY, -7305 * _DAY)
_ROUNDS: Final = {Size.SHORT: 2, Size.LONG: 50}


class JumpingClock:
    """The machine's clock, moved by ``off``; its monotonic seconds never jump."""

    def __init__(self) -> None:
        self.off = dt.timedelta(0)
        self._true = SystemClock()

    def now(self) -> dt.datetime:
        """Return what the clock on the wall says."""
        return self._true.now() + self.off

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards."""
        return self._true.monotonic_s()


async def jumps(folder: Path, size: Size) -> Figures:
    """Move a node's clock while it sends, there and back, and let its keeper sweep each time."""
    clock = JumpingClock()
    told: dict[str, str] = {}
    runs, purged = 0, 0
    async with (
        county_door(folder / "county") as county,
        node_in(folder / "township", door_to(county.port), clock=clock) as node,
    ):
        settings = KeepSettings(free_target_bytes=0)
        keeper = Keeper(node.database, node.objects, folder, settings, clock=clock)
        for _ in range(_ROUNDS[size]):
            for jump in JUMPS:
                runs += 1
                raws = [ct_slice(1, study=1000 + 2 * runs + n, side=32) for n in range(2)]
                told |= {each.uid: each.content for each in map(image_of, raws)}
                await node.store(raws[:1])
                clock.off = jump
                await node.store(raws[1:])
                purged += await keeper.sweep()
                await node.until(at_county=2 * runs)
                purged += await keeper.sweep()
                clock.off = dt.timedelta(0)
                purged += await keeper.sweep()
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    broken = (f"{purged} files were deleted for their age",) if purged else ()
    said = ("jumps of 1 h, 1 day and 20 years, forwards and back, in the middle of sending",)
    return dataclasses.replace(compared(told, seen.instances, runs=runs), notes=said, broken=broken)


async def controls(folder: Path) -> list[Control]:
    """Return the trial with a keeper that does not notice the clock."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Keeper, "_has_jumped", lambda _: False)
        found = await jumps(folder, Size.SHORT)
    return [Control("the keeper believes any clock", found)]
