"""The two hops, modality to township and township to county, in one process and on real parts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.line.model import QUICK_LINE
from bench.line.proxy import Line, open_line
from bench.line.tus_watch import TusWatch
from gateway.dimse.access import PeerTable
from gateway.dimse.store_scp import JournalSink
from gateway.township.collector import ForwarderSettings
from gateway.township.county_client import CountyDoor
from kernel.clock import Clock, SystemClock
from kernel.dicom.codecs import InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.dicom.header import read_header
from kernel.identifiers import InstitutionCode
from tests.dimse.doors import OUR_TITLE, open_door
from tests.dimse.peers import associated
from tests.township.node import Node, door_to, node_in
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import CT

_HERE: Final = InstitutionCode("qingshan")
_PATIENCE_S: Final = 2.0
_WITHIN_S: Final = 60.0
_QUIET_LOOKS: Final = 30
_PROBES_BYTES: Final = 64 * 1024
"""Fewer bytes than a parcel, more than the questions of an idle node."""


@dataclass(frozen=True, slots=True)
class Image:
    """One object as a modality has it."""

    uid: str
    content: str
    """Digest of data set and pixels, as every node computes it."""
    dataset: bytes


def image_of(raw: bytes) -> Image:
    """Return the object in a Part 10 file."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    digest = content_digest(walked, decoder=InThread())
    uid = read_header(source, walked).sop_instance_uid
    return Image(uid, digest.whole, raw[meta.dataset_offset :])


@dataclass
class Hops:
    """A township between two lines."""

    county: County
    node: Node
    modality_line: Line
    county_line: Line
    watch: TusWatch

    def at_county(self) -> list[tuple[str, str]]:
        """Return UID and content, found anew from the bytes, of everything the county committed."""
        return at_county(self.county)

    async def until_quiet(self) -> None:
        """Return once nothing more is filed, sent or committed by itself."""
        quiet, seen = 0, None
        async with asyncio.timeout(_WITHIN_S):
            while quiet < _QUIET_LOOKS:
                states = await self.node.states()
                now = (states, self.county_line.up.sent_bytes // _PROBES_BYTES)
                quiet = quiet + 1 if now == seen else 0
                seen = now
                await asyncio.sleep(0.05)


def at_county(county: County) -> list[tuple[str, str]]:
    """Return UID and content, found anew from the bytes, of everything *county* committed."""
    found = [image_of(raw) for _, raw in county.committed()]
    return [(each.uid, each.content) for each in found]


@asynccontextmanager
async def hops(
    folder: Path, *, settings: ForwarderSettings | None = None, clock: Clock | None = None
) -> AsyncIterator[Hops]:
    """Open both hops in *folder*."""
    watch = TusWatch()
    async with (
        county_door(folder / "county") as county,
        open_line(county.port, QUICK_LINE, watch=watch) as county_line,
        node_in(folder / "township", _door(county_line), settings=settings, clock=clock) as node,
        open_door(
            JournalSink(node.journal, clock=clock or SystemClock()),
            peers=PeerTable(OUR_TITLE, [], loopback=_HERE),
        ) as door,
        open_line(door.addresses[0][1], QUICK_LINE) as modality_line,
    ):
        yield Hops(county, node, modality_line, county_line, watch)


def _door(line: Line) -> CountyDoor:
    return door_to(line.port, stall_s=1.0)


async def store_until_acknowledged(
    line: Line,
    images: Sequence[Image],
    *,
    trusting: bool = False,
) -> Mapping[str, str]:
    """Send *images* by C-STORE as often as it takes; return content by UID of the acknowledged.

    Args:
        line: leads to the door.
        images: what is sent.
        trusting: takes an object for acknowledged once its last byte is sent. The control.
    """
    acknowledged: dict[str, str] = {}
    while left := [each for each in images if each.uid not in acknowledged]:
        try:
            async with asyncio.timeout(_PATIENCE_S) as silent:
                async with associated(("127.0.0.1", line.port), CT) as scu:
                    for each in left:
                        silent.reschedule(asyncio.get_running_loop().time() + _PATIENCE_S)
                        if trusting:
                            acknowledged[each.uid] = each.content
                        answer = await scu.store(
                            each.dataset, sop_class=CT, instance=each.uid, fragment_bytes=16_000
                        )
                        if answer.status == 0:
                            acknowledged[each.uid] = each.content
        except (OSError, TimeoutError, AssertionError):
            # What a line does to an association, and what the peer of the tests says of it.
            continue
    return acknowledged
