"""What is committed is read back, in order, whole, and nothing else is."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from kernel.errors import TooLarge, Unavailable
from kernel.journal.writer import (
    Draft,
    JournalReader,
    JournalWriter,
    Position,
    Wake,
)

START = Position(0, 0)
KIB = 1024
MIB = 1024 * KIB


def small(directory: Path, **settings: int) -> JournalWriter:
    """A journal of small segments that leaves the disk's free space out of it."""
    return JournalWriter.open(
        directory,
        segment_bytes=settings.get("segment_bytes", 64 * KIB),
        reserve_bytes=settings.get("reserve_bytes", 0),
    )


async def draft_of(writer: JournalWriter, data: bytes) -> Draft:
    draft = writer.begin()
    await draft.write(data)
    return draft


async def put(writer: JournalWriter, data: bytes, meta: bytes = b"meta") -> Position:
    return await writer.commit([(await draft_of(writer, data), meta)])


def segments(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*.journal")}


def everything(directory: Path, after: Position = START) -> list[tuple[bytes, bytes]]:
    reader = JournalReader.open(directory, after=after)
    found = [
        (stored.meta, b"".join(stored.chunks()))
        for committed in reader.poll(10_000)
        for stored in committed.entries
    ]
    assert reader.damage == []
    reader.close()
    return found


async def test_gives_back_what_was_committed_in_order(tmp_path: Path) -> None:
    writer = small(tmp_path)
    positions = [await put(writer, os.urandom(n), b"%d" % n) for n in (0, 1, 4096, 100_000)]
    await writer.close()
    assert positions == sorted(positions)
    assert [(meta, len(data)) for meta, data in everything(tmp_path)] == [
        (b"%d" % n, n) for n in (0, 1, 4096, 100_000)
    ]


async def test_reads_only_after_the_cursor(tmp_path: Path) -> None:
    writer = small(tmp_path)
    await put(writer, b"first", b"1")
    cursor = await put(writer, b"second", b"2")
    await put(writer, b"third", b"3")
    assert everything(tmp_path, cursor) == [(b"3", b"third")]
    await writer.close()
    assert everything(tmp_path, cursor) == [(b"3", b"third")]


async def test_commits_several_drafts_as_one(tmp_path: Path) -> None:
    writer = small(tmp_path)
    drafts = [await draft_of(writer, b"%d" % n) for n in range(50)]
    position = await writer.commit([(draft, b"m") for draft in drafts])
    (committed,) = JournalReader.open(tmp_path, after=START).poll()
    assert committed.position == position
    assert [stored.read(0, 99) for stored in committed.entries] == [b"%d" % n for n in range(50)]
    await writer.close()


async def test_interleaves_drafts_that_stream(tmp_path: Path) -> None:
    writer = small(tmp_path, segment_bytes=MIB)
    datas = [os.urandom(3 * MIB + n) for n in range(4)]
    drafts = [writer.begin() for _ in datas]
    for at in range(0, 3 * MIB + 4, 50_000):
        for draft, data in zip(drafts, datas, strict=True):
            await draft.write(data[at : at + 50_000])
    for draft, data in zip(drafts, datas, strict=True):
        assert draft.size == len(data)
        assert draft.read(MIB - 7, 300_000) == data[MIB - 7 : MIB + 299_993]
        assert draft.read(len(data) - 3, 99) == data[-3:]
    for draft in reversed(drafts):
        await writer.commit([(draft, b"")])
    assert [data for _, data in everything(tmp_path)] == datas[::-1]
    await writer.close()


async def test_reads_an_object_at_any_place(tmp_path: Path) -> None:
    writer = small(tmp_path)
    data = os.urandom(70_000)
    await put(writer, data)
    await writer.close()
    (committed,) = JournalReader.open(tmp_path, after=START).poll()
    (stored,) = committed.entries
    for pos, n in [(0, 1), (16_383, 2), (16_384, 40_000), (69_999, 5), (70_000, 5), (0, 70_000)]:
        assert stored.read(pos, n) == data[pos : pos + n]


async def test_a_discarded_draft_is_never_seen(tmp_path: Path) -> None:
    writer = small(tmp_path)
    draft = await draft_of(writer, os.urandom(2 * MIB))
    draft.discard()
    draft.discard()
    with pytest.raises(RuntimeError):
        await draft.write(b"x")
    with pytest.raises(ValueError, match="discarded"):
        await writer.commit([(draft, b"")])
    await put(writer, b"kept")
    await writer.close()
    assert [data for _, data in everything(tmp_path)] == [b"kept"]


async def test_a_reader_beside_a_writer_sees_each_commit_once(tmp_path: Path) -> None:
    writer = small(tmp_path)
    reader = JournalReader.open(tmp_path, after=START)
    assert reader.poll() == []
    for n in range(100):
        position = await put(writer, os.urandom(n * 97), b"%d" % n)
        (committed,) = reader.poll()
        assert committed.position == position
        assert committed.entries[0].meta == b"%d" % n
        assert reader.poll() == []
    await writer.close()


async def test_callers_share_flushes_and_each_gets_its_own_place(tmp_path: Path) -> None:
    writer = small(tmp_path, segment_bytes=MIB)

    async def caller(name: int) -> list[Position]:
        return [await put(writer, b"%d" % name * 500, b"%d.%d" % (name, n)) for n in range(30)]

    positions = await asyncio.gather(*(caller(name) for name in range(16)))
    assert len({position for those in positions for position in those}) == 480
    assert all(those == sorted(those) for those in positions)
    metas = [meta for meta, _ in everything(tmp_path)]
    assert len(set(metas)) == len(metas) == 480
    await writer.close()


async def test_goes_on_in_a_new_segment_after_a_restart(tmp_path: Path) -> None:
    for n in range(5):
        writer = small(tmp_path)
        await put(writer, b"%d" % n)
        await writer.close()
    assert [data for _, data in everything(tmp_path)] == [b"%d" % n for n in range(5)]
    assert len(segments(tmp_path)) == 5


async def test_release_deletes_only_what_is_filed_and_what_no_draft_needs(tmp_path: Path) -> None:
    writer = small(tmp_path)
    reader = JournalReader.open(tmp_path, after=START)
    slow = await draft_of(writer, data := os.urandom(2 * MIB))
    positions = [await put(writer, os.urandom(20 * KIB)) for _ in range(40)]
    assert len(reader.poll()) == 40
    before = segments(tmp_path)
    assert reader.release(positions[20]) > 0
    after = segments(tmp_path)
    assert before - after <= {f"{position.segment:016d}.journal" for position in positions[:20]}
    await writer.commit([(slow, b"slow")])
    assert len(everything(tmp_path, positions[20])) == 20
    (last,) = reader.poll()
    assert b"".join(last.entries[0].chunks()) == data
    reader.release(last.position)
    assert len(segments(tmp_path)) <= 1
    assert everything(tmp_path, last.position) == []
    await put(writer, b"on a recycled segment" * 3000)
    assert [len(data) for _, data in everything(tmp_path, last.position)] == [63_000]
    await writer.close()


async def test_what_was_laid_before_its_commit_is_read_back_whole(tmp_path: Path) -> None:
    writer = small(tmp_path)
    objects = [os.urandom(size * KIB + 7) for size in (40, 1, 33)]
    drafts = [await draft_of(writer, data) for data in objects]
    for draft in drafts:
        await draft.lay()
    given_up = await draft_of(writer, os.urandom(40 * KIB))
    await given_up.lay()
    given_up.discard()
    await writer.commit([(draft, b"meta") for draft in drafts])
    with pytest.raises(RuntimeError):
        await drafts[0].lay()
    assert [data for _, data in everything(tmp_path)] == objects
    await writer.close()


async def test_idle_time_makes_segments_to_write_over_as_use_goes_on(tmp_path: Path) -> None:
    def spares() -> list[str]:
        return [name for name in os.listdir(tmp_path) if name.startswith("spare-")]

    async def made(count: int) -> None:
        async with asyncio.timeout(20):
            while len(spares()) < count:  # noqa: ASYNC110  # made by the writer's thread
                await asyncio.sleep(0.01)

    writer = small(tmp_path)
    await made(1)
    await put(writer, b"the first object takes it")
    assert spares() == []
    await put(writer, os.urandom(40 * KIB))
    await made(1)
    await put(writer, os.urandom(40 * KIB))
    await made(2)
    await writer.close()


async def test_released_segments_are_written_over_and_two_kept_at_most(tmp_path: Path) -> None:
    def spares() -> list[str]:
        return [name for name in os.listdir(tmp_path) if name.startswith("spare-")]

    writer = small(tmp_path)
    positions = [await put(writer, os.urandom(30 * KIB)) for _ in range(20)]
    assert spares() == []
    reader = JournalReader.open(tmp_path, after=START)
    assert len(reader.poll()) == 20
    reader.release(positions[-1])
    assert len(spares()) == 2
    assert len(segments(tmp_path)) == 1
    again = [await put(writer, os.urandom(30 * KIB)) for _ in range(20)]
    assert [one.position for one in reader.poll()] == again
    reader.close()
    await writer.close()


async def test_numbers_go_on_after_the_folder_was_emptied(tmp_path: Path) -> None:
    writer = small(tmp_path)
    first = await put(writer, b"x")
    await writer.close()
    shutil.rmtree(tmp_path)
    writer = small(tmp_path)
    assert await put(writer, b"y") > first
    await writer.close()


async def test_refuses_a_second_writer(tmp_path: Path) -> None:
    writer = small(tmp_path)
    with pytest.raises(Unavailable) as refused:
        small(tmp_path)
    assert refused.value.code == "journal-in-use"
    await writer.close()
    await small(tmp_path).close()


async def test_refuses_meta_larger_than_a_segment_and_goes_on(tmp_path: Path) -> None:
    writer = small(tmp_path)
    draft = await draft_of(writer, b"x")
    with pytest.raises(TooLarge):
        await writer.commit([(draft, bytes(64 * KIB))])
    await writer.commit([(draft, b"short")])
    await writer.close()
    assert everything(tmp_path) == [(b"short", b"x")]


async def test_a_commit_wakes_the_one_who_files(tmp_path: Path) -> None:
    wake = Wake.local()
    writer = JournalWriter.open(tmp_path, segment_bytes=64 * KIB, reserve_bytes=0, wake=wake)
    assert not await wake.wait(0.01)
    await put(writer, b"x")
    assert await wake.wait(5)
    await writer.close()


async def test_a_cancelled_commit_leaves_the_journal_whole(tmp_path: Path) -> None:
    writer = small(tmp_path)
    for n in range(50):
        draft = await draft_of(writer, os.urandom(40_000))
        commit = asyncio.ensure_future(writer.commit([(draft, b"cancelled")]))
        for _ in range(n % 3):
            await asyncio.sleep(0)
        commit.cancel()
        await asyncio.gather(commit, return_exceptions=True)
        draft.discard()
    await put(writer, b"last", b"last")
    await writer.close()
    found = everything(tmp_path)
    assert found[-1] == (b"last", b"last")
    assert all(len(data) == 40_000 for _, data in found[:-1])
