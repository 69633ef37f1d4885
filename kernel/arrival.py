"""What came through a door: the header of every object in an ingest journal.

An object enters by C-STORE, STOW, a browser upload, or a township's parcel. Whichever door took
it writes the same ``Arrival`` beside its bytes, so that whatever files it later (the township's
spool, the county's archive) has one shape to read. The bytes are always one whole DICOM Part 10
file (preamble, file meta group, data set).
"""

import datetime as dt
from enum import StrEnum

import msgspec


class Door(StrEnum):
    """By which way an object came in."""

    C_STORE = "c-store"
    STOW = "stow"
    UPLOAD = "upload"
    PARCEL = "parcel"


class Priority(StrEnum):
    """How urgent the examination is; the order of sending and of reading."""

    EMERGENCY = "emergency"
    URGENT = "urgent"
    ROUTINE = "routine"
    BACKFILL = "backfill"


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who handed the object over."""

    institution: str
    """Code of the institution the object belongs to."""
    ae_title: str = ""
    """Calling AE title, where the door knows one."""
    called_ae_title: str = ""
    address: str = ""
    """Network address of the peer, without port."""
    username: str = ""
    """The signed-in person or machine, where the door knows one."""


class NativeForm(msgspec.Struct, frozen=True, kw_only=True):
    """What an object was before it was compressed without loss, so that it can be given back."""

    transfer_syntax_uid: str
    photometric_interpretation: str = ""
    planar_configuration: int | None = None
    pixel_vr: str = ""
    """VR of Pixel Data (OB or OW), which encapsulation makes OB."""


class ContentDigest(msgspec.Struct, frozen=True, kw_only=True):
    """SHA-256 of what an object says, whatever its encoding (lower-case hex)."""

    dataset: str
    """Of the canonical data set without pixel data (``kernel.dicom.content``)."""
    pixels: str = ""
    """Of the decoded frames; of the code stream where it is lossy or cannot be decoded; empty
    where there is no pixel data."""

    @property
    def whole(self) -> str:
        """Both in one, separated by a hyphen; equality of content is equality of this."""
        return f"{self.dataset}-{self.pixels}"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One object as it came through a door."""

    door: Door
    received_at: dt.datetime
    sender: Sender
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    dataset_offset: int
    """Where the data set begins in the Part 10 bytes, after the file meta group."""
    size_bytes: int
    priority: Priority = Priority.ROUTINE
    native: NativeForm | None = None
    digest: ContentDigest | None = None
    """Set where the door has already computed and checked it."""
    parcel_id: str = ""
    note: str = ""
    """Code of an oddity the door kept rather than refused, or empty."""


_ENCODE = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(Arrival)


def encode_arrival(arrival: Arrival) -> bytes:
    """Return *arrival* as the JSON bytes a journal record carries."""
    return _ENCODE.encode(arrival)


def decode_arrival(raw: bytes) -> Arrival:
    """Return the arrival in *raw*; raises ``msgspec.ValidationError`` for anything else."""
    return _DECODE.decode(raw)
