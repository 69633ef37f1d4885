"""Input no standard foresaw: odd but valid objects, broken ones, hostile ones, as data sets."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.demo.acknowledged import images

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_PRIVATE_CLASS: Final = "1.2.276.0.990000.1"
_LONG: Final = frozenset({b"OB", b"OW", b"SQ", b"UN", b"UT"})
_BOMB_BYTES: Final = 128 << 20


@dataclass(frozen=True, slots=True)
class Offered:
    """One object as it is offered at every door.

    Attributes:
        sop_class_uid: as the C-STORE command says it.
        sop_instance_uid: likewise.
        dataset: what follows the file meta group.
        head: what stands before it in a file; a whole one unless given.
    """

    sop_class_uid: str
    sop_instance_uid: str
    dataset: bytes
    transfer_syntax_uid: str = EXPLICIT_LE
    head: bytes | None = None

    @property
    def file(self) -> bytes:
        """The object as a file."""
        if self.head is not None:
            return self.head + self.dataset
        return file_head(self) + self.dataset


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """Return one element in explicit VR little endian; *length* may lie."""
    stated = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return (
        head + struct.pack("<HI" if vr in _LONG else "<H", *([0] * (vr in _LONG)), stated) + value
    )


def text(tag: int, vr: bytes, value: bytes) -> bytes:
    """Return an element of even length."""
    return element(tag, vr, value + (b"\0" if vr == b"UI" else b" ") * (len(value) & 1))


def file_head(offered: Offered, *, group_length: int | None = None) -> bytes:
    """Return preamble, prefix and file meta group."""
    group = b"".join(
        (
            element(0x00020001, b"OB", b"\0\1"),
            text(0x00020002, b"UI", offered.sop_class_uid.encode()),
            text(0x00020003, b"UI", offered.sop_instance_uid.encode()),
            text(0x00020010, b"UI", offered.transfer_syntax_uid.encode()),
        )
    )
    length = len(group) if group_length is None else group_length
    return b"\0" * 128 + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", length)) + group


def plain(
    uid: str,
    *,
    sop_class_uid: str = CT,
    patient_id: bytes | None = b"BAD1",
    name: bytes = b"Test^Offered",
    charset: bytes = b"ISO_IR 192",
    more: bytes = b"",
) -> Offered:
    """Return a small object without pixels; *more* are elements behind the identifying ones."""
    parts = [
        text(0x00080005, b"CS", charset),
        text(0x00080016, b"UI", sop_class_uid.encode()),
        text(0x00080018, b"UI", uid.encode()),
        text(0x00080060, b"CS", b"CT"),
        text(0x00100010, b"PN", name),
        b"" if patient_id is None else text(0x00100020, b"LO", patient_id),
        text(0x0020000D, b"UI", f"{uid}.1".encode()[:64]),
        text(0x0020000E, b"UI", f"{uid}.2".encode()[:64]),
        more,
    ]
    return Offered(sop_class_uid, uid, b"".join(parts))


def odd() -> dict[str, Offered]:
    """Return objects that every door takes, each in a study of its own."""
    found = {
        "an unknown SOP class": plain("2.25.990000.1", sop_class_uid=_PRIVATE_CLASS),
        "no patient id": plain("2.25.990000.2", patient_id=None),
        "a wild card as patient id": plain("2.25.990000.3", patient_id=b"*"),
        "GBK under ISO_IR 100": plain(
            "2.25.990000.4", charset=b"ISO_IR 100", name="张三".encode("gbk")
        ),
        "leading zeros in its UID": plain("2.25.990000.05.007"),
    }
    bare = plain("2.25.990000.6")
    found["no preamble"] = Offered(CT, bare.sop_instance_uid, bare.dataset, head=b"")
    wrong = plain("2.25.990000.7")
    head = file_head(wrong, group_length=7)
    found["a wrong group length"] = Offered(CT, wrong.sop_instance_uid, wrong.dataset, head=head)
    return found


def broken() -> dict[str, Offered]:
    """Return objects that no door takes."""
    (short,) = images(1, series=1, run="broken")
    end = element(0x00204000, b"LT", b"")
    liar = element(0x00204000, b"LT", b"no more", length=0xFFF0)
    return {
        "cut short": Offered(CT, short.sop_instance_uid, short.dataset[:-100]),
        "a length beyond its end": plain("2.25.990000.11", more=liar),
        "a sequence without end": plain(
            "2.25.990000.12", more=element(0x0040A730, b"SQ", b"", length=0xFFFFFFFF)
        ),
        "a path for a UID": plain("../../../../tmp/yilian-was-here"),
        "a UID of 70 characters": plain("2.25." + "1" * 65),
        "200 nested levels": plain("2.25.990000.13", more=_nested(200)),
        "a million items": plain("2.25.990000.14", more=_items(1_000_000)),
        "a deflate bomb": _bomb(plain("2.25.990000.15", more=end)),
    }


def nonsense() -> dict[str, bytes]:
    """Return files that are no DICOM at all."""
    return {
        "a text file": "检查单：张三，头颅CT平扫。\n".encode() * 40,
        "nothing": b"",
        "a page": b"<!doctype html><script>alert(1)</script>" * 10,
    }


def _nested(levels: int) -> bytes:
    begins = element(0x0040A730, b"SQ", b"", length=0xFFFFFFFF)
    begins += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return begins * levels + ends * levels


def _items(count: int) -> bytes:
    return element(0x0040A730, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count)


def _bomb(inner: Offered) -> Offered:
    packer = zlib.compressobj(9, wbits=-15)
    parts = [packer.compress(inner.dataset)]
    parts.append(packer.compress(element(0x7FE00010, b"OB", b"", length=_BOMB_BYTES)))
    parts += [packer.compress(bytes(1 << 20)) for _ in range(_BOMB_BYTES >> 20)]
    dataset = b"".join([*parts, packer.flush()])
    return Offered(CT, inner.sop_instance_uid, dataset + b"\0" * (len(dataset) & 1), DEFLATED)


def swollen() -> bytes:
    """Return a file that is honest about its 128 MiB of zeros."""
    pixels = element(0x7FE00010, b"OB", b"", length=_BOMB_BYTES)
    return plain("2.25.990000.16", more=pixels).file + bytes(_BOMB_BYTES)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of *members* under exactly their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, content in members.items():
            folder.writestr(name, content)
    return out.getvalue()
