"""Patients and orders as they are written down and told: one way out, and one way back."""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from kernel.arrival import Priority
from kernel.errors import Invalid
from kernel.letter import InvalidLetter, Letter
from referrals.orders.accession import fits
from referrals.orders.machine import URGENCY, WEIGHT
from referrals.orders.merge import Version
from referrals.orders.model import Order, Patient, PatientStatus, version_tag

Record: TypeAlias = Patient | Order


class RecordKind(StrEnum):
    """What a version is of; also the kind of its letter."""

    PATIENT = "patient"
    ORDER = "order"


_TYPES: Final[Mapping[RecordKind, type[Record]]] = {
    RecordKind.PATIENT: Patient,
    RecordKind.ORDER: Order,
}
# Who wrote it when, and the moments a machine noted: two nodes that noted one thing agree.
_NOT_CONTENT: Final = frozenset(
    {"version", "written_by_node", "updated_at", "performed_at", "ended_at"}
)
_CHANGE: Final = "change"
_ID: Final = re.compile(r"[0-9a-z]{26}", re.ASCII)
_IDS: Final = ("first_patient", "replaces", "reconciled_with")
_NAME_MAX: Final = 64
_ACT_MAX: Final = 32
_VERSION_MAX: Final = 2**31 - 1
_RECORD: Final = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who did what when."""

    act: str
    at: dt.datetime
    by_username: str = ""
    """Empty where a machine did it."""
    by_name: str = ""
    reason: str = ""
    settles: bool = False
    """Whether a person chose this content to end a conflict."""

    def told(self, record: Record) -> dict[str, Any]:
        """Return what an answer says of it to whoever came too late."""
        return {
            "changed": {
                "act": self.act,
                "at": self.at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
                "by": self.by_name or self.by_username or "modality",
                "version": version_tag(record),
            }
        }


def kind_of(record: Record) -> RecordKind:
    """Return what *record* is."""
    return RecordKind.PATIENT if isinstance(record, Patient) else RecordKind.ORDER


def to_body(record: Record) -> dict[str, Any]:
    """Return *record* as JSON can say it."""
    body: dict[str, Any] = msgspec.to_builtins(record)
    return body


def from_body(kind: RecordKind, body: object) -> Record:
    """Return the record in *body*; unknown fields are passed over.

    Raises:
        InvalidLetter: it is none.
    """
    try:
        record: Record = msgspec.convert(body, _TYPES[kind])
    except msgspec.ValidationError as exc:
        # The text of msgspec may quote a value.
        raise InvalidLetter(f"the body is no {kind}") from exc
    if not _fits(record):
        raise InvalidLetter(f"the body is no {kind}")
    return record


def _fits(record: Record) -> bool:
    """Tell whether what came from outside can be kept: ids, instants, lengths, no NUL."""
    values = asdict(record)
    keys = [record.id, *(values[name] for name in _IDS if values.get(name))]
    if isinstance(record, Order):
        keys.append(record.patient)
        numbers = (record.accession_number, *record.former_accession_numbers)
        if not all(fits(number) for number in numbers):
            return False
    instants = (value for value in values.values() if isinstance(value, dt.datetime))
    names = (record.institution, record.origin_node, record.written_by_node)
    return (
        all(_ID.fullmatch(key) for key in keys)
        and all(instant.tzinfo is not None for instant in instants)
        and all(0 < len(name) <= _NAME_MAX for name in names)
        and 1 <= record.version <= _VERSION_MAX
        and b"\\u0000" not in msgspec.json.encode(values)
    )


def content_digest(record: Record) -> str:
    """Return the SHA-256 of what a person would call the content of *record*."""
    content = {name: value for name, value in asdict(record).items() if name not in _NOT_CONTENT}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def differing(shown: Record, other: Record) -> dict[str, Any]:
    """Return the fields of content in which *other* differs from *shown*, as *other* has them."""
    mine, theirs = to_body(shown), to_body(other)
    return {
        name: value
        for name, value in theirs.items()
        if name not in _NOT_CONTENT and value != mine.get(name)
    }


def version_of(record: Record, change: Change) -> Version:
    """Return this version of *record* as ``merge`` weighs it."""
    if isinstance(record, Patient):
        weight, urgency = int(record.status is PatientStatus.RECONCILED), 0
    else:
        weight, urgency = WEIGHT[record.state], urgency_of(record.priority)
    return Version(
        version=record.version,
        node=record.written_by_node,
        content=content_digest(record),
        weight=weight,
        urgency=urgency,
        settles=change.settles,
    )


def urgency_of(priority: Priority | None) -> int:
    """Return how *priority* weighs between versions; 0 for routine, anything else, or none."""
    return 0 if priority is None else URGENCY.get(priority, 0)


def as_urgent(record: Record, urgency: int) -> Record:
    """Return *record*, an order with the priority that weighs *urgency* where its own is less."""
    if isinstance(record, Patient) or urgency_of(record.priority) >= urgency:
        return record
    return replace(
        record, priority=next(each for each, weighs in URGENCY.items() if weighs == urgency)
    )


def to_letter(record: Record, change: Change) -> Letter:
    """Return the letter that tells another node of this version."""
    body = {
        "institution": record.institution,
        _RECORD: to_body(record),
        _CHANGE: msgspec.to_builtins(change),
    }
    return Letter(kind_of(record).value, record.id, record.version, body)


def from_letter(letter: Letter) -> tuple[Record, Change]:
    """Return what *letter* tells.

    Raises:
        InvalidLetter: it tells of no version of a patient or an order, or its key or version is
            another one than its body's.
    """
    try:
        kind = RecordKind(letter.kind)
        change = msgspec.convert(letter.body.get(_CHANGE), Change)
    except (ValueError, Invalid) as exc:
        raise InvalidLetter("no version of a patient or an order") from exc
    record = from_body(kind, letter.body.get(_RECORD))
    if (record.id, record.version) != (letter.key, letter.version):
        raise InvalidLetter("key and version are those of the body")
    told = msgspec.json.encode(change)
    if change.at.tzinfo is None or len(change.act) > _ACT_MAX or b"\\u0000" in told:
        raise InvalidLetter("nobody can have done that")
    return record, change


def next_version(record: Record, *, after: int, node: str, at: dt.datetime) -> Record:
    """Return *record* as the version behind *after*, written by *node*."""
    return replace(record, version=after + 1, written_by_node=node, updated_at=at)
