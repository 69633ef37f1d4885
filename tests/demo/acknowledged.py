"""A modality that keeps a list of what was acknowledged, to hold against what is there later."""

import gc
import io
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from gateway.dimse.scu import Answered, Outgoing, Peer, PeerUnavailable, send
from kernel.identifiers import AETitle


def small_ct(number: int, *, series: int, run: str, size: int = 64) -> bytes:
    """Return one CT image as a Part 10 file; its UIDs and pixels depend on the numbers alone."""
    ds = Dataset()
    root = f"2.25.{int.from_bytes(run.encode()[:8], 'big')}"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{root}.{series}.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{root}.{series}", f"{root}.{series}.0"
    ds.PatientID, ds.PatientName = f"P{series}", f"测试^{series}"
    ds.SpecificCharacterSet, ds.Modality = "ISO_IR 192", "CT"
    ds.InstanceNumber, ds.SeriesNumber = number, 1
    ds.Rows = ds.Columns = size
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    random = np.random.default_rng(number + 1000 * series)
    ds.PixelData = random.integers(0, 4096, (size, size), dtype=np.uint16).tobytes()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        CTImageStorage,
        ds.SOPInstanceUID,
    )
    out = io.BytesIO()
    FileDataset(out, ds, file_meta=meta, preamble=b"\0" * 128).save_as(
        out, enforce_file_format=True
    )
    return out.getvalue()


def write_images(
    folder: Path, count: int, *, series: int, run: str, size: int = 64
) -> list[Outgoing]:
    """Write *count* images and return them as a sender takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(1, count + 1):
        path = folder / f"{series}-{number}.dcm"
        path.write_bytes(small_ct(number, series=series, run=run, size=size))
        root = f"2.25.{int.from_bytes(run.encode()[:8], 'big')}"
        made.append(
            Outgoing(path, CTImageStorage, f"{root}.{series}.{number}", ExplicitVRLittleEndian)
        )
    return made


class Modality:
    """Sends in the background until told to stop or cut off; remembers each acknowledgement."""

    def __init__(self, peer: Peer, images: Sequence[Outgoing]) -> None:
        self.acknowledged: set[str] = set()
        self.progressed = threading.Condition()
        self._peer = peer
        self._images = images
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def finish(self, timeout_s: float = 60) -> set[str]:
        """Wait for the end and return the SOP Instance UIDs that were acknowledged."""
        self._stop.set()
        self._thread.join(timeout_s)
        assert not self._thread.is_alive()
        with warnings.catch_warnings():
            # pynetdicom leaves its socket to the collector when the peer dies in mid-message.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return self.acknowledged

    def wait_for(self, count: int, timeout_s: float = 60) -> None:
        """Return once *count* objects have been acknowledged, or sending has ended."""
        with self.progressed:
            self.progressed.wait_for(
                lambda: len(self.acknowledged) >= count or not self._thread.is_alive(), timeout_s
            )

    def _run(self) -> None:
        try:
            send(self._peer, self._images, self._note)
        except PeerUnavailable:
            pass
        finally:
            with self.progressed:
                self.progressed.notify_all()

    def _note(self, answer: Answered) -> None:
        with self.progressed:
            if answer.accepted:
                self.acknowledged.add(answer.outgoing.sop_instance_uid)
                self.progressed.notify_all()
        if self._stop.is_set():
            raise PeerUnavailable("stopped")


def peer_of(door: dict[str, object], *, timeout_s: float = 20) -> Peer:
    """Return the sender's view of a DICOM door of a ready file."""
    return Peer(
        str(door["host"]),
        int(str(door["port"])),
        AETitle(str(door["ae_title"])),
        AETitle("CT-TEST"),
        timeout_s=timeout_s,
    )
