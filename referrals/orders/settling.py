"""Which contents of a record lie open, and what a person's choice between them makes of it.

A choice is a version of its own, so nothing is lost by it: as long as nothing came after, the same
versions can be chosen from again for some days.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.errors import Conflict
from kernel.identity import Principal
from kernel.policy import Act as Duty, Reason, Subject, decide, masked_id, masked_number
from referrals.orders import store
from referrals.orders.merge import Version, standing
from referrals.orders.model import Order, OrderMissing, PatientMissing, version_tag
from referrals.orders.records import Change, Record, RecordKind, differing, kind_of, to_body
from referrals.orders.store import KeptVersion
from referrals.orders.views import masked_phone

CHOOSE_AGAIN: Final = dt.timedelta(days=7)
"""How long a choice can be made otherwise, while nothing came after it."""
VERSIONS_SHOWN: Final = 20
"""Contents of one record an answer holds, the newest."""
_MASKS: Final = {
    "patient_id": masked_number,
    "resident_id": masked_id,
    "phone": masked_phone,
}


class NoSuchConflict(Conflict):
    """None of the record's versions in conflict has that name."""

    code = "no-such-conflict"


class OpenVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One of the contents in conflict."""

    version: str
    """What ``settle`` takes as ``keep``."""
    node: str
    act: str
    at: dt.datetime
    by: str
    shown: bool
    """Whether it is the one that is true: until somebody settles it, or as somebody chose."""
    differs: dict[str, Any]
    """The fields in which the contents are not all alike, as it has them; numbers masked."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be chosen between, and what was."""

    versions: tuple[Version, ...]
    """The newest first; none where nothing is in conflict and nothing was of late."""
    chosen: Change | None = None
    """Who chose what, where somebody did and may still choose otherwise."""


def choice_of(known: Iterable[KeptVersion], now: dt.datetime) -> Choice:
    """Return what can be chosen between, by the versions *known* of one record. Pure."""
    kept = list(known)
    stands = standing(each.version for each in kept)
    if stands.open:
        return Choice(_newest_first({*stands.open, stands.shown}))
    chosen = next(each.change for each in kept if each.version == stands.shown)
    if not stands.shown.settles or now - chosen.at > CHOOSE_AGAIN:
        return Choice(())
    # Whoever chose again has left the choices before behind.
    written = max(each.version.version for each in kept if not each.version.settles)
    before = standing(
        each.version for each in kept if not each.version.settles or each.version.version < written
    )
    return Choice(_newest_first({*before.open, before.shown}), chosen)


def _newest_first(versions: Iterable[Version]) -> tuple[Version, ...]:
    return tuple(sorted(versions, key=lambda each: each.rank, reverse=True))


def chosen_version(choice: Choice, keep: str) -> Version:
    """Return the version called *keep*; raises ``NoSuchConflict`` where it is not for choosing."""
    for each in choice.versions:
        if _name(each) == keep:
            return each
    raise NoSuchConflict("none of its versions in conflict has that name")


@dataclass(frozen=True, slots=True)
class ToSettle:
    """A record somebody may choose about."""

    record: Record
    choice: Choice
    reason: str
    """Why they may (``kernel.policy.Decision.reason``)."""


def to_settle(  # who, about what, where and when
    conn: sa.Connection,
    who: Principal,
    kind: RecordKind,
    record: str,
    *,
    centre: str,
    now: dt.datetime,
) -> ToSettle:
    """Return the record *who* may choose about.

    Raises:
        PatientMissing, OrderMissing: not there, or another institution's; at the centre also one
            of another institution that nobody has to choose about.
        Forbidden: not their role.
    """
    patient = kind is RecordKind.PATIENT
    missing = PatientMissing if patient else OrderMissing
    found: Record | None = (
        store.find_patient(conn, record) if patient else store.find_order(conn, record)
    )
    if found is None:
        raise missing
    subject = Subject(found.institution, frozenset({centre} - {""}))
    decision = decide(who, Duty.SETTLE_CONFLICT, subject)
    if decision.reason == Reason.OTHER_INSTITUTION:
        raise missing
    if not decision.allowed:
        raise decision.error()
    choice = choice_of(store.versions_of(conn, kind, record), now)
    if decision.reason == Reason.ROUTED_HERE and not choice.versions:
        raise missing
    return ToSettle(found, choice, decision.reason)


def settled(shown: Record, chosen: Record) -> Record:
    """Return what is written when *chosen* is to hold. Pure.

    What is known of an order's number is not for choosing, nor who its patient turned out to be.
    """
    if isinstance(chosen, Order) and isinstance(shown, Order):
        return replace(
            chosen,
            patient=shown.patient,
            first_patient=shown.first_patient,
            accession_number=shown.accession_number,
            requested_procedure_id=shown.requested_procedure_id,
            former_accession_numbers=shown.former_accession_numbers,
        )
    return chosen


def _name(version: Version) -> str:
    return f"{version.version}.{version.node}"


def open_versions(
    conn: sa.Connection, shown: Record, choice: Choice, *, limit: int = VERSIONS_SHOWN
) -> list[OpenVersion]:
    """Return the contents of *choice* as pages show them, at most *limit*, the newest first."""
    kind = kind_of(shown)
    changes = {_name(kept.version): kept.change for kept in store.versions_of(conn, kind, shown.id)}
    keeps = choice.chosen.reason if choice.chosen else version_tag(shown)
    told = choice.versions[:limit]
    records = [settled(shown, store.record_at(conn, kind, shown.id, each)) for each in told]
    fields = sorted({field for record in records for field in differing(shown, record)})
    found = []
    for version, record in zip(told, records, strict=True):
        change, content = changes[_name(version)], to_body(record)
        found.append(
            OpenVersion(
                version=_name(version),
                node=version.node,
                act=change.act,
                at=change.at,
                by=change.by_name or change.by_username,
                shown=_name(version) == keeps,
                differs=_masked({field: content[field] for field in fields}),
            )
        )
    return found


def _masked(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _MASKS[name](value) if name in _MASKS and isinstance(value, str) else value
        for name, value in fields.items()
    }
