"""Objects as local files: written aside, flushed, linked under their name, the folder flushed.

A name in the tree therefore always means a whole file, also after a power cut. Flushing a batch
through ``syncfs`` costs a third of the CPU time of a flush per file and folder (measured), but
also waits for what others wrote to that file system; when that was slow, the next batches are
flushed file by file.
"""

import contextlib
import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from imaging.archive.objects import NewObject, ObjectMissing, Staged, check_key
from kernel.errors import StorageFull, Unavailable
from kernel.identifiers import new_id

_INCOMING: Final = ".incoming"
_DAMAGED: Final = ".damaged"
_SYNCFS_FROM: Final = 5
"""Batches of fewer objects are flushed one by one: others' dirty pages would dominate."""
_SLOW_S: Final = 1.0
_SLOW_REST_S: Final = 30.0


class FileReader:
    """One object file, open for reading."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    def read(self, pos: int, n: int) -> bytes:
        """Return the bytes at [pos, pos + n), fewer at the end of the file."""
        return os.pread(self._fd, n, pos)

    def from_disk(self) -> None:
        """Have the next reads come from the disk itself, not from the memory before it."""
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file under a name of its own, not yet flushed."""

    key: str
    path: str

    def discard(self) -> None:
        """Remove it; the object keeps its own name once it has one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


class FileObjectStore:
    """Objects in one folder of a local file system."""

    def __init__(self, root: Path) -> None:
        """Open the store in *root*, made where absent."""
        self._root = root
        self._incoming = root / _INCOMING
        self._incoming.mkdir(parents=True, exist_ok=True)
        # Plain text beside the paths: for each object a Path costs as much as a system call.
        self._root_text = str(root)
        self._incoming_text = str(self._incoming)
        self._folders: set[str] = set()
        self._syncfs = _load_syncfs()
        self._syncfs_not_before = 0.0

    def sweep(self) -> int:
        """Remove what a crash left unfinished; returns how many files.

        For the one process that puts, at its start. A put that runs meanwhile elsewhere fails with
        ``object-store-failed`` and can be done again.
        """
        swept = 0
        for left in self._incoming.iterdir():
            left.unlink(missing_ok=True)
            swept += 1
        return swept

    def stage(self, new: NewObject) -> StagedFile:
        """Write the bytes of *new* aside; see ``ObjectStore.stage``."""
        staged = StagedFile(check_key(new.key), f"{self._incoming_text}/{new_id()}")
        try:
            with _translated():
                descriptor = os.open(
                    staged.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                )
                try:
                    _write_all(descriptor, new.chunks)
                finally:
                    os.close(descriptor)
        except BaseException:
            staged.discard()
            raise
        return staged

    def publish(self, staged: Sequence[Staged]) -> list[bool]:
        """Make *staged* durable under their names; see ``ObjectStore.publish``."""
        files = [each for each in staged if isinstance(each, StagedFile)]
        if len(files) != len(staged):
            raise TypeError("staged by another store")
        with _translated():
            sync_all = self._flush_all_at_once(len(files))
            if sync_all is not None:
                sync_all()
            else:
                for each in files:
                    _flush(each.path, os.fdatasync)
            touched: set[str] = set()
            made = [self._link(each, touched) for each in files]
            if sync_all is not None:
                sync_all()
            else:
                for folder in touched:
                    _flush(folder, os.fsync)
        for each in files:
            each.discard()
        return made

    def _link(self, staged: StagedFile, touched: set[str]) -> bool:
        final = f"{self._root_text}/{staged.key}"
        folder = final[: final.rindex("/")]
        # Also for a name that is taken: whoever took it may not have flushed the folder yet.
        touched.add(folder)
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)
            touched.update((folder[: folder.rindex("/")], self._root_text))
            self._folders.add(folder)
        try:
            os.link(staged.path, final)
        except FileExistsError:
            return False
        return True

    def _flush_all_at_once(self, count: int) -> Callable[[], None] | None:
        if self._syncfs is None or count < _SYNCFS_FROM:
            return None
        if time.monotonic() < self._syncfs_not_before:
            return None
        return self._sync_file_system

    def _sync_file_system(self) -> None:
        assert self._syncfs is not None  # noqa: S101  # for the type checker
        began = time.monotonic()
        _flush(self._root, self._syncfs)
        if time.monotonic() - began > _SLOW_S:
            self._syncfs_not_before = time.monotonic() + _SLOW_REST_S

    def is_there(self) -> bool:
        """Return whether the store itself is, as it is not while its disk is not mounted."""
        return self._incoming.is_dir()

    def open(self, key: str) -> FileReader:
        """Return the object for reading; raises ``ObjectMissing``."""
        try:
            return FileReader(f"{self._root_text}/{check_key(key)}")
        except FileNotFoundError as exc:
            raise ObjectMissing("no such object file") from exc
        except OSError as exc:
            raise Unavailable("cannot read an object", code="object-store-failed") from exc

    def size(self, key: str) -> int | None:
        """Return how many bytes the object has; None where there is none."""
        try:
            return (self._root / check_key(key)).stat().st_size
        except FileNotFoundError:
            return None

    def flush_staged(self, staged: StagedFile) -> None:
        """Put what ``stage`` took on disk; raises as ``publish``."""
        with _translated():
            _flush(staged.path, os.fdatasync)

    def open_staged(self, staged: StagedFile) -> FileReader:
        """Return what ``stage`` took, on disk by then, for reading from there."""
        self.flush_staged(staged)
        with _translated():
            reader = FileReader(staged.path)
        reader.from_disk()
        return reader

    def replace(self, staged: StagedFile, *, keep_old: bool = True) -> None:
        """Put *staged*, which is on disk, in the place of a damaged object; only for repair.

        Its name means the one or the other at any moment, also after a power cut. What lay there
        is kept in ``.damaged``, unless not *keep_old*.
        """
        final = Path(f"{self._root_text}/{staged.key}")
        aside = self._root / _DAMAGED
        with _translated():
            final.parent.mkdir(parents=True, exist_ok=True)
            if keep_old:
                aside.mkdir(exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    os.link(final, aside / f"{final.name}-{new_id()}")
                _flush(aside, os.fsync)
            os.replace(staged.path, final)
            for folder in (final.parent, final.parent.parent, self._root):
                _flush(folder, os.fsync)

    def delete(self, key: str) -> bool:
        """Remove the object; returns whether it was there."""
        path = self._root / check_key(key)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        _flush(path.parent, os.fsync)
        return True


def _write_all(descriptor: int, chunks: Iterable[bytes | memoryview]) -> None:
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _flush(path: Path | str, how: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        how(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("no room for objects") from exc
        raise Unavailable("cannot write objects", code="object-store-failed") from exc


def _load_syncfs() -> Callable[[int], None] | None:
    """Return Linux's ``syncfs`` raising ``OSError``; None where the C library has none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        function = library.syncfs
    except (OSError, AttributeError):
        return None

    def syncfs(descriptor: int) -> None:
        if function(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return syncfs
