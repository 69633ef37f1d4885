"""A modality that keeps a list of what was acknowledged, to hold against what is there later.

It speaks over a plain socket of its own: what it counts is what the door said, when it said it,
and nothing of it outlives a door that dies.
"""

import functools
import hashlib
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from gateway.dimse.command_set import Command, Element
from tests.dimse.wire_bytes import (
    RELEASE_RQ,
    any_store_command,
    associate_rq,
    context,
    p_data,
    pdv,
)

_FRAGMENT_BYTES: Final = 16_000
_ASSOCIATE_AC: Final = 2
_P_DATA: Final = 4


@dataclass(frozen=True, slots=True)
class Image:
    """One CT image: its identifiers, and its data set in explicit VR little endian."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    dataset: bytes

    @property
    def path(self) -> str:
        """Where DICOMweb has it."""
        return (
            f"/dicom-web/studies/{self.study_instance_uid}/series/{self.series_instance_uid}"
            f"/instances/{self.sop_instance_uid}"
        )


def images(count: int, *, series: int, run: str, size: int = 64) -> list[Image]:
    """Return *count* CT images; UIDs and pixels depend on the arguments alone."""
    root = int.from_bytes(hashlib.sha256(run.encode()).digest()[:8], "big")
    study = f"2.25.{root}.{series}"
    made = []
    for number in range(1, count + 1):
        uid = f"{study}.{number}"
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.0"
        ds.PatientID, ds.PatientName, ds.Modality = f"P{series}", f"测试^{series}", "CT"
        ds.InstanceNumber, ds.SeriesNumber = number, 1
        ds.Rows = ds.Columns = size
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        random = np.random.default_rng([root, series, number])
        ds.PixelData = random.integers(0, 4096, (size, size), dtype=np.uint16).tobytes()
        ds["PixelData"].VR = "OW"
        made.append(Image(study, f"{study}.0", uid, _encoded(ds)))
    return made


def _encoded(ds: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, ds)
    return out.getvalue()


class Modality:
    """Sends in a thread of its own until all is sent, it is told to stop, or the door is gone."""

    def __init__(
        self, door: Mapping[str, Any], to_send: Sequence[Image], *, timeout_s: float = 30
    ) -> None:
        self._door = door
        self._images = to_send
        self._timeout_s = timeout_s
        self._acknowledged: set[str] = set()
        self._refused: dict[str, int] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    @property
    def study_path(self) -> str:
        """Where DICOMweb lists what has come of it."""
        return f"/dicom-web/instances?StudyInstanceUID={self._images[0].study_instance_uid}"

    @property
    def acknowledged(self) -> frozenset[str]:
        """SOP Instance UIDs the door has answered 0x0000 to, as of now."""
        with self._changed:
            return frozenset(self._acknowledged)

    @property
    def refused(self) -> dict[str, int]:
        """Status by SOP Instance UID of what the door would not take, as of now."""
        with self._changed:
            return dict(self._refused)

    def send_all(self, timeout_s: float = 60) -> frozenset[str]:
        """Send everything and return what was acknowledged."""
        self.start()
        self._thread.join(timeout_s)
        return self.finish()

    def finish(self, timeout_s: float = 60) -> frozenset[str]:
        """Stop after the object at hand and return what was acknowledged."""
        self._stop.set()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive()
        return self.acknowledged

    def wait_for(self, count: int, timeout_s: float = 60) -> None:
        """Return once *count* objects have been acknowledged, or sending has ended."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._acknowledged) >= count or not self._thread.is_alive(), timeout_s
            )

    def _run(self) -> None:
        try:
            address = (self._door["host"], self._door["port"])
            with socket.create_connection(address, self._timeout_s) as line:
                self._associate(line)
                for image in self._images:
                    if self._stop.is_set():
                        break
                    self._send(line, image)
                line.sendall(RELEASE_RQ)
                _pdu(line)
        except OSError:
            pass
        finally:
            with self._changed:
                self._changed.notify_all()

    def _associate(self, line: socket.socket) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        contexts = [context(1, CTImageStorage, [ExplicitVRLittleEndian])]
        line.sendall(associate_rq(contexts, called=self._door["ae_title"], calling="CT-TEST"))
        kind, _ = _pdu(line)
        if kind != _ASSOCIATE_AC:
            raise ConnectionError(f"no association: {kind}")

    def _send(self, line: socket.socket, image: Image) -> None:
        command = any_store_command(image.sop_instance_uid, sop_class=CTImageStorage)
        line.sendall(p_data(pdv(1, 3, command)) + _fragments(image.dataset))
        kind, body = _pdu(line)
        if kind != _P_DATA:
            raise ConnectionError(f"no answer: {kind}")
        status = Command.decode(body[6:]).us(Element.STATUS)
        assert status is not None
        with self._changed:
            if status == 0:
                self._acknowledged.add(image.sop_instance_uid)
            else:
                self._refused[image.sop_instance_uid] = status
            self._changed.notify_all()


@functools.lru_cache(maxsize=256)
def _fragments(dataset: bytes) -> bytes:
    starts = range(0, len(dataset), _FRAGMENT_BYTES)
    return b"".join(
        p_data(pdv(1, 2 if start == starts[-1] else 0, dataset[start : start + _FRAGMENT_BYTES]))
        for start in starts
    )


def _pdu(line: socket.socket) -> tuple[int, bytes]:
    kind, length = struct.unpack(">BxI", _exactly(line, 6))
    return kind, _exactly(line, length)


def _exactly(line: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = line.recv(count - len(got))
        if not piece:
            raise ConnectionError("the door closed")
        got += piece
    return got
