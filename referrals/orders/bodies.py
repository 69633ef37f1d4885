"""What the routes of patients and orders take and answer."""

import datetime as dt
from typing import Literal

import msgspec

from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.views import OrderRow, RegisteredPatient


class PatientQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the list of patients; days are of the registration."""

    q: str = ""
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    limit: int = 50
    cursor: str = ""


class OrderQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of the list of orders; days are of the examination."""

    q: str = ""
    state: str = ""
    """One state, or several with commas."""
    patient: str = ""
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    limit: int = 50
    cursor: str = ""


class DayQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameter of a day's worklist; today in legal time without it."""

    date: dt.date | None = None


class ExaminationQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameter of the catalogue."""

    q: str = ""


class PatientPage(msgspec.Struct, frozen=True, kw_only=True):
    """Patients, newest first."""

    items: list[RegisteredPatient]
    next_cursor: str | None
    last_event_id: int


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, the latest planned first."""

    items: list[OrderRow]
    next_cursor: str | None
    last_event_id: int


class NumbersLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Accession numbers this node can still give out for the asker's institution."""

    left: int
    can_order: bool
    """False where none is left and only the county can send new ones."""


class DayPage(msgspec.Struct, frozen=True, kw_only=True):
    """One day's examinations, by time."""

    date: dt.date
    items: list[OrderRow]
    counts: dict[str, int]
    """By state."""
    more: bool
    """There are more than fit."""
    accession_numbers: NumbersLeft
    last_event_id: int


class OrderBody(msgspec.Struct, frozen=True, kw_only=True):
    """An examination for somebody registered, or for somebody to register with it."""

    order: NewOrder
    patient: str = ""
    """``id`` of somebody registered."""
    new_patient: NewPatient | None = None
    """Somebody to register; both are written, or neither."""


class ReasonBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why; needed to cancel and to discontinue."""

    reason: str = ""


class ReconcileBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who an unknown patient is."""

    patient: str


class SettleBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the versions in conflict holds."""

    keep: str


class RevealBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which number to show."""

    field: Literal["resident_id", "phone", "patient_id"]


class Revealed(msgspec.Struct, frozen=True, kw_only=True):
    """One number, for thirty seconds on one page."""

    field: str
    value: str
    hide_after_s: int = 30
