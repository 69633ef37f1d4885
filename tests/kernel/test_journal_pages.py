"""A reader that looks while something is being written, which other processes see page by page."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kernel.journal.frames import BLOCK
from kernel.journal.writer import Committed, Disk, JournalReader, JournalWriter, Position

START = Position(0, 0)
ENTRIES = 31
META = b"m" * 950


class Watched(Disk):
    """The machine's own disk, looked at after every page of a write."""

    def __init__(self) -> None:
        self.look: Callable[[], object] = lambda: None

    def pwritev(self, fd: int, buffers: Sequence[bytes | bytearray], offset: int) -> int:
        data = b"".join(buffers)
        done = 0
        while done < len(data):
            at = offset + done
            done += os.pwrite(fd, data[done : done + BLOCK - at % BLOCK], at)
            self.look()
        return done


def content(number: int) -> bytes:
    return bytes([number]) * 3000


@pytest.mark.parametrize("begun_before", [True, False], ids=["reader-first", "writer-first"])
async def test_a_commit_that_is_seen_in_half_is_waited_for_and_not_called_damaged(
    tmp_path: Path, begun_before: bool
) -> None:
    disk = Watched()
    reader = JournalReader.open(tmp_path, after=START)
    writer = JournalWriter.open(tmp_path, segment_bytes=1 << 20, reserve_bytes=0, disk=disk)
    first = writer.begin()
    await first.write(b"first")
    await writer.commit([(first, b"")])
    if not begun_before:
        reader.close()
        reader = JournalReader.open(tmp_path, after=START)
    assert len(reader.poll()) == 1

    seen: list[Committed] = []
    disk.look = lambda: seen.extend(reader.poll())
    for _ in range(3):
        drafts = []
        for number in range(ENTRIES):
            draft = writer.begin()
            await draft.write(content(number))
            drafts.append((draft, META))
        await writer.commit(drafts)
    await writer.close()
    seen.extend(reader.poll())
    assert reader.damage == []
    assert [len(batch.entries) for batch in seen] == [ENTRIES] * 3
    for batch in seen:
        assert [b"".join(one.chunks()) for one in batch.entries] == [
            content(number) for number in range(ENTRIES)
        ]
    reader.close()
