"""What an order says of the study made for it, bound: the order knows, queue and archive ask."""

import sqlalchemy as sa

from gateway.township.ports import OrderedAge, QueuedStudy
from imaging.archive.urgency import NamedStudy
from referrals.orders.model import Order
from referrals.orders.performing import Performed, age_when_ordered, matching


def order_of(conn: sa.Connection, study: QueuedStudy | NamedStudy) -> Order | None:
    """Return the order *study* was made for, None where it has none or another patient's."""
    performed = Performed(
        institution=study.institution,
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
    )
    match = matching(conn, performed)
    return match.order if match is not None and match.same_patient else None


def ordered_age(conn: sa.Connection, study: QueuedStudy, /) -> OrderedAge | None:
    """Return how old the patient was when *study* was ordered (``OrderAges``), None if untold."""
    order = order_of(conn, study)
    if order is None:
        return None
    age, estimated = age_when_ordered(conn, order)
    return None if age is None else OrderedAge(age, estimated)
