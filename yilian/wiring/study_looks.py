"""Studies of a node's own index, as the room of orders looks at them."""

from functools import partial

import sqlalchemy as sa
from aiohttp import web

from imaging.archive.looks import look_at_study
from imaging.archive.tables import study
from kernel.policy import Act, require
from kernel.web import DATABASE, PRINCIPAL
from referrals.orders.http_study import SeenStudy


async def archived_look(request: web.Request, study_instance_uid: str, /) -> SeenStudy:
    """Return the study once the asker may read it (``referrals.orders.http_study.StudyLooks``)."""
    ref = await look_at_study(request, study_instance_uid, Act.READ_STUDY)
    decision = require(request[PRINCIPAL], Act.READ_STUDY, ref.subject)
    number = await request.app[DATABASE].read(partial(_accession_number, study_id=ref.id))
    return SeenStudy(
        institution=ref.subject.institution,
        study_instance_uid=ref.study_instance_uid,
        accession_number=number,
        patient_id=ref.patient_id,
        reason=decision.reason,
    )


def _accession_number(conn: sa.Connection, *, study_id: int) -> str:
    query = sa.select(study.c.accession_number).where(study.c.id == study_id)
    return conn.scalar(query) or ""
