"""Damage of stored objects is found, written down once, and gone when it is mended."""

import datetime as dt
import errno
import os
import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from imaging.archive import object_truth
from imaging.archive.amendment_tables import rejected_contents
from imaging.archive.damaged import DamagedObject, damaged, health
from imaging.archive.integrity_tables import object_checks, object_damages
from imaging.archive.object_truth import Damage
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.scrubbing import Scrubber, SteadyPace
from imaging.archive.tables import instance, instance_conflict, set_aside
from kernel.audit.trail import audit_entries
from kernel.clock import FrozenClock
from kernel.dicom.frames import Frame, FrameLayout
from kernel.errors import PlatformError, Unavailable
from tests.imaging.compressed import compressed
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.sample import AT, ct
from tests.integrity.damage import flip, key_of

MONTH, DAY, SECOND = dt.timedelta(days=30), dt.timedelta(days=1), dt.timedelta(seconds=1)


class CountingStore(FileObjectStore):
    """Notes what is read, in order."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[str] = []

    def open(self, key: str):  # type: ignore[no-untyped-def]
        self.opened.append(key)
        return super().open(key)


def scrubber(desk: Desk, store: FileObjectStore | None = None, **more) -> Scrubber:  # type: ignore[no-untyped-def]
    return Scrubber(
        desk.database, store or desk.objects, HereDecoder(), desk.clock, chain="scrub", **more
    )


async def open_damages(desk: Desk) -> list[DamagedObject]:
    return list(await desk.database.read(damaged))


async def test_whole_objects_are_read_and_nothing_is_said_of_them(desk: Desk) -> None:
    await desk.file(ct(1), ct(2), ct(1, pixels=3), b"no DICOM at all")
    await compressed(desk, ct(7))
    looked = await scrubber(desk).look_at_all()
    assert (looked.objects, list(looked.damaged)) == (5, [])
    assert await open_damages(desk) == []
    checks = await desk.rows(sa.select(object_checks.c.sha256))
    assert all(len(row["sha256"]) == 64 for row in checks)


@pytest.mark.parametrize("read_before", [False, True], ids=["first look", "later look"])
async def test_a_flipped_bit_anywhere_in_the_content_is_found_once_and_noted(
    desk: Desk, read_before: bool
) -> None:
    await desk.file(ct(1), ct(2), ct(1, pixels=3), b"no DICOM at all")
    if read_before:
        await scrubber(desk).look_at_all()
    files = desk.object_files()
    for path in files:
        flip(path, path.stat().st_size - 3)
    desk.clock.advance(dt.timedelta(hours=1))
    looked = await scrubber(desk).look_at_all()
    assert {each.key for each in looked.damaged} == {key_of(path) for path in files}
    assert {each.damage for each in looked.damaged} == {Damage.DIFFERS}
    await scrubber(desk).look_at_all()
    found = await open_damages(desk)
    assert len(found) == len(files)
    entries = await desk.rows(
        sa.select(audit_entries.c.subject).where(audit_entries.c.chain == "scrub")
    )
    assert {row["subject"] for row in entries} == {f"object:{key_of(path)}" for path in files}
    assert len(entries) == len(files)


async def test_after_the_first_look_a_bit_of_the_head_counts_as_well(desk: Desk) -> None:
    await desk.file(ct(1))
    await scrubber(desk).look_at_all()
    flip(desk.object_files()[0], 5)
    desk.clock.advance(dt.timedelta(hours=1))
    assert [each.damage for each in (await scrubber(desk).look_at_all()).damaged] == [
        Damage.DIFFERS
    ]


async def test_of_a_hundred_flipped_bits_a_hundred_are_found(desk: Desk) -> None:
    await desk.file(*(ct(number) for number in range(1, 101)))
    await scrubber(desk).look_at_all()
    desk.clock.advance(DAY)
    chance = random.Random(20)
    for path in desk.object_files():
        flip(path, chance.randrange(path.stat().st_size))
    looked = await scrubber(desk).look_at_all()
    assert {each.key for each in looked.damaged} == {key_of(path) for path in desk.object_files()}
    assert len(looked.damaged) == 100


async def test_a_lost_and_an_unreadable_object_are_told_apart(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.file(ct(1), ct(2))
    lost, broken = desk.object_files()
    lost.unlink()
    whole = os.pread

    def read(descriptor: int, count: int, at: int) -> bytes:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")) == broken:
            raise OSError(errno.EIO, "a bad sector")
        return whole(descriptor, count, at)

    monkeypatch.setattr(os, "pread", read)
    await scrubber(desk).look_at_all()
    told = {each.object_key: each for each in await open_damages(desk)}
    assert told[key_of(lost)].kind is Damage.MISSING
    assert told[key_of(broken)].kind is Damage.UNREADABLE
    assert told[key_of(lost)].institution == "qingshan"
    assert told[key_of(lost)].study_instance_uid
    counts = await desk.database.read(health)
    assert counts.damaged == {Damage.MISSING: 1, Damage.UNREADABLE: 1, Damage.DIFFERS: 0}


async def test_an_object_that_is_back_is_damaged_no_more(desk: Desk) -> None:
    await desk.file(ct(1))
    (path,) = desk.object_files()
    raw = path.read_bytes()
    path.unlink()
    await scrubber(desk).look_at_all()
    path.write_bytes(raw)
    desk.clock.advance(dt.timedelta(hours=1))
    assert not (await scrubber(desk).look_at_all()).damaged
    (row,) = await desk.rows(sa.select(object_damages.c.mended_by, object_damages.c.mended_at))
    assert row["mended_by"] == "found-whole"


async def test_a_disk_that_is_not_mounted_damages_nothing(desk: Desk) -> None:
    await desk.file(ct(1))
    root = desk.folder / "objects"
    root.rename(desk.folder / "elsewhere")
    with pytest.raises(Unavailable) as refused:
        await scrubber(desk).look_at_all()
    assert refused.value.code == "object-store-away"
    assert await open_damages(desk) == []
    (desk.folder / "elsewhere").rename(root)


async def test_an_object_no_row_names_any_more_is_missed_by_nobody(desk: Desk) -> None:
    await desk.file(ct(1))
    await scrubber(desk).look_at_all()
    await desk.database.write(lambda conn: conn.execute(sa.delete(instance)).rowcount)
    desk.object_files()[0].unlink()
    desk.clock.advance(dt.timedelta(hours=1))
    assert not (await scrubber(desk).look_at_all()).damaged
    assert await desk.rows(sa.select(object_checks.c.object_key)) == []


async def test_what_was_longest_not_known_whole_comes_first_and_what_is_fresh_is_let_be(
    desk: Desk,
) -> None:
    await desk.file(ct(1))
    store = CountingStore(desk.folder / "objects")
    busy = scrubber(desk, store)
    assert (await busy.look()).objects == 0
    desk.clock.advance(DAY + SECOND)
    assert (await busy.look()).objects == 1
    (first,) = set(store.opened)
    store.opened.clear()
    # Those never read go before it, though it is not due for long.
    desk.clock.advance(MONTH + SECOND)
    await desk.file(ct(2), ct(3))
    assert (await busy.look()).objects == 3
    assert store.opened[-1] == first
    desk.clock.advance(MONTH - DAY)
    assert (await busy.look()).objects == 0


async def test_a_damaged_object_is_looked_at_again_the_next_day_and_not_before(
    desk: Desk,
) -> None:
    await desk.file(ct(1), ct(2))
    await scrubber(desk).look_at_all()
    await desk.file(ct(3))
    for path in desk.object_files():
        path.unlink()
    desk.clock.advance(MONTH + SECOND)
    busy = scrubber(desk)
    assert (await busy.look()).objects == 3
    assert (await busy.look()).objects == 0
    desk.clock.advance(DAY + SECOND)
    assert (await busy.look()).objects == 3


async def test_cut_off_it_goes_on_where_it_was(desk: Desk) -> None:
    await desk.file(*(ct(number) for number in range(1, 6)))
    desk.clock.advance(MONTH * 2)

    class Cut(CountingStore):
        def open(self, key: str):  # type: ignore[no-untyped-def]
            if len(set(self.opened)) == 3:
                raise RuntimeError("the end of the process")
            return super().open(key)

    cut = Cut(desk.folder / "objects")
    monkey = pytest.MonkeyPatch()
    monkey.setattr("imaging.archive.scrubbing._BATCH", 2)
    try:
        first = scrubber(desk, cut)
        assert (await first.look()).objects == 2
        with pytest.raises(RuntimeError):
            await first.look()
        store = CountingStore(desk.folder / "objects")
        again = scrubber(desk, store)
        while (await again.look()).objects:
            pass
    finally:
        monkey.undo()
    assert len(set(store.opened)) == 3
    assert not set(store.opened) & set(cut.opened[:2])


async def test_every_kind_of_content_that_is_kept_is_looked_at(desk: Desk) -> None:
    await desk.file(ct(1), ct(1, pixels=3), b"no DICOM at all")
    await scrubber(desk).look_at_all()
    kept: set[str] = set()
    for table in (instance, instance_conflict, rejected_contents, set_aside):
        kept |= {row["object_key"] for row in await desk.rows(sa.select(table.c.object_key))}
    known = await desk.rows(sa.select(object_checks.c.object_key))
    assert (
        {row["object_key"] for row in known}
        == kept
        == {key_of(path) for path in desk.object_files()}
    )


async def test_the_control_that_compares_nothing_finds_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.file(ct(1))
    flip(desk.object_files()[0], 700)
    monkeypatch.setattr(object_truth, "has_name", lambda *_, **__: True)
    assert not (await scrubber(desk).look_at_all()).damaged


async def test_a_decoder_that_is_busy_says_nothing_of_the_object(desk: Desk) -> None:
    await compressed(desk, ct(7))

    class Busy(HereDecoder):
        def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
            raise Unavailable("no decoder")

    with pytest.raises(PlatformError):
        await Scrubber(desk.database, desk.objects, Busy(), desk.clock, chain="scrub").look_at_all()
    assert await open_damages(desk) == []


async def test_the_pace_makes_each_byte_wait_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    monkeypatch.setattr("imaging.archive.scrubbing.asyncio.sleep", sleep)
    clock = FrozenClock(AT)
    pace = SteadyPace(1000, clock)
    await pace(500)
    await pace(500)
    clock.advance(dt.timedelta(seconds=10))
    await pace(1000)
    assert waits == [0.5, 1.0, 1.0]
