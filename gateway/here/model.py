"""What of a study is on this node, as values. Pure."""

import datetime as dt
from enum import StrEnum
from typing import Final

import msgspec

from gateway.exchange.report_classes import ReportForm
from kernel.dicom.shown import DateTime

TOPIC: Final = "study.here"
"""Of the event whose payload is a ``StudyHere``."""


class ReportState(StrEnum):
    """How far a report is."""

    COMING = "coming"
    """The county has named it; its bytes are on their way."""
    HERE = "here"
    SET_ASIDE = "set-aside"
    """It could not be had; the code says why, and a person may try again."""


class ReportHere(msgspec.Struct, frozen=True, kw_only=True):
    """One report the county sent down."""

    study_instance_uid: str
    """The study it lies in."""
    series_instance_uid: str
    sop_instance_uid: str
    form: ReportForm
    state: ReportState
    at: dt.datetime
    """When this node last heard of it."""
    code: str = ""
    """Why it could not be had."""


class PriorHere(msgspec.Struct, frozen=True, kw_only=True):
    """How far a study is that was asked of the county."""

    state: str
    """``asked``, ``fetching``, ``here``, ``set-aside`` or ``refused``."""
    code: str
    objects: int | None
    """How many there are; None before the county has said."""
    here: int
    set_aside: int
    asked_at: dt.datetime


class StudyHere(msgspec.Struct, frozen=True, kw_only=True):
    """What of one study is on this node; no patient is in it."""

    study_instance_uid: str
    images: int
    """Objects that can be opened here, without the reports the county sent."""
    gone: int
    """Objects that were here and are only at the county now."""
    reports: list[ReportHere]
    prior: PriorHere | None
    """None where nobody asked the county for it."""


class EarlierStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A study of a patient that may be looked at, or asked of the county."""

    study_instance_uid: str
    study_date_time: DateTime | None
    modalities: list[str]
    description: str
    accession_number: str
    images: int | None
    """How many it has in all; None where nobody knows."""
    here: StudyHere
