"""What every object store must do, whichever adapter it is."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imaging.archive.objects import (
    InvalidObjectKey,
    NewObject,
    ObjectMissing,
    ObjectStore,
    pieces,
    put_new,
)
from imaging.archive.objects_fs import FileObjectStore
from kernel.errors import Unavailable
from kernel.identifiers import Uid, object_key


def key(number: int) -> str:
    return object_key(Uid.parse(f"1.2.{number}"), "00ff")


@pytest.fixture(params=["files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    assert request.param == "files"
    return FileObjectStore(tmp_path / "objects")


def put_one(store: ObjectStore, name: str, *chunks: bytes) -> bool:
    return put_new(store, [NewObject(name, chunks)])[0]


def read_all(store: ObjectStore, name: str) -> bytes:
    with store.open(name) as reader:
        return b"".join(pieces(reader, chunk_bytes=3))


def test_gives_back_what_was_put(store: ObjectStore) -> None:
    assert put_one(store, key(1), b"DICM", b"", b"and more")
    assert read_all(store, key(1)) == b"DICMand more"
    assert store.size(key(1)) == 12


@pytest.mark.parametrize("count", [1, 4, 5, 40])
def test_puts_many_at_once(store: ObjectStore, count: int) -> None:
    made = put_new(store, [NewObject(key(n), [b"%d" % n]) for n in range(count)])
    assert made == [True] * count
    assert [read_all(store, key(n)) for n in range(count)] == [b"%d" % n for n in range(count)]


def test_never_replaces_what_is_there(store: ObjectStore) -> None:
    put_one(store, key(1), b"first")
    assert put_new(store, [NewObject(key(1), [b"second"]), NewObject(key(2), [b"new"])]) == [
        False,
        True,
    ]
    assert read_all(store, key(1)) == b"first"


def test_keeps_the_first_of_two_in_one_batch(store: ObjectStore) -> None:
    assert put_new(store, [NewObject(key(1), [b"a"]), NewObject(key(1), [b"b"])]) == [True, False]
    assert read_all(store, key(1)) == b"a"


def test_of_many_writers_one_makes_the_object(store: ObjectStore) -> None:
    ready = threading.Barrier(8)

    def put(n: int) -> bool:
        ready.wait(10)
        return put_one(store, key(1), b"%d" % n * 1000)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(put, range(8)))
    assert made.count(True) == 1
    assert read_all(store, key(1)) == b"%d" % made.index(True) * 1000


@pytest.mark.parametrize(
    ("pos", "n", "expected"),
    [
        pytest.param(0, 4, b"0123", id="the-beginning"),
        pytest.param(7, 2, b"78", id="the-middle"),
        pytest.param(8, 100, b"89", id="beyond-the-end"),
        pytest.param(10, 1, b"", id="at-the-end"),
        pytest.param(99, 1, b"", id="after-the-end"),
    ],
)
def test_reads_ranges(store: ObjectStore, pos: int, n: int, expected: bytes) -> None:
    put_one(store, key(1), b"0123456789")
    with store.open(key(1)) as reader:
        assert reader.size == 10
        assert reader.read(pos, n) == expected


def test_an_object_open_for_reading_outlives_its_removal(store: ObjectStore) -> None:
    put_one(store, key(1), b"still here")
    with store.open(key(1)) as reader:
        assert store.delete(key(1))
        assert reader.read(0, 10) == b"still here"


def test_a_missing_object_is_said_to_be_missing(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.open(key(1))
    assert store.size(key(1)) is None
    assert not store.delete(key(1))


def test_can_be_put_again_after_removal(store: ObjectStore) -> None:
    put_one(store, key(1), b"once")
    assert store.delete(key(1))
    assert put_one(store, key(1), b"twice")
    assert read_all(store, key(1)) == b"twice"


@pytest.mark.parametrize(
    "bad",
    [
        "../../../../tmp/pwn",
        "/etc/cron.d/x",
        "ab/cd/../../../../x",
        "",
        "ab/cd/" + "0" * 31,
        "ab/cd/" + "0" * 33,
        "AB/cd/" + "0" * 32,
        "ab/cd/" + "0" * 32 + "\n",
        "ab/cd/" + "\uff10" * 32,
    ],
)
def test_refuses_a_key_of_another_shape_and_puts_nothing(
    store: ObjectStore, tmp_path: Path, bad: str
) -> None:
    with pytest.raises(InvalidObjectKey):
        put_new(store, [NewObject(key(1), [b"x"]), NewObject(bad, [b"x"])])
    assert store.size(key(1)) is None
    for act in (store.open, store.size, store.delete):
        with pytest.raises(InvalidObjectKey):
            act(bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["objects"]


def test_a_source_that_fails_leaves_nothing_in_part(store: ObjectStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        put_new(store, [NewObject(key(1), [b"whole"]), NewObject(key(2), broken())])
    assert store.size(key(2)) is None
    assert put_one(store, key(2), b"whole now")
    assert read_all(store, key(2)) == b"whole now"


class TestFiles:
    """What only the local files promise."""

    @staticmethod
    def test_leaves_no_unfinished_file_behind(tmp_path: Path) -> None:
        store = FileObjectStore(tmp_path)
        put_one(store, key(1), b"x")
        assert not put_one(store, key(1), b"x")
        assert list((tmp_path / ".incoming").iterdir()) == []

    @staticmethod
    def test_sweeps_what_a_crash_left(tmp_path: Path) -> None:
        store = FileObjectStore(tmp_path)
        put_one(store, key(1), b"whole")
        (tmp_path / ".incoming" / "left").write_bytes(b"half")
        assert FileObjectStore(tmp_path).sweep() == 1
        assert read_all(store, key(1)) == b"whole"

    @staticmethod
    def test_flushes_data_before_the_name_and_the_folder_after(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = FileObjectStore(tmp_path)
        seen: list[str] = []
        real_data, real_link, real_folder = os.fdatasync, os.link, os.fsync

        def data(fd: int) -> None:
            seen.append("data")
            real_data(fd)

        def link(src: Path, dst: Path) -> None:
            seen.append("name")
            real_link(src, dst)

        def folder(fd: int) -> None:
            seen.append("folder")
            real_folder(fd)

        monkeypatch.setattr(os, "fdatasync", data)
        monkeypatch.setattr(os, "link", link)
        monkeypatch.setattr(os, "fsync", folder)
        put_one(store, key(1), b"x")
        # The new folder, the one above it, and the root that names that one.
        assert seen == ["data", "name", "folder", "folder", "folder"]
        seen.clear()
        put_one(store, key(1), b"x")
        assert seen == ["data", "name", "folder"]

    @staticmethod
    def test_says_so_when_its_folder_is_gone(tmp_path: Path) -> None:
        store = FileObjectStore(tmp_path / "objects")
        (tmp_path / "objects" / ".incoming").rmdir()
        with pytest.raises(Unavailable) as raised:
            put_one(store, key(1), b"x")
        assert raised.value.code == "object-store-failed"
