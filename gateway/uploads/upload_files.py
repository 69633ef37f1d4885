"""Half-received uploads on disk: what was acknowledged is there after a power cut.

One upload is up to four files in one folder: ``<id>.info`` (what it is), ``<id>.data`` (its
bytes), ``<id>.offset`` (an append-only log of how many of them are durable) and ``<id>.result``
(how it ended). An upload exists from the moment its info file does. The data file may be longer
than the last offset record says; what lies beyond was never acknowledged and is cut off before
anything is written again.
"""

import datetime as dt
import errno
import os
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from kernel.errors import StorageFull

_RECORD: Final = struct.Struct("<QQI")
_STAMPED: Final = struct.Struct("<QQ")
_ID: Final = re.compile(r"[0-9a-z]{26}", re.ASCII)


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose upload it is; to anybody else it does not exist."""

    user_id: str
    institution: str
    username: str = ""
    """For people to read; two owners are the same without it."""

    def same_as(self, other: "Owner") -> bool:
        """Return whether both are the same account of the same institution."""
        return (self.user_id, self.institution) == (other.user_id, other.institution)


class UploadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an upload is, fixed when it is created."""

    upload_id: str
    kind: str
    length: int
    """Bytes in all."""
    metadata: dict[str, str]
    owner: Owner
    created_at: dt.datetime


class UploadResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a complete upload ended."""

    accepted: bool
    code: str = ""
    """Why it was refused, empty when accepted."""
    detail: str = ""
    at: dt.datetime


@dataclass(slots=True)
class Upload:
    """One upload as this process knows it."""

    info: UploadInfo
    offset: int
    """Bytes that are durable; never more than were flushed."""
    touched_at: dt.datetime
    """When it was created or last grew."""
    result: UploadResult | None = None
    received: int = 0
    """Bytes that came, durable or not; for showing progress only."""

    @property
    def complete(self) -> bool:
        """Whether every byte is durable."""
        return self.offset == self.info.length


class Appending:
    """An upload's data file, open at its durable end. Blocking; for one thread at a time."""

    def __init__(self, files: "UploadFiles", upload: Upload) -> None:
        self._files = files
        self._upload = upload
        self._fd = os.open(files.path(upload.info, "data"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(self._fd, upload.offset)
        except OSError:
            os.close(self._fd)
            raise
        self.position = upload.offset

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write *data* after what is there; not durable before ``settle``.

        Raises:
            StorageFull: no room; nothing that was durable is lost.
            OSError: the disk failed.
        """
        view = memoryview(data)
        while view:
            try:
                written = os.pwrite(self._fd, view, self.position)
            except OSError as exc:
                raise _full_or_same(exc) from exc
            self.position += written
            view = view[written:]

    def settle(self, at: dt.datetime) -> None:
        """Make everything written so far durable, then say so durably.

        Raises:
            StorageFull: no room for the record; the offset is as before.
            OSError: a flush failed; the offset is as before and the bytes are written again.
        """
        if self.position == self._upload.offset:
            return
        try:
            os.fdatasync(self._fd)
            self._files.record_offset(self._upload.info, self.position, at)
        except OSError as exc:
            raise _full_or_same(exc) from exc
        self._upload.offset = self.position
        self._upload.touched_at = at

    def close(self) -> None:
        """Let go of the file; what was not settled is cut off at the next opening."""
        os.close(self._fd)


class UploadFiles:
    """The folder of uploads of one process. Blocking calls; run them on a thread."""

    def __init__(self, directory: Path, *, reserve_bytes: int) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes

    @classmethod
    def open(cls, directory: Path, *, reserve_bytes: int = 256 * 1024 * 1024) -> Self:
        """Return the folder, made when absent.

        Args:
            directory: where the files lie, on one local disk.
            reserve_bytes: free space below which no upload is begun.
        """
        directory.mkdir(parents=True, exist_ok=True)
        return cls(directory, reserve_bytes=reserve_bytes)

    def path(self, info: UploadInfo, suffix: str) -> Path:
        """Return where one of the files of an upload is."""
        return self._directory / f"{info.upload_id}.{suffix}"

    def room_for(self, length: int) -> bool:
        """Return whether *length* more bytes leave the reserve free."""
        return shutil.disk_usage(self._directory).free - length >= self._reserve_bytes

    def create(self, info: UploadInfo) -> Upload:
        """Return a new empty upload, durable.

        Raises:
            StorageFull: no room.
            OSError: the disk failed; nothing was created.
        """
        try:
            for suffix in ("data", "offset"):
                self.path(info, suffix).touch()
            self._write_whole(self.path(info, "info"), msgspec.json.encode(info))
        except OSError as exc:
            self.delete(info)
            raise _full_or_same(exc) from exc
        return Upload(info, 0, info.created_at)

    def append(self, upload: Upload) -> Appending:
        """Open *upload* for more bytes; raises ``OSError``."""
        return Appending(self, upload)

    def record_offset(self, info: UploadInfo, offset: int, at: dt.datetime) -> None:
        """Note durably that *offset* bytes are durable; raises ``OSError``."""
        stamp = _STAMPED.pack(offset, int(at.timestamp() * 1000))
        fd = os.open(self.path(info, "offset"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            end = os.fstat(fd).st_size  # a record torn by a crash is written over
            os.pwrite(fd, stamp + zlib.crc32(stamp).to_bytes(4, "little"), end - end % _RECORD.size)
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def finish(self, upload: Upload, result: UploadResult) -> None:
        """Keep *result* durably and let the bytes go; raises ``OSError``."""
        self._write_whole(self.path(upload.info, "result"), msgspec.json.encode(result))
        upload.result = result
        for suffix in ("data", "offset"):
            self.path(upload.info, suffix).unlink(missing_ok=True)

    def delete(self, info: UploadInfo) -> None:
        """Remove every file of an upload, the info first; raises ``OSError``."""
        for suffix in ("info", "result", "data", "offset"):
            self.path(info, suffix).unlink(missing_ok=True)

    def load(self) -> Iterator[Upload]:
        """Yield every upload the folder holds and sweep away what none of them owns."""
        owned: set[str] = set()
        for path in sorted(self._directory.glob("*.info")):
            if not _ID.fullmatch(path.stem):
                continue
            try:
                info = msgspec.json.decode(path.read_bytes(), type=UploadInfo)
            except msgspec.MsgspecError:
                continue  # swept below: it was never acknowledged whole
            owned.add(path.stem)
            yield self._load_one(info)
        for path in self._directory.iterdir():
            if path.is_file() and path.stem not in owned:
                path.unlink(missing_ok=True)

    def _load_one(self, info: UploadInfo) -> Upload:
        result_path = self.path(info, "result")
        if result_path.exists():
            try:
                result = msgspec.json.decode(result_path.read_bytes(), type=UploadResult)
            except msgspec.MsgspecError:
                result_path.unlink()
            else:
                return Upload(info, info.length, result.at, result)
        try:
            log = self.path(info, "offset").read_bytes()
            size = self.path(info, "data").stat().st_size
        except FileNotFoundError:
            return Upload(info, 0, info.created_at)
        offset, at_ms = _last_record(log)
        touched = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC) if at_ms else info.created_at
        return Upload(info, min(offset, size, info.length), touched)

    def _write_whole(self, path: Path, content: bytes) -> None:
        scratch = path.with_name(path.name + ".new")
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        scratch.replace(path)
        folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _last_record(log: bytes) -> tuple[int, int]:
    """Return offset and milliseconds of the last whole record, zeros when there is none."""
    whole = len(log) // _RECORD.size * _RECORD.size
    for begin in range(whole - _RECORD.size, -1, -_RECORD.size):
        offset, at_ms, crc = _RECORD.unpack_from(log, begin)
        if zlib.crc32(log[begin : begin + _STAMPED.size]) == crc:
            return offset, at_ms
    return 0, 0


def _full_or_same(exc: OSError) -> Exception:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("no room for the upload")
    return exc
