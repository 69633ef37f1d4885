"""Fill a county's index with studies the way its filer does, without doors and object files.

``python -m bench.studies HOME STUDIES RUN`` files that many studies of one instance, in batches of
one transaction each; the node must not run. The same RUN gives the same studies.
"""

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from bench.objects import CT, Made, Scanner
from imaging.archive.examine import Examiner
from imaging.archive.examined import Examined, Opaque
from imaging.archive.filing_batches import FilingBatch, file_batch
from kernel.arrival import Arrival, Door, Sender, encode_arrival
from kernel.clock import SystemClock
from kernel.dicom.decode_pool import DecodePool
from kernel.journal.writer import Position
from kernel.settings import NodeKind, Settings
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

JOURNAL: Final = "bench"
SIDE: Final = 4
"""Pixels are not what is looked for."""
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Kept:
    """An object as a journal would give it."""

    meta: bytes
    part10: bytes

    @property
    def size(self) -> int:
        return len(self.part10)

    def read(self, pos: int, n: int, /) -> bytes:
        return self.part10[pos : pos + n]

    def chunks(self) -> Iterator[bytes]:
        yield self.part10


async def fill(root: Path, *, studies: int, run: int, institution: str) -> None:
    """File *studies* of *institution* into the county at *root*."""
    home = Home.prepare(root, NodeKind.COUNTY)
    settings = Settings.load(NodeKind.COUNTY, file=home.settings_file)
    clock = SystemClock()
    made = Scanner(SIDE).series(studies, studies=studies, run=run)
    loop = asyncio.get_running_loop()
    with DecodePool() as decoder, ThreadPoolExecutor(1) as ahead:
        examiner = Examiner(decoder=decoder, charset_hint=lambda _arrival: "")
        async with opened_database(home, settings) as database:
            number = 0
            read = partial(_examined, examiner, made, institution, clock)
            waiting = loop.run_in_executor(ahead, read)
            while batch := await waiting:
                waiting = loop.run_in_executor(ahead, read)
                number += 1
                end = Position(1, number)
                entries = [(end, place, each) for place, each in enumerate(batch)]
                filing = FilingBatch(JOURNAL, end, entries)
                now = clock.now()
                await database.write(lambda conn, b=filing, at=now: file_batch(conn, b, at=at))  # type: ignore[misc]


def _examined(
    examiner: Examiner, made: Iterator[Made], institution: str, clock: SystemClock
) -> list[Examined | Opaque]:
    return [examiner.examine(_kept(each, institution, clock)).each for each in islice(made, _BATCH)]


def _kept(made: Made, institution: str, clock: SystemClock) -> _Kept:
    arrival = Arrival(
        door=Door.C_STORE,
        received_at=clock.now(),
        sender=Sender(institution=institution, ae_title="BENCH"),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sop_class_uid=CT,
        sop_instance_uid=made.sop_instance_uid,
        study_instance_uid=made.study_instance_uid,
        series_instance_uid=made.series_instance_uid,
        dataset_offset=made.dataset_offset,
        size_bytes=len(made.part10),
    )
    return _Kept(encode_arrival(arrival), made.part10)


if __name__ == "__main__":
    _, _home, _studies, _run, _institution = sys.argv
    asyncio.run(fill(Path(_home), studies=int(_studies), run=int(_run), institution=_institution))
