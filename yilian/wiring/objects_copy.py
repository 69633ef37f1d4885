"""Objects of a node brought into its copy: only what is new, and never bad bytes over good ones."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from imaging.archive.object_truth import is_whole
from imaging.archive.objects_fs import FileReader
from kernel.dicom.decode_pool import DecodePool
from kernel.settings import NodeKind

_HIDDEN: Final = "."
_PIECE: Final = 1 << 20
Proves = Callable[[Path, str], bool]
"""Tells whether the file at a path is what its name says."""


def new_objects(source: Path, target: Path, kind: NodeKind) -> Iterator[tuple[Path, list[str]]]:
    """Yield, folder by folder, where below *target* which files of *source* are missing.

    What the store itself has not finished, or set aside, is no object. An object never changes, so
    one that is in the copy is not looked into again; where the sizes differ one of them is
    damaged, and at a county the name says which.
    """
    with DecodePool() as decoder:

        def proves(path: Path, key: str) -> bool:
            # A township's names are made otherwise; there the node's own file counts.
            if kind is not NodeKind.COUNTY:
                return True
            try:
                with FileReader(str(path)) as reader:
                    return bool(is_whole(reader, key, known_sha256="", decoder=decoder))
            except OSError:
                return False

        for folder, inner, names in os.walk(source):
            inner[:] = sorted(name for name in inner if not name.startswith(_HIDDEN))
            inside = Path(folder).relative_to(source)
            place = target / inside
            wanted = [
                name
                for name in sorted(names)
                if _is_new(Path(folder, name), place / name, f"{inside}/{name}", proves)
            ]
            yield inside, wanted


def _is_new(path: Path, copy: Path, key: str, proves: Proves) -> bool:
    try:
        there = copy.stat().st_size
    except FileNotFoundError:
        return True
    try:
        return path.stat().st_size != there and proves(path, key)
    except FileNotFoundError:
        return False


def can_be_read(path: Path) -> bool:
    """Return whether the disk gives all of *path*."""
    try:
        with path.open("rb") as file:
            while file.read(_PIECE):
                pass
    except OSError:
        return False
    return True
