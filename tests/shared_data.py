"""Real objects beside the checkout (``../shared/data``); tests skip where they are absent."""

import csv
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

DIRECTORIES_OF_OBJECTS = ("dicom", "ecg")
"""Of single files; the rest of the DICOM objects lies in archives under ``series``."""


@cache
def shared_data() -> Path | None:
    """The folder of real inputs, found by walking up from the checkout."""
    for parent in Path(__file__).resolve().parents:
        found = parent / "shared" / "data"
        if (found / "MANIFEST.csv").is_file():
            return found
    return None


def need_shared_data() -> Path:
    """The folder of real inputs; skips the test where there is none."""
    found = shared_data()
    if found is None:
        pytest.skip("no ../shared/data beside the checkout")
    return found


def archives() -> list[str]:
    """Names of the packed series, for parametrizing; empty where there are none."""
    found = shared_data()
    return sorted(p.name for p in (found / "series").glob("*.tar.xz")) if found else []


def single_files() -> Iterator[tuple[str, bytes]]:
    """Every single file that is or pretends to be a DICOM object, with its name."""
    root = need_shared_data()
    for directory in DIRECTORIES_OF_OBJECTS:
        for path in sorted((root / directory).rglob("*")):
            if path.is_file():
                yield path.relative_to(root).as_posix(), path.read_bytes()


def members(archive: str) -> Iterator[tuple[str, bytes]]:
    """Every file of one packed series."""
    with tarfile.open(need_shared_data() / "series" / archive) as packed:
        for member in packed:
            reader = packed.extractfile(member)
            if reader is not None:
                yield member.name, reader.read()


def manifest() -> dict[str, dict[str, str]]:
    """Rows of the manifest by path."""
    with (need_shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}
