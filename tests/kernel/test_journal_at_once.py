"""One who writes alone commits on its own thread; all promises of the journal stay."""

import asyncio
import errno
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kernel.journal.writer import Disk, JournalFailed, JournalReader, JournalWriter, Position

KIB = 1024


@dataclass
class Watched(Disk):
    """A disk that tells which thread flushed, and is as slow or as broken as it is told."""

    flushed_by: list[str] = field(default_factory=list)
    takes_s: float = 0.0
    broken: bool = False

    def fdatasync(self, fd: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, "broken")
        self.flushed_by.append(threading.current_thread().name)
        threading.Event().wait(self.takes_s)


def opened(directory: Path, disk: Disk) -> JournalWriter:
    return JournalWriter.open(
        directory, segment_bytes=64 * KIB, reserve_bytes=0, disk=disk, at_once=True
    )


async def put(writer: JournalWriter, data: bytes) -> Position:
    draft = writer.begin()
    await draft.write(data)
    return await writer.commit([(draft, b"meta")])


def everything(directory: Path) -> list[bytes]:
    reader = JournalReader.open(directory, after=Position(0, 0))
    found = [b"".join(s.chunks()) for batch in reader.poll(10_000) for s in batch.entries]
    assert reader.damage == []
    reader.close()
    return found


async def test_alone_it_is_flushed_by_the_caller(tmp_path: Path) -> None:
    disk = Watched()
    writer = opened(tmp_path, disk)
    await put(writer, b"object")
    assert disk.flushed_by == [threading.current_thread().name]
    assert everything(tmp_path) == [b"object"]
    await writer.close()


async def test_beside_another_draft_it_is_flushed_for_all_by_the_writer(tmp_path: Path) -> None:
    disk = Watched()
    writer = opened(tmp_path, disk)
    other = writer.begin()
    await other.write(b"on its way")
    await put(writer, b"object")
    assert disk.flushed_by == ["journal-" + tmp_path.name]
    await writer.commit([(other, b"meta")])
    assert everything(tmp_path) == [b"object", b"on its way"]
    await writer.close()


async def test_a_slow_disk_never_holds_the_callers_loop_twice(tmp_path: Path) -> None:
    disk = Watched(takes_s=0.05)
    writer = opened(tmp_path, disk)
    await put(writer, b"first")
    await put(writer, b"second")
    assert disk.flushed_by[0] == threading.current_thread().name
    assert disk.flushed_by[-1] == "journal-" + tmp_path.name
    await writer.close()


async def test_a_refused_flush_acknowledges_nobody(tmp_path: Path) -> None:
    disk = Watched(broken=True)
    writer = opened(tmp_path, disk)
    with pytest.raises(JournalFailed):
        await put(writer, b"object")
    with pytest.raises(JournalFailed):
        await put(writer, b"object")
    await writer.close()


async def test_many_callers_in_any_mixture_lose_nothing(tmp_path: Path) -> None:
    writer = opened(tmp_path, Watched())
    objects = [b"%d-" % number + bytes(number * 7 % 3000) for number in range(300)]

    async def send(share: list[bytes]) -> None:
        for data in share:
            await put(writer, data)

    await send(objects[:50])
    await asyncio.gather(*(send(objects[50 + start :: 5]) for start in range(5)))
    assert len(everything(tmp_path)) >= len(objects)
    assert set(everything(tmp_path)) == set(objects)
    await writer.close()
