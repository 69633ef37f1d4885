"""The collection of real objects beside the repository, where there is one."""

import csv
import functools
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_NOT_DICOM = frozenset({"fhir", "hl7v2", "licence", "cds-hooks", "archive", "text", "ecg-other"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One object of the collection."""

    path: str
    """Relative to the collection; ``archive!member`` inside an archive."""
    kind: str
    reads: str
    pixels: str
    note: str
    data: bytes


def shared_data() -> Path:
    """Return the folder of the collection; skips the test where there is none."""
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "data"
        if (found / "MANIFEST.csv").exists():
            return found
    pytest.skip("the collection of real objects (../shared/data) is not there")


@functools.cache
def _manifest(root: Path) -> list[dict[str, str]]:
    with (root / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def dicom_samples(*, every: int = 1) -> Iterator[Sample]:
    """Yield every DICOM object of the collection, also the odd and the broken, in fixed order.

    Args:
        every: of an archive, which holds whole series, only each so-many-th object.
    """
    root = shared_data()
    rows = sorted(
        (row for row in _manifest(root) if row["kind"] not in _NOT_DICOM),
        key=lambda row: row["path"],
    )
    members: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        archive, found, member = row["path"].partition("!")
        if found:
            members.setdefault(archive, {})[member] = row
        else:
            yield _sample(row, (root / row["path"]).read_bytes())
    for archive, all_of_it in sorted(members.items()):
        wanted = dict(sorted(all_of_it.items())[::every])
        held: dict[str, bytes] = {}
        with tarfile.open(root / archive) as tar:
            for entry in tar:
                if entry.isfile() and entry.name in wanted:
                    taken = tar.extractfile(entry)
                    assert taken is not None
                    held[entry.name] = taken.read()
        for member, row in wanted.items():
            yield _sample(row, held[member])


def _sample(row: dict[str, str], data: bytes) -> Sample:
    return Sample(row["path"], row["kind"], row["reads"], row["pixels"], row["note"], data)
