"""C-STORE into the journal: what is acknowledged is there whole, what is broken is refused."""

import asyncio
import io
import os
import struct
import zlib
from pathlib import Path

import pydicom
import pytest

from kernel.arrival import Door as By, Priority
from kernel.dicom.dataset import BytesSource, read_file_meta
from kernel.journal.writer import Disk
from tests.dimse.doors import frozen
from tests.dimse.houses import House, house
from tests.dimse.peers import Answer, associated
from tests.dimse.samples import INSTANCE, dataset, element, small_ct, uid
from tests.dimse.wire_bytes import CT, EXPLICIT_LE, IMPLICIT_LE

DEFLATED = "1.2.840.10008.1.2.1.99"


async def store(
    at: House,
    data: bytes,
    *,
    sop_class: str = CT,
    instance: str = INSTANCE,
    syntax: str = EXPLICIT_LE,
) -> Answer:
    async with associated(at.door.addresses[0], sop_class, syntax) as scu:
        answer = await scu.store(data, sop_class=sop_class, instance=instance)
        # Whatever was wrong with the object, the association goes on.
        assert (await scu.store(b"", sop_class=sop_class, instance="2.25.1")).status == 0xC000
        await scu.release()
        return answer


def nested(levels: int) -> bytes:
    """Return a sequence of undefined length, nested so deep."""
    sequence = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ends = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return (sequence + item) * levels + ends * levels


async def test_an_acknowledged_object_is_in_the_journal_whole(tmp_path: Path) -> None:
    ds = small_ct(7, rows=64)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    raw = buffer.getvalue()
    data = raw[read_file_meta(BytesSource(raw)).dataset_offset :]
    async with house(tmp_path) as at:
        answer = await store(at, data, instance=ds.SOPInstanceUID)
        assert answer == Answer(0, "")
        ((arrival, stored),) = at.kept()
    assert arrival.door is By.C_STORE
    assert arrival.received_at == frozen().now()
    assert arrival.sender.institution == "test-township"
    assert (arrival.sender.ae_title, arrival.sender.called_ae_title) == ("MODALITY", "YILIAN")
    assert arrival.sender.address == "127.0.0.1"
    assert arrival.sop_instance_uid == ds.SOPInstanceUID
    assert arrival.study_instance_uid == ds.StudyInstanceUID
    assert arrival.series_instance_uid == ds.SeriesInstanceUID
    assert (arrival.priority, arrival.note) == (Priority.ROUTINE, "")
    assert arrival.size_bytes == len(stored)
    assert stored[arrival.dataset_offset :] == data
    read = pydicom.dcmread(io.BytesIO(stored))
    assert read == ds
    assert read.file_meta.SourceApplicationEntityTitle == "MODALITY"


async def test_an_object_larger_than_a_segment_streams_through(tmp_path: Path) -> None:
    pixels = os.urandom(6 << 20)
    data = dataset(element(0x7FE00010, "OW", pixels))
    async with house(tmp_path) as at:
        assert (await store(at, data)).status == 0
        ((arrival, stored),) = at.kept()
    assert stored[arrival.dataset_offset :] == data


async def test_many_senders_share_the_journal(tmp_path: Path) -> None:
    async with house(tmp_path) as at:

        async def send(sender: int) -> None:
            async with associated(at.door.addresses[0], CT) as scu:
                for number in range(20):
                    instance = f"2.25.990000{sender}.{number}"
                    data = dataset(element(0x7FE00010, "OW", bytes(500)), instance=instance)
                    answer = await scu.store(data, sop_class=CT, instance=instance)
                    assert answer.status == 0
                await scu.release()

        await asyncio.gather(*(send(sender) for sender in range(8)))
        assert len({arrival.sop_instance_uid for arrival, _ in at.kept()}) == 160


ODD = {
    "unknown-sop-class": (dataset(sop_class="2.25.990000.55"), "2.25.990000.55", EXPLICIT_LE),
    "private-transfer-syntax": (dataset(), CT, "2.25.990000.66"),
    "no-study-and-series": (
        element(0x00080016, "UI", uid(CT)) + element(0x00080018, "UI", uid(INSTANCE)),
        CT,
        EXPLICIT_LE,
    ),
    "uid-with-leading-zeros": (dataset(study="2.025.0990"), CT, EXPLICIT_LE),
    "uid-padded-with-a-space": (
        element(0x00080016, "UI", uid(CT)) + element(0x00080018, "UI", b"2.25.990007 "),
        CT,
        EXPLICIT_LE,
    ),
    "another-vr-form-than-negotiated": (dataset(), CT, IMPLICIT_LE),
    "32-levels": (dataset(nested(31)), CT, EXPLICIT_LE),
    "long-header": (
        dataset(*(element(0x00091001 + n, "OB", bytes(40)) for n in range(6000))),
        CT,
        EXPLICIT_LE,
    ),
    "zeros-at-the-end": (dataset() + bytes(64), CT, EXPLICIT_LE),
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_but_valid_is_kept(tmp_path: Path, name: str) -> None:
    data, sop_class, syntax = ODD[name]
    async with house(tmp_path) as at:
        answer = await store(at, data, sop_class=sop_class, syntax=syntax)
        assert answer == Answer(0, "")
        ((arrival, stored),) = at.kept()
    assert stored[arrival.dataset_offset :] == data


async def test_a_sop_class_on_a_context_of_another_is_kept_with_a_note(tmp_path: Path) -> None:
    mr = "1.2.840.10008.5.1.4.1.1.4"
    async with house(tmp_path) as at:
        async with associated(at.door.addresses[0], CT) as scu:
            data = dataset(sop_class=mr)
            answer = await scu.store(data, sop_class=mr, instance=INSTANCE)
            await scu.release()
        assert answer.status == 0
        ((arrival, _),) = at.kept()
    assert arrival.note == "sop-class-not-of-context"


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


BROKEN = {
    "empty": (b"", 0xC000, "The object is empty."),
    "text": (b"Dear colleague,\nplease find enclosed\n" * 20, 0xC000, None),
    "truncated": (
        dataset(element(0x7FE00010, "OW", bytes(1000)))[:-1],
        0xC000,
        "The object ends too early: it was cut short.",
    ),
    "length-fffffff0": (
        dataset(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFF0)),
        0xC000,
        "The object ends too early: it was cut short.",
    ),
    "pixels-without-delimiter": (
        dataset(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + bytes(8)),
        0xC000,
        None,
    ),
    "200-levels": (dataset(nested(200)), 0xC000, "Sequences are nested too deep."),
    "a-million-items": (
        dataset(
            struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 8_000_000)
            + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000
        ),
        0xC000,
        "The object has too many elements.",
    ),
    "no-instance-uid": (
        element(0x00080016, "UI", uid(CT)),
        0xC000,
        "The object has no SOP class or no SOP instance UID.",
    ),
    "study-uid-is-a-path": (
        dataset(study="../../../../tmp/pwn"),
        0xC000,
        "A UID in the object is not valid.",
    ),
    "study-uid-of-65": (
        dataset(study="1." + "2" * 63),
        0xC000,
        "A UID in the object is not valid.",
    ),
    "another-instance": (
        dataset(instance="2.25.990008"),
        0xA900,
        "SOP instance of the object differs from that of the request.",
    ),
    "another-class": (
        dataset(sop_class="1.2.840.10008.5.1.4.1.1.4"),
        0xA900,
        "SOP class of the object differs from that of the request.",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_is_refused_with_a_reason_and_nothing_is_kept(
    tmp_path: Path, name: str
) -> None:
    data, status, comment = BROKEN[name]
    async with house(tmp_path) as at:
        answer = await store(at, data)
        assert at.kept() == []
    assert answer.status == status
    assert answer.comment
    if comment is not None:
        assert answer.comment == comment


async def test_a_deflate_bomb_is_refused(tmp_path: Path) -> None:
    bomb = deflated(dataset(element(0x7FE00010, "OB", bytes(80 << 20))))
    async with house(tmp_path) as at:
        answer = await store(at, bomb, syntax=DEFLATED)
        assert at.kept() == []
    assert answer == Answer(0xC000, "The object inflates to far more than its size allows.")


async def test_a_deflated_object_of_a_few_megabytes_is_kept(tmp_path: Path) -> None:
    data = deflated(dataset(element(0x7FE00010, "OB", bytes(3 << 20))))
    async with house(tmp_path) as at:
        assert (await store(at, data, syntax=DEFLATED)).status == 0
        ((arrival, stored),) = at.kept()
    assert stored[arrival.dataset_offset :] == data


@pytest.mark.parametrize(
    "instance",
    [
        "../../../../tmp/pwn",
        "/etc/cron.d/x",
        "..\\..\\x",
        "1.2\0.3",
        "1." + "2" * 63,
        "1.2.\xef\xbc\x93",
        "$(touch /tmp/p)",
        "",
    ],
)
async def test_an_instance_uid_that_is_none_is_refused_and_names_no_file(
    tmp_path: Path, instance: str
) -> None:
    async with house(tmp_path) as at:
        async with associated(at.door.addresses[0], CT) as scu:
            answer = await scu.store(dataset(), sop_class=CT, instance=instance)
            await scu.release()
        assert at.kept() == []
    assert (answer.status, answer.comment) == (
        0xC000,
        "The SOP class or instance UID is not valid.",
    )
    assert {folder for folder, _, files in os.walk(tmp_path) if files} == {
        str(tmp_path / "journal")
    }


class SmallDisk(Disk):
    """A disk whose free space a test sets."""

    full = False

    def free_bytes(self, directory: Path) -> int:
        return 0 if self.full else super().free_bytes(directory)


async def test_a_full_disk_is_said_and_comes_back_by_itself(tmp_path: Path) -> None:
    disk = SmallDisk()
    async with house(tmp_path, disk=disk) as at:
        assert (await store(at, dataset())).status == 0
        disk.full = True

        async def refused() -> Answer:
            async with associated(at.door.addresses[0], CT) as scu:
                return await scu.store(dataset(), sop_class=CT, instance=INSTANCE)

        async with asyncio.timeout(10):
            while (answer := await refused()).status == 0:
                pass
        assert answer == Answer(0xA700, "There is no room left to keep the object.")
        disk.full = False
        async with asyncio.timeout(10):
            while (await refused()).status:
                pass
