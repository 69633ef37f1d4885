"""After a crash: everything acknowledged is there, whole; nothing else is there by half."""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.journal.frames import BLOCK, SEGMENT_FRAME_BYTES
from kernel.journal.segment import SegmentFile, segment_numbers, segment_path
from kernel.journal.writer import (
    JournalCorrupt,
    JournalReader,
    JournalWriter,
    Position,
)
from tests.kernel.programs.journal_writer import digests

ROOT = Path(__file__).parents[2]
START = Position(0, 0)


def open_small(directory: Path) -> JournalWriter:
    return JournalWriter.open(directory, segment_bytes=16 * 1024, reserve_bytes=0)


async def put(writer: JournalWriter, *datas: bytes) -> Position:
    entries = []
    for data in datas:
        draft = writer.begin()
        await draft.write(data)
        entries.append((draft, b"meta"))
    return await writer.commit(entries)


def found_in(directory: Path) -> list[tuple[Position, list[bytes]]]:
    reader = JournalReader.open(directory, after=START)
    found = [
        (one.position, [b"".join(stored.chunks()) for stored in one.entries])
        for one in reader.poll(1000)
    ]
    reader.close()
    return found


async def small_journal(directory: Path) -> list[tuple[Position, list[bytes]]]:
    """Write one segment as one process would that is killed before it closes anything."""
    writer = open_small(directory)
    written = []
    for n, sizes in enumerate([(10,), (300, 5), (1,), (700,)]):
        datas = [bytes([65 + n]) * size for size in sizes]
        written.append((await put(writer, *datas), datas))
    killed = directory.with_name("killed")
    shutil.copytree(directory, killed)
    await writer.close()
    shutil.rmtree(directory)
    shutil.move(killed, directory)
    return written


def frame_bytes(written: list[tuple[Position, list[bytes]]]) -> Iterator[int]:
    """Return every place of the segment that holds something, its header left out."""
    begin = SEGMENT_FRAME_BYTES
    for position, _ in written:
        yield from range(begin, position.offset)
        begin = -(-position.offset // BLOCK) * BLOCK


def tail_offsets(written: list[tuple[Position, list[bytes]]]) -> Iterator[int]:
    """Return the places in the last batch, which nobody was told about yet."""
    before = written[-2][0].offset
    return (at for at in frame_bytes(written) if at >= before)


async def test_a_tail_cut_anywhere_leaves_all_that_was_before_it(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    written = await small_journal(directory)
    (number,) = segment_numbers(directory)
    raw = segment_path(directory, number).read_bytes()
    for cut in frame_bytes(written):
        whole = raw[:cut].ljust(len(raw), b"\0")
        segment_path(directory, number).write_bytes(whole)
        expected = [one for one in written if one[0].offset <= cut]
        assert found_in(directory) == expected, cut


async def test_a_tail_torn_at_any_byte_takes_only_what_nobody_was_told_of(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    written = await small_journal(directory)
    (number,) = segment_numbers(directory)
    raw = segment_path(directory, number).read_bytes()
    for at in tail_offsets(written):
        torn = bytearray(raw)
        torn[at] ^= 0x5A
        segment_path(directory, number).write_bytes(torn)
        assert found_in(directory) == written[:-1], at
        segment = SegmentFile.open(directory, number)
        assert segment is not None
        with segment:
            assert segment.valid_end() == written[-2][0].offset


async def test_a_new_writer_goes_on_behind_a_torn_tail(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    written = await small_journal(directory)
    (number,) = segment_numbers(directory)
    raw = segment_path(directory, number).read_bytes()
    for at in random.Random(1).sample(list(tail_offsets(written)), 25):
        for name in os.listdir(directory):
            (directory / name).unlink()
        torn = bytearray(raw)
        torn[at] ^= 0x5A
        segment_path(directory, number).write_bytes(torn)
        early = JournalReader.open(directory, after=START)
        assert len(early.poll()) == 3
        writer = open_small(directory)
        position = await put(writer, b"after the crash")
        # A reader from before the crash, and one that begins now.
        assert [one.position for one in early.poll()] == [position]
        early.close()
        assert found_in(directory) == [*written[:-1], (position, [b"after the crash"])]
        await writer.close()


async def test_rot_in_what_was_acknowledged_is_told_and_hides_nothing_else(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    written = await small_journal(directory)
    writer = open_small(directory)
    written.append((await put(writer, b"next run"), [b"next run"]))
    await writer.close()
    number = written[0][0].segment
    raw = segment_path(directory, number).read_bytes()
    expected = dict(written)
    for at in frame_bytes(written[:3]):
        rotten = bytearray(raw)
        rotten[at] ^= 0x5A
        segment_path(directory, number).write_bytes(rotten)
        reader = JournalReader.open(directory, after=START)
        missing = dict(expected)
        broken = 0
        for committed in reader.poll():
            datas = missing.pop(committed.position)
            for stored, data in zip(committed.entries, datas, strict=True):
                try:
                    assert b"".join(stored.chunks()) == data
                except JournalCorrupt:
                    broken += 1
        # One batch is told as damage, or one object cannot be read.
        assert len(missing) + broken == 1, at
        assert len(missing) <= len(reader.damage), at
        reader.close()


@pytest.mark.parametrize("rotten", [0, 1, -1], ids=["first", "in-the-middle", "last"])
@pytest.mark.parametrize("running", [True, False], ids=["while-it-runs", "at-the-start"])
async def test_a_segment_whose_header_is_rotten_is_told_and_hides_no_other(
    tmp_path: Path, rotten: int, running: bool
) -> None:
    writer = open_small(tmp_path)
    written = [await put(writer, bytes(9000)) for _ in range(6)]
    if not running:
        await writer.close()
    numbers = segment_numbers(tmp_path)
    assert len(numbers) > 2
    number = numbers[rotten]
    raw = bytearray(segment_path(tmp_path, number).read_bytes())
    raw[40] ^= 0x5A
    segment_path(tmp_path, number).write_bytes(raw)
    if not running:
        writer = open_small(tmp_path)
    written += [await put(writer, bytes(9000)) for _ in range(3)]
    reader = JournalReader.open(tmp_path, after=START)
    seen = [batch.position for batch in reader.poll()]
    # A chunk may lie before the segment of its commit: the commit goes with its own.
    assert seen == [position for position in written if position.segment != number]
    assert [damage.at.segment for damage in reader.damage] == [number]
    reader.release(seen[-1])
    assert number in segment_numbers(tmp_path)
    reader.close()
    await writer.close()


async def acked_by_child(directory: Path, kill_after: int) -> dict[str, str]:
    """Run a writer until it has acknowledged *kill_after* batches, and kill it in mid-write."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kernel.programs.journal_writer", str(directory)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdout is not None
    acked: dict[str, str] = {}
    async with asyncio.timeout(25):
        while line := await child.stdout.readline():
            name, digest = json.loads(line)
            acked[name] = digest
            if len(acked) == kill_after:
                child.send_signal(signal.SIGKILL)
    assert await child.wait() == -signal.SIGKILL
    return acked


@pytest.mark.parametrize("seed", range(4))
async def test_what_a_killed_writer_acknowledged_is_found_exactly_once(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    acked: dict[str, str] = {}
    for _ in range(3):
        acked |= await acked_by_child(tmp_path, chance.randint(1, 120))
    found = digests(tmp_path)
    assert len(found) == len(set(found))
    assert acked.items() <= dict(found).items()
