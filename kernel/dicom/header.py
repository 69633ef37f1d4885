"""The facts of one object that the index and the screen need, with its text made readable.

Nothing here changes the object. What is odd but usable is kept and named in ``oddities``; only an
object that cannot be told apart from others (no or impossible UIDs) is refused.
"""

import re
from typing import Any, Final

import msgspec

from kernel.dicom.bounds import bounded, bounded_name
from kernel.dicom.charset import decode_as_declared, decode_text, settle
from kernel.dicom.elements import Scan
from kernel.dicom.part10 import BrokenDataset, Source
from kernel.identifiers import InvalidIdentifier, Uid

__all__ = ["Header", "decode_text", "person_name", "read_header"]

_CHARSET: Final = 0x00080005
_TEXTS: Final = {
    "institution_name": (0x00080080, "LO"),
    "referring_physician_name": (0x00080090, "PN"),
    "station_name": (0x00081010, "SH"),
    "study_description": (0x00081030, "LO"),
    "series_description": (0x0008103E, "LO"),
    "patient_name": (0x00100010, "PN"),
    "patient_id": (0x00100020, "LO"),
    "issuer_of_patient_id": (0x00100021, "LO"),
    "protocol_name": (0x00181030, "LO"),
    "study_id": (0x00200010, "SH"),
    "accession_number": (0x00080050, "SH"),
    "manufacturer": (0x00080070, "LO"),
    "manufacturer_model_name": (0x00081090, "LO"),
}
_CODES: Final = {
    "modality": 0x00080060,
    "patient_sex": 0x00100040,
    "patient_age": 0x00101010,
    "body_part_examined": 0x00180015,
    "photometric_interpretation": 0x00280004,
}
_DATES: Final = {
    "study_date": 0x00080020,
    "series_date": 0x00080021,
    "patient_birth_date": 0x00100030,
}
_TIMES: Final = {"study_time": 0x00080030, "series_time": 0x00080031}
_INTEGERS: Final = {"series_number": 0x00200011, "instance_number": 0x00200013}
_UNSIGNED: Final = {
    "samples_per_pixel": 0x00280002,
    "planar_configuration": 0x00280006,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "bits_allocated": 0x00280100,
    "bits_stored": 0x00280101,
    "high_bit": 0x00280102,
    "pixel_representation": 0x00280103,
}
_NUMBER_OF_FRAMES: Final = 0x00280008
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
_STUDY: Final = 0x0020000D
_SERIES: Final = 0x0020000E

_DATE: Final = re.compile(r"(\d{4})[.\-/]?(0[1-9]|1[0-2])[.\-/]?(0[1-9]|[12]\d|3[01])")
_TIME: Final = re.compile(
    r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(\.\d{1,6})?)?)?", re.ASCII
)
_INTEGER: Final = re.compile(r"[+-]?\d{1,10}(?=\.0*$|$)", re.ASCII)
_FRAMES_MAX: Final = 2**31 - 1
_CUT: Final = "text-cut"
_WILDCARDS: Final = frozenset("*?")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What one object says of itself.

    Text is decoded, repaired, without padding, and cut to what every index takes
    (``kernel.dicom.bounds``); ``text-cut`` among the oddities says so.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    """Study and series are empty where the object has none (a colour palette, a DICOMDIR)."""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    """``Alphabetic=Ideographic=Phonetic``, empty groups at the end left out."""
    patient_sex: str = ""
    patient_birth_date: str = ""
    """YYYYMMDD or empty, as every date here."""
    patient_age: str = ""
    study_date: str = ""
    study_time: str = ""
    """HH, HHMM, HHMMSS or HHMMSS.ffffff, or empty, as every time here."""
    study_id: str = ""
    accession_number: str = ""
    study_description: str = ""
    referring_physician_name: str = ""
    series_date: str = ""
    series_time: str = ""
    series_description: str = ""
    series_number: int | None = None
    modality: str = ""
    body_part_examined: str = ""
    instance_number: int | None = None
    number_of_frames: int = 1
    rows: int | None = None
    columns: int | None = None
    samples_per_pixel: int | None = None
    planar_configuration: int | None = None
    photometric_interpretation: str = ""
    bits_allocated: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    pixel_representation: int | None = None
    institution_name: str = ""
    station_name: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    protocol_name: str = ""
    specific_character_set: str = ""
    """As declared, values separated by a backslash."""
    text_character_set: str = ""
    """What the text really is in; differs from the declared where ``charset_repaired``."""
    charset_repaired: bool = False
    unidentified: bool = False
    """The patient id is missing, blank, or holds a wild card."""
    oddities: tuple[str, ...] = ()


def read_header(source: Source, scan: Scan, *, charset_hint: str = "") -> Header:
    """Return the facts of the object in *scan*.

    Args:
        source: the object's bytes; those of a deflated object are taken from *scan*.
        scan: its walk.
        charset_hint: the character set its sender is known to mean where it declares none or
            ISO_IR 100, e.g. ``GB18030``.

    Raises:
        BrokenDataset: SOP class or instance UID is missing (``no-sop-uid``), or one of the four
            UIDs is not a UID (``bad-uid``).
    """
    del source
    uids = _uids(scan)
    oddities = list(scan.oddities)
    declared = scan.text(_CHARSET)
    raws = {name: scan.value(tag) for name, (tag, _) in _TEXTS.items()}
    charsets, repaired = settle(raws.values(), declared.split("\\"), hint=charset_hint)
    if repaired:
        oddities.append("character-set-repaired")
    texts: dict[str, Any] = {
        name: _clean(decode_as_declared(raw, _TEXTS[name][1], charsets), _TEXTS[name][1])
        if raw
        else ""
        for name, raw in raws.items()
    }
    for name, whole in texts.items():
        kept = bounded_name(whole) if _TEXTS[name][1] == "PN" else bounded(whole)
        if kept != whole:
            texts[name] = kept
            _note(oddities, _CUT)
    facts = _facts(scan, oddities)
    unidentified = not texts["patient_id"] or not _WILDCARDS.isdisjoint(texts["patient_id"])
    return Header(
        **uids,
        **texts,
        **facts,
        transfer_syntax_uid=scan.transfer_syntax_uid,
        specific_character_set=declared,
        text_character_set="\\".join(charsets),
        charset_repaired=repaired,
        unidentified=unidentified,
        oddities=tuple(oddities),
    )


def _uids(scan: Scan) -> dict[str, Any]:
    found = {
        "sop_class_uid": scan.text(_SOP_CLASS),
        "sop_instance_uid": scan.text(_SOP_INSTANCE),
        "study_instance_uid": scan.text(_STUDY),
        "series_instance_uid": scan.text(_SERIES),
    }
    if not found["sop_class_uid"] or not found["sop_instance_uid"]:
        raise BrokenDataset("no-sop-uid", "SOP class or SOP instance UID is missing")
    for name, value in found.items():
        if value:
            try:
                Uid.parse(value)
            except InvalidIdentifier as exc:
                detail = f"{name} is not a UID ({len(value)} characters)"
                raise BrokenDataset("bad-uid", detail) from exc
    return found


def _facts(scan: Scan, oddities: list[str]) -> dict[str, Any]:
    """Return everything that is no UID and no free text; what does not parse is left out."""
    facts: dict[str, Any] = {}
    for name, tag in _CODES.items():
        whole = _first(scan.text(tag))
        facts[name] = bounded(whole)
        if facts[name] != whole:
            _note(oddities, _CUT)
    for name, tag in _DATES.items():
        facts[name] = _matched(_DATE, _first(scan.text(tag)), "bad-date", oddities)
    for name, tag in _TIMES.items():
        facts[name] = _matched(_TIME, _first(scan.text(tag)), "bad-time", oddities)
    for name, tag in _INTEGERS.items():
        facts[name] = _integer(_first(scan.text(tag)), oddities)
    for name, tag in _UNSIGNED.items():
        facts[name] = scan.unsigned(tag)
    frames = _integer(_first(scan.text(_NUMBER_OF_FRAMES)), oddities)
    facts["number_of_frames"] = frames if frames and 0 < frames <= _FRAMES_MAX else 1
    return facts


def _first(text: str) -> str:
    return text.partition("\\")[0].replace("\0", "").strip(" ")


def _note(oddities: list[str], oddity: str) -> None:
    if oddity not in oddities:
        oddities.append(oddity)


def _matched(pattern: re.Pattern[str], text: str, oddity: str, oddities: list[str]) -> str:
    found = pattern.fullmatch(text)
    if found is None:
        if text:
            _note(oddities, oddity)
        return ""
    return "".join(group or "" for group in found.groups())


def _integer(text: str, oddities: list[str]) -> int | None:
    found = _INTEGER.match(text)
    if found is None:
        if text:
            _note(oddities, "bad-integer")
        return None
    return int(found[0])


def _clean(text: str, vr: str) -> str:
    return person_name(text) if vr == "PN" else text.replace("\0", "").strip(" \r\n\t\f")


def person_name(text: str) -> str:
    """Return a decoded person name without NULs, padding and empty groups and components."""
    first = text.partition("\\")[0].replace("\0", "")
    groups = [group.strip(" ").rstrip("^ ") for group in first.split("=")]
    return "=".join(groups).rstrip("=")
