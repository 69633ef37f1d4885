"""How old a patient is whose images do not tell, bound: the order knows, the queue listens."""

import sqlalchemy as sa

from gateway.township.ports import OrderedAge, QueuedStudy
from referrals.orders.performing import Performed, age_when_ordered, matching


def ordered_age(conn: sa.Connection, study: QueuedStudy, /) -> OrderedAge | None:
    """Return how old the patient of *study*'s order was (``OrderAges``).

    None where it has no order or that is another patient's.
    """
    performed = Performed(
        institution=study.institution,
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
    )
    match = matching(conn, performed)
    if match is None or not match.same_patient:
        return None
    age, estimated = age_when_ordered(conn, match.order)
    return None if age is None else OrderedAge(age, estimated)
