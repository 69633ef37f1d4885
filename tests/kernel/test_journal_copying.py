"""A journal is copied while it is written, filed and released."""

import os
from pathlib import Path

import pytest

from kernel.journal import copying
from kernel.journal.copying import copy_journal, drop_older
from kernel.journal.writer import JournalReader, JournalWriter
from tests.kernel.test_journal import START, everything, put, segments, small


async def test_the_copy_holds_what_was_acknowledged_and_the_writer_goes_on(tmp_path: Path) -> None:
    source, target = tmp_path / "live", tmp_path / "copy"
    writer = small(source)
    # More than one segment, and an object that lies in several.
    sent = [os.urandom(n) for n in (10, 40_000, 50_000, 300_000, 7)]
    for raw in sent:
        await put(writer, raw)
    names = copy_journal(source, target)
    assert len(names) > 1
    assert names == segments(target)
    await put(writer, b"later")
    assert [raw for _, raw in everything(target)] == sent
    await writer.close()
    assert [raw for _, raw in everything(source)] == [*sent, b"later"]
    # A new writer goes on in the copy, as in a home that was brought back.
    again = small(target)
    await put(again, b"after")
    await again.close()
    assert [raw for _, raw in everything(target)] == [*sent, b"after"]


async def test_what_is_written_under_the_copys_eyes_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "live", tmp_path / "copy"
    writer = small(source, segment_bytes=1 << 20)
    await put(writer, b"before" * 1000)
    whole_end = copying._whole_end

    def meanwhile(folder: Path, number: int) -> int:
        end = whole_end(folder, number)
        path = folder / f"{number:016d}.journal"
        # Half a frame, as a copy that reads on finds it.
        with path.open("r+b") as file:
            file.seek(end + 4096)
            file.write(b"YJF1" + os.urandom(8192))
        return end

    monkeypatch.setattr(copying, "_whole_end", meanwhile)
    copy_journal(source, target)
    assert [raw for _, raw in everything(target)] == [b"before" * 1000]
    await writer.close()


async def test_a_segment_that_is_released_meanwhile_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "live", tmp_path / "copy"
    writer = small(source)
    cursor = [await put(writer, os.urandom(40_000)) for _ in range(4)][-1]
    reader = JournalReader.open(source, after=START)
    reader.poll()
    first = min(segments(source))
    really_copy = copying._copy

    def released(*asked: object) -> None:
        reader.release(cursor)
        really_copy(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "_copy", released)
    names = copy_journal(source, target)
    assert first not in names
    assert names == segments(target)
    assert everything(target, cursor) == []
    reader.close()
    await writer.close()


async def test_an_older_copy_goes_only_when_it_is_said(tmp_path: Path) -> None:
    source, target = tmp_path / "live", tmp_path / "copy"
    for raw in (b"one", b"two"):
        writer = JournalWriter.open(source, segment_bytes=64 << 10, reserve_bytes=0)
        await put(writer, raw)
        await writer.close()
        copy_journal(source, target)
    (source / min(segments(source))).unlink()
    names = copy_journal(source, target)
    assert [raw for _, raw in everything(target)] == [b"one", b"two"]
    drop_older(target, names)
    assert [raw for _, raw in everything(target)] == [b"two"]
    assert copy_journal(tmp_path / "none", target) == set()
