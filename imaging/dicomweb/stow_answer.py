"""What STOW-RS answers: which objects are kept, which are not and why (PS3.18 10.5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from imaging.dicomweb.resources import address
from kernel.dicom.status import comment_of, status_of
from kernel.errors import Category, PlatformError


class WarningReason(IntEnum):
    """Warning Reason (0008,1196); PS3.18 Table I.2-1."""

    DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xB007
    """Kept, but not what answers for its UID; a person must look."""


_REASONS_TOLD: Final = 8
_PARTS_TOLD: Final = 8
_PASSING: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An object that is durable here."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    warning: WarningReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A part that is not kept."""

    reason: int
    """Failure Reason (0008,1197): the status C-STORE answers the same object with."""
    comment: str
    """Why, for people: plain ASCII, no patient data."""
    part: int = 0
    """Place among the parts of the request, from 1; 0 where it is not a part's fault."""
    passing: bool = False
    """Whether the same object may be kept later."""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


def refused(
    error: PlatformError, *, part: int = 0, sop_class_uid: str = "", sop_instance_uid: str = ""
) -> Refused:
    """Return *error* as what became of a part."""
    return Refused(
        reason=status_of(error),
        comment=comment_of(error),
        part=part,
        passing=error.category in _PASSING,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
    )


def status(kept: Sequence[Kept], failed: Sequence[Refused]) -> int:
    """Return the HTTP status (PS3.18 Table 10.5.3-1).

    200 all kept, warnings or not; 202 some; 409 none; 503 none, but the same may be kept later,
    which clients try by themselves.
    """
    if kept:
        return 202 if failed else 200
    return 503 if failed and all(each.passing for each in failed) else 409


def warnings(failed: Sequence[Refused]) -> list[str]:
    """Return why parts are not kept, as texts of Warning headers; each reason once, and bounded."""
    parts: dict[str, list[int]] = {}
    for each in failed:
        parts.setdefault(each.comment, []).append(each.part)
    told = []
    for comment, numbers in list(parts.items())[:_REASONS_TOLD]:
        named = ", ".join(str(number) for number in numbers[:_PARTS_TOLD] if number)
        more = f" and {len(numbers) - _PARTS_TOLD} more" if len(numbers) > _PARTS_TOLD else ""
        told.append(f"Part {named}{more}: {comment}" if named else comment)
    return told


def answer(kept: Sequence[Kept], failed: Sequence[Refused], *, origin: str) -> dict[str, Any]:
    """Return the Store Instances Response as DICOM JSON (PS3.18 Table 10.5.3-2).

    Args:
        kept: objects that are durable.
        failed: parts that are not kept.
        origin: scheme and authority the client reached us under; Retrieve URLs begin with it.

    Parts of which no SOP Instance UID is known are Other Failures; every part is in one of the
    sequences.
    """
    named = [each for each in failed if each.sop_instance_uid]
    nameless = [each for each in failed if not each.sop_instance_uid]
    made: dict[str, Any] = {}
    studies = {each.study_instance_uid for each in kept}
    if len(studies) == 1:
        made["00081190"] = _value("UR", origin + address(studies.pop()))
    if named:
        made["00081198"] = _sequence([_failed(each) for each in named])
    if kept:
        made["00081199"] = _sequence([_kept(each, origin) for each in kept])
    if nameless:
        made["0008119A"] = _sequence([{"00081197": _value("US", each.reason)} for each in nameless])
    return made


def _kept(each: Kept, origin: str) -> dict[str, Any]:
    where = address(each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid)
    item = {
        "00081150": _value("UI", each.sop_class_uid),
        "00081155": _value("UI", each.sop_instance_uid),
        "00081190": _value("UR", f"{origin}{where}"),
    }
    if each.warning is not None:
        item["00081196"] = _value("US", each.warning)
    return item


def _failed(each: Refused) -> dict[str, Any]:
    item = {"00081150": _value("UI", each.sop_class_uid)} if each.sop_class_uid else {}
    return item | {
        "00081155": _value("UI", each.sop_instance_uid),
        "00081197": _value("US", each.reason),
    }


def _value(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [int(value) if isinstance(value, int) else value]}


def _sequence(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": items}
