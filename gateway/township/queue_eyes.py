"""Whose eyes see whom: patients of the queue hidden from those who do not need the name."""

import msgspec

from gateway.township.model import QueueItem
from kernel.identity import Principal
from kernel.policy import masked_id, masked_name, shows_full_name


def for_eyes_of(principal: Principal, item: QueueItem) -> QueueItem:
    """Return *item* with the patient hidden from those who do not need the name."""
    if shows_full_name(principal):
        return item
    patient = msgspec.structs.replace(
        item.patient,
        name=masked_name(item.patient.name),
        patient_id=masked_id(item.patient.patient_id),
    )
    return msgspec.structs.replace(item, patient=patient)
