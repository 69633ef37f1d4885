"""A disk that is full or refuses: nothing is acknowledged that is not safe, nothing is confused."""

import asyncio
import errno
import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from kernel.journal.writer import (
    Disk,
    Draft,
    JournalFailed,
    JournalFull,
    JournalReader,
    JournalWriter,
    Position,
)

START = Position(0, 0)
KIB = 1024
MIB = 1024 * KIB


class Faulty(Disk):
    """The machine's own disk, until told otherwise."""

    def __init__(self) -> None:
        self.refuse_flush = 0
        self.refuse_write = 0
        self.cut_writes_to: int | None = None
        self.free: int | None = None
        self.held = threading.Event()
        self.held.set()
        self.flushes = 0

    def pwritev(self, fd: int, buffers: Sequence[bytes | bytearray], offset: int) -> int:
        if self.cut_writes_to is not None:
            os.pwrite(fd, b"".join(buffers)[: self.cut_writes_to], offset)
        if self.refuse_write:
            raise OSError(self.refuse_write, "injected")
        if self.cut_writes_to is not None:
            return self.cut_writes_to
        return super().pwritev(fd, buffers, offset)

    def fdatasync(self, fd: int) -> None:
        assert self.held.wait(10)
        self.flushes += 1
        if self.refuse_flush:
            raise OSError(self.refuse_flush, "injected")
        super().fdatasync(fd)

    def allocate(self, fd: int, size: int) -> None:
        if self.free is not None and self.free < size:
            raise OSError(errno.ENOSPC, "injected")
        super().allocate(fd, size)

    def free_bytes(self, directory: Path) -> int:
        return super().free_bytes(directory) if self.free is None else self.free


@pytest.fixture
def disk() -> Faulty:
    return Faulty()


def open_on(
    directory: Path, disk: Disk, *, segment_bytes: int = 64 * KIB, reserve_bytes: int = 0
) -> JournalWriter:
    return JournalWriter.open(
        directory, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes, disk=disk
    )


async def draft_of(writer: JournalWriter, data: bytes) -> Draft:
    draft = writer.begin()
    await draft.write(data)
    return draft


async def put(writer: JournalWriter, data: bytes) -> Position:
    return await writer.commit([(await draft_of(writer, data), b"m")])


def found_in(directory: Path) -> list[bytes]:
    reader = JournalReader.open(directory, after=START)
    found = [b"".join(one.entries[0].chunks()) for one in reader.poll(1000)]
    assert reader.damage == []
    reader.close()
    return found


async def test_a_refused_flush_acknowledges_nobody_and_is_never_tried_again(
    tmp_path: Path, disk: Faulty
) -> None:
    writer = open_on(tmp_path, disk)
    await put(writer, b"before")
    open_draft = await draft_of(writer, b"open")
    disk.refuse_flush = errno.EIO
    flushes = disk.flushes
    outcomes = await asyncio.gather(
        *(put(writer, b"%d" % n) for n in range(8)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {JournalFailed}
    disk.refuse_flush = 0
    with pytest.raises(JournalFailed):
        await put(writer, b"after")
    with pytest.raises(JournalFailed):
        await open_draft.write(b"x")
    with pytest.raises(JournalFailed):
        await writer.commit([(open_draft, b"")])
    open_draft.discard()
    await writer.close()
    assert disk.flushes == flushes + 1
    again = open_on(tmp_path, disk)
    await put(again, b"reopened")
    await again.close()
    found = found_in(tmp_path)
    assert found[0] == b"before"
    assert found[-1] == b"reopened"


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS])
async def test_a_refused_write_acknowledges_nobody(tmp_path: Path, disk: Faulty, code: int) -> None:
    writer = open_on(tmp_path, disk)
    await put(writer, b"before")
    disk.refuse_write = code
    with pytest.raises(JournalFailed):
        await put(writer, b"refused")
    await writer.close()
    assert found_in(tmp_path) == [b"before"]


async def test_a_short_write_acknowledges_nobody(tmp_path: Path, disk: Faulty) -> None:
    writer = open_on(tmp_path, disk)
    await put(writer, b"before")
    disk.cut_writes_to = 40
    with pytest.raises(JournalFailed):
        await put(writer, b"cut short")
    await writer.close()
    assert found_in(tmp_path) == [b"before"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("written", [None, 0, 20, 36, 60, 20_000])
async def test_no_room_in_mid_write_refuses_and_comes_back_by_itself(
    tmp_path: Path, disk: Faulty, code: int, written: int | None
) -> None:
    writer = open_on(tmp_path, disk)
    live = JournalReader.open(tmp_path, after=START)
    await put(writer, b"before")
    assert len(live.poll()) == 1
    draft = await draft_of(writer, refused := os.urandom(20_000))
    disk.refuse_write, disk.cut_writes_to = code, written
    with pytest.raises(JournalFull):
        await writer.commit([(draft, b"m")])
    with pytest.raises(JournalFull):
        await put(writer, b"also refused")
    seen_early = len(live.poll())
    disk.refuse_write, disk.cut_writes_to = 0, None
    await writer.commit([(draft, b"m")])
    await put(writer, b"after")
    assert len(live.poll()) + seen_early >= 2
    live.close()
    await writer.close()
    assert found_in(tmp_path) == [b"before", refused, b"after"]


async def test_below_the_reserve_nothing_is_accepted_until_space_returns(
    tmp_path: Path, disk: Faulty
) -> None:
    writer = open_on(tmp_path, disk, reserve_bytes=MIB)
    draft = await draft_of(writer, b"begun")
    disk.free = MIB - 1
    async with asyncio.timeout(10):
        while True:
            try:
                await draft.write(b".")
            except JournalFull:
                break
            await asyncio.sleep(0.01)
    with pytest.raises(JournalFull):
        await writer.commit([(draft, b"m")])
    draft.discard()
    disk.free = None
    async with asyncio.timeout(5):
        while True:
            try:
                await put(writer, b"after")
                break
            except JournalFull:
                await asyncio.sleep(0.01)
    await writer.close()
    assert found_in(tmp_path) == [b"after"]


async def test_no_room_for_another_segment_refuses_what_does_not_fit(
    tmp_path: Path, disk: Faulty
) -> None:
    writer = open_on(tmp_path, disk, segment_bytes=64 * KIB)
    await put(writer, small := b"s" * 1000)
    disk.free = 64 * KIB - 1
    with pytest.raises(JournalFull):
        await put(writer, bytes(100 * KIB))
    big = writer.begin()

    async def fill() -> None:
        for _ in range(64):
            await big.write(bytes(64 * KIB))

    with pytest.raises(JournalFull):
        await fill()
    big.discard()
    disk.free = None
    await put(writer, small)
    await writer.close()
    assert found_in(tmp_path) == [small, small]


async def test_callers_that_wait_share_one_flush(tmp_path: Path, disk: Faulty) -> None:
    writer = open_on(tmp_path, disk, segment_bytes=16 * MIB)
    await put(writer, b"first")
    disk.held.clear()
    flushes = disk.flushes
    waiting = [asyncio.ensure_future(put(writer, b"x" * 100)) for _ in range(500)]
    await asyncio.sleep(0.01)
    assert not any(one.done() for one in waiting)
    disk.held.set()
    await asyncio.gather(*waiting)
    assert disk.flushes - flushes <= 3
    await writer.close()


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(192 * MIB, id="192-MiB"),
        pytest.param(2048 * MIB, id="2-GiB", marks=[pytest.mark.torture, pytest.mark.timeout(300)]),
    ],
)
async def test_a_large_object_takes_little_memory(tmp_path: Path, size: int) -> None:
    writer = JournalWriter.open(tmp_path, reserve_bytes=0)
    piece = os.urandom(MIB - 1)
    this = psutil.Process()
    before = this.memory_info().rss
    highest = 0
    draft = writer.begin()
    while draft.size < size:
        await draft.write(piece)
        highest = max(highest, this.memory_info().rss - before)
    small = await put(writer, b"overtakes")
    large = await writer.commit([(draft, b"large")])
    assert large > small
    reader = JournalReader.open(tmp_path, after=small)
    (committed,) = reader.poll()
    (stored,) = committed.entries
    total = 0
    for chunk in stored.chunks():
        assert chunk[:1000] == (piece + piece)[total % len(piece) :][: len(chunk[:1000])]
        total += len(chunk)
        highest = max(highest, this.memory_info().rss - before)
    assert total == stored.size == draft.size
    reader.close()
    await writer.close()
    assert highest < 40 * MIB


@contextmanager
def no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("begun", [True, False], ids=["in-a-segment", "before-the-first"])
async def test_a_reader_that_runs_out_of_files_leaves_nothing_out(
    tmp_path: Path, begun: bool
) -> None:
    reader = JournalReader.open(tmp_path, after=START)
    writer = JournalWriter.open(tmp_path, segment_bytes=16 * KIB, reserve_bytes=0)
    expected = []
    for number in range(8):
        draft = writer.begin()
        await draft.write(bytes(4 * KIB))
        expected.append(await writer.commit([(draft, bytes([number]))]))
    await writer.close()
    seen = reader.poll(1) if begun else []
    with no_more_files():
        for _ in range(3):
            try:
                seen += reader.poll()
            except OSError as exc:
                assert exc.errno == errno.EMFILE  # noqa: PT017  # both are right, one after the other
    seen += reader.poll()
    assert [batch.position for batch in seen] == expected
    assert reader.damage == []
    reader.close()
