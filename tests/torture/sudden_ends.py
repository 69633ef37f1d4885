"""R02 and R03: a node that is killed, or loses its power, at any moment while it works.

Eight send to it at once: modalities by associations to a township, townships by parcels to a
county. Killed, the kernel keeps what was written; without power only what was flushed is there,
which is why the second needs a disk of its own and root.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from bench.line.model import QUICK_LINE
from bench.line.proxy import open_line
from tests.demo import unflushed
from tests.torture import processes
from tests.torture.as_seen import as_seen
from tests.torture.ext4_image import Ext4Image
from tests.torture.figures import Control, Figures, Size, compared
from tests.torture.hops import image_of
from tests.torture.nursery import freeze, kill, nursery
from tests.torture.processes import heard, port_of, the_victims_key
from tests.torture.senders import SENDERS, Senders, image_from
from tests.torture.victim import KEY
from tests.township.node import Node, door_to, node_in, settings_for
from tests.uploads.county_door import county_door

ASKED_KILLS: Final = 1_000
ASKED_CUTS: Final = 200
KILLS: Final = {Size.SHORT: 4, Size.LONG: ASKED_KILLS}
"""The command line may give the long form fewer, which the page then says."""
CUTS: Final = {Size.SHORT: 2, Size.LONG: ASKED_CUTS}
_OF_MODALITY: Final = 3
"""Images that one modality sends in one run."""
_OF_TOWNSHIP: Final = 2
_DELIVERED_S: Final = 60.0
_LOST_S: Final = 10.0
_DISK_BYTES: Final = 512 << 20
_PROBE_S: Final = 5.0
_NOWHERE: Final = 1
"""A port nobody listens on."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a node ends."""

    powerless: bool = False
    """Its disk keeps only what was flushed; else it is killed."""
    environment: Mapping[str, str] | None = None
    county_away: bool = False
    """Nothing can be forwarded until the last run."""
    without: tuple[str, ...] = ()
    """What a county does not do, as its victim is told; it then ends with everything receipted."""


class Side(Protocol):
    """One side of the hop, ended so often."""

    async def __call__(self, folder: Path, count: int, ending: Ending) -> Figures:
        """Return what was found."""
        ...


class Disk:
    """What a node stands on: a folder, or an image whose power can be cut."""

    def __init__(self, folder: Path, *, powerless: bool) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._image = Ext4Image(folder, size=_DISK_BYTES) if powerless else None

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Give the folder to live in."""
        if self._image is None:
            yield self._folder
            return
        with self._image.mounted() as root:
            yield root

    def cut(self) -> None:
        """Keep only what was flushed, where it is an image."""
        if self._image is not None:
            self._image.cut_power()


async def township(folder: Path, count: int, ending: Ending, *, seed: int = 2) -> Figures:
    """End a node *count* times while it takes images in and forwards them."""
    draw = random.Random(seed)
    disk = await asyncio.to_thread(Disk, folder / "disk", powerless=ending.powerless)
    senders = Senders()
    with the_victims_key():
        async with (
            county_door(folder / "county") as county,
            nursery(ending.environment) as victims,
        ):
            port = _NOWHERE if ending.county_away else county.port
            for _ in range(count):
                with disk.mounted() as home:
                    async with victims.started(processes.door(home / "node", port)) as process:
                        most = SENDERS * _OF_MODALITY
                        enough = senders.expect(
                            most if ending.county_away else draw.randrange(1, most)
                        )
                        async with asyncio.TaskGroup() as group:
                            taken_at = await port_of(process)
                            group.create_task(senders.send(taken_at, _OF_MODALITY))
                            await enough.wait()
                            for _ in range(draw.randrange(200)):
                                await asyncio.sleep(0.001)
                            # What it said until it was frozen, it said before the cut.
                            await freeze(process)
                            disk.cut()
                            kill(process)
            with disk.mounted() as home:
                last = processes.door(home / "node", county.port, senders.made)
                async with victims.started(last) as process:
                    await senders.send(await port_of(process), 0)
                    within_s = _DELIVERED_S + senders.made / 20
                    if ending.county_away:
                        within_s = _LOST_S
                    said = await heard(process, within_s=within_s)
    seen = await as_seen(folder / "county" / "journal", folder / "seen")
    broken = () if "delivered" in said else ("not everything was delivered in the end",)
    return replace(compared(senders.told, seen.instances, runs=count), broken=broken)


async def county(folder: Path, count: int, ending: Ending, *, seed: int = 3) -> Figures:
    """End a county *count* times while a node sends to it; what it receipted must be there."""
    draw = random.Random(seed)
    disk = await asyncio.to_thread(Disk, folder / "disk", powerless=ending.powerless)
    # Eight that look every moment whether the county is there would be most of the work.
    settings = settings_for(county_key=KEY.public_key(), probe_s=_PROBE_S)
    told: dict[str, str] = {}
    broken: tuple[str, ...] = ()
    async with AsyncExitStack() as held:
        victims = await held.enter_async_context(nursery(ending.environment))
        line = await held.enter_async_context(open_line(_NOWHERE, QUICK_LINE))
        nodes = [
            await held.enter_async_context(
                node_in(folder / f"township-{number}", door_to(line.port), settings=settings)
            )
            for number in range(SENDERS)
        ]
        for run in range(count):
            numbers = range(run * _OF_TOWNSHIP, (run + 1) * _OF_TOWNSHIP)
            with disk.mounted() as home:
                command = processes.county(home / "county", *ending.without)
                async with victims.started(command) as process:
                    line.target_port = await port_of(process)
                    for sender, node in enumerate(nodes):
                        raws = [image_from(sender, number) for number in numbers]
                        await node.store(raws)
                        told |= {each.uid: each.content for each in map(image_of, raws)}
                    most = SENDERS * _OF_TOWNSHIP
                    enough = most if ending.without else draw.randrange(1, most + 1)
                    await _receipted(nodes, run * most + enough)
                    await freeze(process)
                    disk.cut()
        with disk.mounted() as home:
            async with victims.started(processes.county(home / "county")) as process:
                line.target_port = await port_of(process)
                try:
                    for node in nodes:
                        await node.until(at_county=count * _OF_TOWNSHIP, timeout_s=_DELIVERED_S)
                except AssertionError as exc:
                    broken = (str(exc),)
            await held.aclose()
            seen = await as_seen(home / "county" / "journal", folder / "seen")
    return replace(compared(told, seen.instances, runs=count), broken=broken)


async def controls(folder: Path) -> Sequence[Control]:
    """Return both sides without what makes things durable there."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    lying = Ending(
        powerless=True,
        environment={"LD_PRELOAD": str(unflushed.library(folder))},
        county_away=True,
    )
    unflushed_commits = Ending(powerless=True, without=("no-flush",))
    return [
        Control("flushes do nothing", await township(folder / "township", 1, lying)),
        Control(
            "the county commits without a flush (R03)",
            await county(folder / "unflushed", 1, unflushed_commits),
        ),
        Control("the county signs before it commits (R02)", await early_signature(folder)),
    ]


async def early_signature(folder: Path) -> Figures:
    """Kill a county that signs for a parcel before it commits it."""
    return await county(folder / "signed", 1, Ending(without=("sign-first",)))


async def _receipted(nodes: Sequence[Node], count: int) -> None:
    """Return once *count* instances of all *nodes* are at the county, by its receipts."""
    async with asyncio.timeout(_DELIVERED_S):
        while await _at_county(nodes) < count:  # noqa: ASYNC110  # rows, no event
            await asyncio.sleep(0.02)


async def _at_county(nodes: Sequence[Node]) -> int:
    return sum([(await node.states()).get("at-county", 0) for node in nodes])
