"""Look through a folder for what can be sent, and say why the rest cannot."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernel.dicom.dataset import BrokenDataset, FileSource, read_file_meta, scan
from kernel.dicom.part10 import FileMeta
from kernel.identifiers import InvalidIdentifier, Uid

MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
_STUDY: Final = 0x0020000D
_SERIES: Final = 0x0020000E


@dataclass(frozen=True, slots=True)
class Found:
    """One DICOM file that can be sent."""

    path: Path
    size_bytes: int
    modified_ns: int
    """When the file was changed last, nanoseconds since 1970."""
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    dataset_offset: int
    whole_part10: bool
    """Whether it has preamble and file meta as PS3.10 says, and they name what stands in it; else
    both are made anew on the way."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """One file that is not sent, with the stable code of the reason."""

    path: Path
    code: str


def files_below(places: Iterable[Path]) -> Iterator[Path]:
    """Yield every regular file in *places*, folders walked in name order, links not followed."""
    for place in places:
        if place.is_dir():
            for folder, inner, names in os.walk(place):
                inner.sort()
                for name in sorted(names):
                    path = Path(folder, name)
                    if path.is_file() and not path.is_symlink():
                        yield path
        else:
            yield place


def survey(path: Path) -> Found | Skipped:
    """Return what *path* is; never raises for what the file holds."""
    try:
        stat = path.stat()
        with FileSource(path) as source:
            meta = read_file_meta(source)
            scanned = scan(
                source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
            )
            wanted = (_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES)
            values = [_text(scanned.value(tag)) for tag in wanted]
            sop_class = values[0] or meta.media_storage_sop_class_uid
            if sop_class == MEDIA_DIRECTORY:
                return Skipped(path, "media-directory")
            return Found(
                path=path,
                size_bytes=stat.st_size,
                modified_ns=stat.st_mtime_ns,
                sop_class_uid=Uid.parse(sop_class).value,
                sop_instance_uid=Uid.parse(values[1] or meta.media_storage_sop_instance_uid).value,
                study_instance_uid=values[2],
                series_instance_uid=values[3],
                transfer_syntax_uid=meta.transfer_syntax_uid,
                dataset_offset=meta.dataset_offset,
                whole_part10=meta.has_preamble and _tells_of(meta, sop_class, values[1]),
            )
    except (BrokenDataset, InvalidIdentifier) as exc:
        return Skipped(path, exc.code)
    except OSError as exc:
        return Skipped(path, f"unreadable-{exc.errno}")


def _tells_of(meta: FileMeta, sop_class_uid: str, sop_instance_uid: str) -> bool:
    """Return whether *meta* names the very object behind it: senders announce what it names."""
    told = (meta.media_storage_sop_class_uid, meta.media_storage_sop_instance_uid)
    return told == (sop_class_uid, sop_instance_uid)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace").strip("\0 ")
