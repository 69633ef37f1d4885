"""Whatever befalls the filer, it files again: over one object, in one journal, at its start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import sqlalchemy as sa

from imaging.archive.blame import TRIES_BESIDE
from imaging.archive.examine import Examiner
from imaging.archive.ingest import Filer
from imaging.archive.series_metadata import MetadataKeeper
from imaging.archive.tables import instance, series, set_aside
from kernel.arrival import Arrival, encode_arrival
from kernel.journal.writer import JournalWriter
from kernel.process.owner import Owner
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.sample import ROOT, arrival, ct
from tests.imaging.test_filing_refused import HOLDS, NONE_AT_ALL, run, try_until_filed

ODD = "odd"
UID = f"{ROOT}.1.1.2"


class Unexpected:
    """Gives no character set, but fails over what comes from the address "odd"."""

    def __init__(self, error: Exception, *, times: int = 1_000_000) -> None:
        self.left = times
        self._error = error

    def __call__(self, told: Arrival) -> str:
        if told.sender.address == ODD and self.left > 0:
            self.left -= 1
            raise self._error
        return ""


def odd() -> Arrival:
    told = arrival(sop_instance_uid=UID)
    return msgspec.structs.replace(told, sender=msgspec.structs.replace(told.sender, address=ODD))


async def count(desk: Desk) -> tuple[int, int]:
    """Return how many objects are filed and how many are set aside."""
    filed = await desk.rows(sa.select(instance.c.id))
    return len(filed), len(await desk.rows(sa.select(set_aside.c.id)))


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[None]:
    async with Owner() as owner:
        owner.keep("filer", desk.filer.run)
        yield


@pytest.mark.parametrize("error", [MemoryError(), AttributeError("no"), AssertionError()])
async def test_an_error_nobody_expects_costs_a_try_and_no_object(
    desk: Desk, error: Exception
) -> None:
    desk.restart_filer(hints=Unexpected(error, times=1))
    await desk.receive(ct(1))
    await desk.receive(ct(2), told=odd())
    assert await try_until_filed(desk, NONE_AT_ALL) == 2
    assert await count(desk) == (2, 0)
    assert len(desk.object_files()) == 2


async def test_an_object_that_is_never_examined_is_set_aside_and_the_others_are_filed(
    desk: Desk,
) -> None:
    desk.restart_filer(hints=Unexpected(MemoryError()))
    await desk.receive(ct(1))
    await desk.receive(ct(2), told=odd())
    await desk.receive(ct(3))
    assert await try_until_filed(desk, NONE_AT_ALL) == TRIES_BESIDE + 1
    assert await count(desk) == (2, 1)
    (aside,) = await desk.rows(sa.select(set_aside))
    assert (aside["reason"], aside["detail"]) == ("not-examined", "MemoryError")
    assert aside["sop_instance_uid"] == UID
    with desk.objects.open(aside["object_key"]) as reader:
        assert reader.read(0, reader.size) == ct(2)


async def test_what_no_object_can_be_examined_for_sets_nothing_aside(desk: Desk) -> None:
    hints = Unexpected(MemoryError())
    desk.restart_filer(hints=hints)
    for number in (1, 2, 3):
        await desk.receive(ct(number), told=odd())
    assert await try_until_filed(desk, NONE_AT_ALL) == NONE_AT_ALL
    hints.left = 0
    assert await try_until_filed(desk, 1) == 1
    assert await count(desk) == (3, 0)
    assert len(desk.object_files()) == 3


async def test_a_filer_that_is_run_again_files(desk: Desk) -> None:
    await run(desk, "ALTER TABLE journal_cursor RENAME TO gone")
    with pytest.raises(sa.exc.DBAPIError):
        await desk.filer.run()
    await run(desk, "ALTER TABLE gone RENAME TO journal_cursor")
    position = await desk.receive(ct(1))
    async with running(desk):
        assert await desk.filer.progress.filed(desk.journal, position, 20.0)
    assert await count(desk) == (1, 0)
    # ... and once more, after it was told to stop.
    position = await desk.receive(ct(2))
    async with running(desk):
        assert await desk.filer.progress.filed(desk.journal, position, 20.0)
    assert await count(desk) == (2, 0)


async def test_a_journal_in_trouble_of_any_kind_stops_no_other(desk: Desk) -> None:
    other = JournalWriter.open(desk.folder / "other", segment_bytes=1 << 20, reserve_bytes=0)
    desk.filer.close()
    desk.filer = Filer(
        desk.database,
        desk.objects,
        Examiner(decoder=HereDecoder(), charset_hint=Unexpected(AttributeError("no"))),
        journals={"dicom": desk.folder / "journal", "other": desk.folder / "other"},
        clock=desk.clock,
    )
    await desk.receive(ct(1), told=odd())
    draft = other.begin()
    await draft.write(ct(2))
    await other.commit([(draft, encode_arrival(arrival()))])
    await desk.filer.file_waiting()
    await other.close()
    assert await count(desk) == (1, 0)


async def test_metadata_that_cannot_be_made_ends_no_filing(desk: Desk) -> None:
    await desk.file(ct(1))
    (grown,) = await desk.rows(sa.select(series.c.id))
    keeper = MetadataKeeper(desk.database, desk.clock)
    keeper.grown([grown["id"]])
    desk.clock.advance(HOLDS)
    await run(desk, "ALTER TABLE series_metadata RENAME TO gone")
    assert await keeper.make_quiet() == 0
