"""Who was examined, as far as neither the rows of the queue nor the images tell."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from gateway.township.ports import OrderedPerson, QueuedStudy
from gateway.township.queue_places import Now
from kernel.dicom.shown import age_at


def person_of(conn: sa.Connection, row: Any, now: Now) -> OrderedPerson:
    """Return the age of the study's patient as the images tell it, else as it was ordered.

    Without a birth date an age on the images is what the worklist gave the device: a guess stays
    one. Only then is the order asked, and who somebody turned out to be is known: whoever nobody
    knew has none.
    """
    stated = OrderedPerson(age_at(row.patient_age, row.patient_birth_date, row.study_date))
    if row.patient_birth_date:
        return stated
    study = QueuedStudy(
        institution=row.institution,
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        patient_id=row.patient_id,
    )
    told = now.people(conn, study)
    if told is None:
        return stated
    return told if told.age is not None else replace(stated, is_now=told.is_now)
