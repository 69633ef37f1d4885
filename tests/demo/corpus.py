"""The collection of real objects: how it goes through the doors, and is held against answers."""

import asyncio
import csv
import functools
import io
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset

from kernel.dicom.dataset import BrokenDataset, scan
from kernel.dicom.part10 import BytesSource, read_file_meta
from tests.demo.running import RunningDemo
from tests.dimse.peers import connected
from tests.dimse.wire_bytes import associate_rq, context
from tests.imaging.shared_data import Sample

_TABLE: Final = Path(__file__).with_name("corpus_outcomes.csv")
_SOMETHING: Final = ("1.2.840.10008.5.1.4.1.1.7", "2.25.990000.1")
SHOWN_CONFLICT: Final = "B007"
"""Warning reason of what is kept beside another content of its UID."""
_PIXELS: Final = {"PixelData", "FloatPixelData", "DoubleFloatPixelData"}
_PADDING: Final = 0xFFFCFFFC
_AT_ONCE: Final = 4
_WARNING: Final = "00081196"
_REASON: Final = "00081197"
_FAILED: Final = "00081198"
_KEPT: Final = "00081199"
_NAMELESS: Final = "0008119A"


@dataclass(frozen=True, slots=True)
class Expected:
    """A line of the reviewed table: what becomes of an object that is not simply stored."""

    outcome: str
    """``duplicate``, ``conflict``, ``again`` (that conflict a second time) or ``refused``."""
    c_store: str
    """Status and Error Comment; ``not sent`` for what no sender could read."""
    stow: str
    """Warning or failure reason, in hexadecimal; empty where there is none."""


@functools.cache
def reviewed() -> dict[str, Expected]:
    """Return the table by path."""
    with _TABLE.open(newline="", encoding="utf-8") as file:
        return {
            row["path"]: Expected(row["outcome"], row["c_store"], row["stow"])
            for row in csv.DictReader(file)
        }


@dataclass(frozen=True, slots=True)
class Item:
    """One object as a sender reads it; ``dataset`` is empty where it cannot be read at all."""

    path: str
    file: bytes
    dataset: bytes
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def item(sample: Sample) -> Item:
    """Read what a sender must know of *sample*; broken ones get an invented name."""
    source = BytesSource(sample.data)
    sop_class, instance = _SOMETHING
    try:
        meta = read_file_meta(source)
    except BrokenDataset:
        return Item(sample.path, sample.data, b"", "", sop_class, instance)
    try:
        found = scan(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
    except BrokenDataset:
        pass
    else:
        sop_class = found.text(0x00080016) or sop_class
        instance = found.text(0x00080018) or instance
    dataset = sample.data[meta.dataset_offset :]
    return Item(sample.path, sample.data, dataset, meta.transfer_syntax_uid, sop_class, instance)


async def c_store(door: dict[str, Any], sent: Iterable[Item]) -> dict[str, str]:
    """Send each over its own association, a few at once; return status and comment by path."""
    answers: dict[str, str] = {}
    left = iter(sent)

    async def one_after_another() -> None:
        for each in left:
            answers[each.path] = await _stored(door, each) if each.dataset else "not sent"

    async with asyncio.TaskGroup() as several:
        for _ in range(_AT_ONCE):
            several.create_task(one_after_another())
    return answers


async def _stored(door: dict[str, Any], each: Item) -> str:
    contexts = [context(1, each.sop_class_uid, [each.transfer_syntax_uid])]
    async with connected((door["host"], door["port"])) as scu:
        await scu.send(associate_rq(contexts, called=door["ae_title"]))
        kind, _ = await scu.pdu()
        assert kind == 2, each.path
        answer = await scu.store(
            each.dataset, sop_class=each.sop_class_uid, instance=each.sop_instance_uid
        )
        await scu.release()
    return f"{answer.status:04X} {answer.comment}".strip()


@dataclass(frozen=True, slots=True)
class Stowed:
    """What STOW-RS answered to one request."""

    status: int
    kept: tuple[str, ...]
    reasons: tuple[str, ...]
    """Warning and failure reasons, in hexadecimal."""


def stow(demo: RunningDemo, files: Sequence[bytes]) -> Stowed:
    """Store *files* at the county in one request."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + file + b"\r\n" for file in files) + f"--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        demo.http("") + "/dicom-web/studies",
        data=body,
        headers={
            "Authorization": f"Bearer {demo.account('technician')['token']}",
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, said = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            status, said = refused.code, refused.read()
    given = json.loads(said)
    rows = {t: given.get(t, {}).get("Value", []) for t in (_KEPT, _FAILED, _NAMELESS)}
    kept = rows[_KEPT]
    reasons = [
        f"{row[tag]['Value'][0]:04X}"
        for row in (*kept, *rows[_FAILED], *rows[_NAMELESS])
        for tag in (_WARNING, _REASON)
        if tag in row
    ]
    return Stowed(status, tuple(row["00081155"]["Value"][0] for row in kept), tuple(reasons))


def check_same(path: str, original: Item, given: bytes) -> None:
    """Assert that *given*, a Part 10 file, holds equal elements and equal pixels."""
    meta = read_file_meta(BytesSource(given))
    assert meta.transfer_syntax_uid == original.transfer_syntax_uid, path
    if given[meta.dataset_offset :] == original.dataset:
        return
    before, after = _read(original.file), _read(given)
    assert set(before.keys()) == set(after.keys()), path
    for element in before:
        other = after[element.tag]
        assert element.value == other.value, (path, element.tag)
        # Whether pixels are OB or OW belongs to the transfer syntax and depth (PS3.5 A).
        assert element.VR == other.VR or element.keyword in _PIXELS, (path, element.tag)


def _read(file: bytes) -> Dataset:
    """Read *file*, without group lengths and padding, which PS3.5 7.2 lets anyone drop."""
    ds = pydicom.dcmread(io.BytesIO(file), force=True)
    for tag in [tag for tag in ds.keys() if tag.element == 0 or tag == _PADDING]:  # noqa: SIM118
        del ds[tag]
    return ds
