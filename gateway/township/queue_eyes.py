"""Whose eyes see whom: patients of the queue hidden from those who do not need the name."""

import msgspec

from gateway.township.model import Patient, QueueItem
from kernel.identity import Principal
from kernel.policy import masked_id, masked_name, masked_number, shows_full_name


def for_eyes_of(principal: Principal, item: QueueItem) -> QueueItem:
    """Return *item* as *principal* may see it: resident numbers masked for everybody.

    Who does not need the name gets it masked, and the whole number.
    """
    full, now = shows_full_name(principal), item.patient_is_now
    return msgspec.structs.replace(
        item,
        patient=_masked(item.patient, full=full),
        patient_is_now=None if now is None else _masked(now, full=full),
    )


def _masked(given: Patient, *, full: bool) -> Patient:
    if full:
        return msgspec.structs.replace(given, patient_id=masked_number(given.patient_id))
    return msgspec.structs.replace(
        given,
        name=masked_name(given.name),
        alphabetic_name=masked_name(given.alphabetic_name),
        patient_id=masked_id(given.patient_id),
    )
