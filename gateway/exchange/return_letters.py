"""Studies on the way back: the node asks, the county names every object with its content.

A prior is asked for, a report comes by itself; both are objects of a study at the county that the
node fetches, holds against what the letter says, and only then shows.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import sqlalchemy as sa

from gateway.exchange import returns
from gateway.exchange.feed import send_down
from gateway.exchange.model import Kind, Source
from kernel.arrival import ContentDigest, NativeForm
from kernel.identifiers import Uid
from kernel.letter import Letter

_PART: Final = 250
"""Objects of one letter; at most 192 KiB hold."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
NOT_FOUND: Final = "study-not-found"


class NamedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object at the county, and how to know it again."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    digest: ContentDigest
    native: NativeForm | None = None


class ReturnBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``prior`` or ``report`` says."""

    study: str
    refused: str = ""
    """Why there is nothing to fetch; empty where there is."""
    objects_in_all: int = 0
    first: int = 0
    """Place of the first of *objects* among all."""
    objects: list[NamedObject] = []


class ReturnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``prior-request`` says; an older program says and reads nothing."""

    reports: bool = False
    """Whether only the reports that come by themselves are to be named anew."""


class StudyObjects(Protocol):
    """Knows the county's archive."""

    def __call__(
        self, conn: sa.Connection, study: str, institution: str, /
    ) -> Sequence[NamedObject]:
        """Return the objects of *study* in the reach of *institution*; none where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class StudyReports:
    """The reports of a study, and whose it is."""

    institution: str
    objects: Sequence[NamedObject]


class ReportsOf(Protocol):
    """Knows the county's archive."""

    def __call__(self, conn: sa.Connection, study: str, /) -> StudyReports | None:
        """Return what others than its own house filed for reading; None for no such study."""
        ...


def answer_request(objects_of: StudyObjects, reports_of: ReportsOf) -> returns.HandlerFunction:
    """Return the county's reader of ``prior-request`` letters (``ports.Handler``)."""

    def take(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
        study = Uid.parse(letter.key).value
        if not msgspec.convert(letter.body, ReturnRequest).reports:
            found = objects_of(conn, study, source.institution)
            send_study(conn, Kind.PRIOR, study, found, source)
            return
        reports = reports_of(conn, study)
        if reports and reports.objects and reports.institution == source.institution:
            send_study(conn, Kind.REPORT, study, reports.objects, source)

    return take


def send_study(
    conn: sa.Connection, kind: Kind, study: str, objects: Sequence[NamedObject], to: Source
) -> None:
    """Name *objects* of *study* to a node; none of them tells that there is nothing.

    Args:
        conn: a transaction.
        kind: ``prior`` or ``report``.
        study: Study Instance UID.
        objects: which.
        to: whom, and when.
    """
    version = (to.at - _EPOCH) // _MICROSECOND
    bodies = [
        ReturnBody(
            study=study,
            objects_in_all=len(objects),
            first=first,
            objects=list(objects[first : first + _PART]),
        )
        for first in range(0, len(objects), _PART)
    ] or [ReturnBody(study=study, refused=NOT_FOUND)]
    letters = [
        Letter(kind.value, f"{study}/{number}", version, msgspec.to_builtins(body))
        for number, body in enumerate(bodies)
    ]
    send_down(conn, letters, institution=to.institution, node=to.node, at=to.at)


def take_return(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
    """Note at the node what there is to fetch (``ports.Handler``)."""
    body = msgspec.convert(letter.body, ReturnBody)
    study = Uid.parse(body.study).value
    if letter.kind == Kind.PRIOR.value and returns.kind_of(conn, study) == Kind.REPORT.value:
        # Nobody asked for the study: an older county answers so to a question about its reports.
        known = {one.sop_instance_uid for one in returns.objects_of(conn, study)}
        for offset, each in enumerate(body.objects):
            if each.sop_instance_uid in known:
                returns.know_object(conn, study, each, place=body.first + offset)
        returns.settle(conn, study, at=source.at)
        returns.tell(conn, study, institution=source.institution, at=source.at)
        return
    returns.know(conn, study, letter.kind, at=source.at)
    if body.refused:
        returns.refuse(conn, study, body.refused, institution=source.institution, at=source.at)
        return
    for offset, each in enumerate(body.objects):
        returns.know_object(conn, study, each, place=body.first + offset)
    named = returns.Named(body.objects_in_all, letter.version)
    returns.expect(conn, study, named, institution=source.institution, at=source.at)
