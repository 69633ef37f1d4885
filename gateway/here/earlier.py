"""A patient's earlier studies: what this node knows of them itself, and what the county has.

The county is asked at once or not at all: who waits at a counter is told that the line is down,
not kept waiting for it.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import sqlalchemy as sa

from gateway.exchange.county_link import CountyLink, CountyUnreachable, body_of, decoded, refusal
from gateway.here.model import EarlierStudy
from gateway.here.store import WhatIsHere
from gateway.township.tables import instances, studies
from kernel.dicom.shown import date_time
from kernel.identifiers import InvalidIdentifier, Uid

MOST: Final = 50
_OK: Final = 200
_NO_CONTENT: Final = 204
_WITHIN_S: Final = 8.0
_WILD: Final = frozenset("*?\\")
_STUDY, _DATE, _TIME, _OFFSET = "0020000D", "00080020", "00080030", "00080201"
_NUMBER, _MODALITIES, _DESCRIPTION = "00080050", "00080061", "00081030"
_IMAGES, _PATIENT = "00201208", "00100020"


@dataclass(frozen=True, slots=True)
class KnownStudy:
    """What is known of a study beside what of it is here."""

    study_instance_uid: str
    study_date: str
    study_time: str
    offset: str
    modalities: tuple[str, ...]
    description: str
    accession_number: str
    images: int | None


def number_of(conn: sa.Connection, study_instance_uid: str, institution: str) -> str:
    """Return the Patient ID of a study that came through this node; empty for none."""
    columns = studies.c
    query = sa.select(columns.patient_id).where(
        columns.study_instance_uid == study_instance_uid, columns.institution == institution
    )
    return conn.scalar(query) or ""


def known_here(conn: sa.Connection, patient_id: str, institution: str) -> list[KnownStudy]:
    """Return the studies of the patient that came through this node, newest first."""
    columns = studies.c
    count = (
        sa.select(sa.func.count(instances.c.sop_instance_uid.distinct()))
        .where(instances.c.study_instance_uid == columns.study_instance_uid)
        .scalar_subquery()
    )
    query = (
        sa.select(studies, count.label("images"))
        .where(columns.patient_id == patient_id, columns.institution == institution)
        .order_by(columns.study_date.desc(), columns.study_time.desc())
        .limit(MOST)
    )
    return [
        KnownStudy(
            study_instance_uid=row.study_instance_uid,
            study_date=row.study_date,
            study_time=row.study_time,
            offset=row.timezone_offset_from_utc,
            modalities=(row.modality,) if row.modality else (),
            description=row.description,
            accession_number=row.accession_number,
            images=row.images,
        )
        for row in conn.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class CountyStudies:
    """Asks the county."""

    link: CountyLink

    async def of_patient(self, patient_id: str) -> list[KnownStudy]:
        """Return the studies of the patient in the reach of this node's house.

        Raises:
            CountyUnreachable: the line is down, or too slow for somebody who waits.
        """
        if not patient_id or _WILD & set(patient_id):
            return []
        asked = [("PatientID", patient_id), ("limit", str(MOST))]
        asked += [("includefield", tag) for tag in (_DESCRIPTION, _OFFSET)]
        headers = {"Accept": "application/dicom+json", "Accept-Encoding": "identity"}
        path = f"/dicom-web/studies?{urlencode(asked)}"
        try:
            async with (
                asyncio.timeout(_WITHIN_S),
                self.link.ask("GET", path, headers=headers) as answer,
            ):
                if answer.status == _NO_CONTENT:
                    return []
                if answer.status != _OK:
                    raise await refusal(answer)
                found = decoded(await body_of(answer), list[dict[str, Any]])
        except TimeoutError as exc:
            raise CountyUnreachable("the county takes too long") from exc
        return [study for each in found if (study := _study(each, patient_id)) is not None]


def _study(each: Mapping[str, Any], patient_id: str) -> KnownStudy | None:
    try:
        uid = Uid.parse(_text(each, _STUDY)).value
    except InvalidIdentifier:
        return None
    if _text(each, _PATIENT) != patient_id:
        return None
    images = _text(each, _IMAGES)
    return KnownStudy(
        study_instance_uid=uid,
        study_date=_text(each, _DATE),
        study_time=_text(each, _TIME),
        offset=_text(each, _OFFSET),
        modalities=tuple(_texts(each, _MODALITIES)),
        description=_text(each, _DESCRIPTION),
        accession_number=_text(each, _NUMBER),
        images=int(images) if images.isascii() and images.isdigit() else None,
    )


def _texts(each: Mapping[str, Any], tag: str) -> list[str]:
    element = each.get(tag)
    values = element.get("Value", []) if isinstance(element, Mapping) else []
    return [str(value) for value in values] if isinstance(values, list) else []


def _text(each: Mapping[str, Any], tag: str) -> str:
    return next(iter(_texts(each, tag)), "")


def with_what_is_here(
    conn: sa.Connection, known: Sequence[KnownStudy], here: WhatIsHere, *, zone: dt.tzinfo
) -> list[EarlierStudy]:
    """Return *known* for the page, with what of each is on this node."""
    found = here.of(conn, [study.study_instance_uid for study in known])
    return [
        EarlierStudy(
            study_instance_uid=study.study_instance_uid,
            study_date_time=date_time(study.study_date, study.study_time, study.offset, zone=zone),
            modalities=list(study.modalities),
            description=study.description,
            accession_number=study.accession_number,
            images=study.images,
            here=one,
        )
        for study, one in zip(known, found, strict=True)
    ]
