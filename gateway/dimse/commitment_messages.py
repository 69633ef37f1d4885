"""The data sets of storage commitment, read and written (PS3.4 Tables J.3-1 and J.3-2)."""

import dataclasses
from typing import Final

from gateway.dimse.attributes import LIMITS, items_of, read_message, text_of, write_attributes
from gateway.dimse.ports import CommitmentResult, Reference
from kernel.errors import Invalid, TooLarge
from kernel.identifiers import InvalidIdentifier, Uid

ALL_COMMITTED: Final = 1
SOME_FAILED: Final = 2
"""Event Type IDs (PS3.4 J.3.3.1)."""
REFERENCES_MAX: Final = 10_000
_LIMITS: Final = dataclasses.replace(LIMITS, elements=60_000, elements_most=60_000)


def read_request(raw: bytes, transfer_syntax: str) -> tuple[Uid, tuple[Reference, ...]]:
    """Return the transaction and the instances the N-ACTION-RQ data set *raw* asks about.

    An instance named twice counts once.

    Raises:
        Invalid: it is broken, or lacks what it must have (``missing-attribute``, ``bad-value``).
        TooLarge: over 10,000 instances.
    """
    attributes = read_message(raw, transfer_syntax, limits=_LIMITS).attributes
    items = items_of(attributes, "ReferencedSOPSequence")
    if "TransactionUID" not in attributes or not items:
        raise Invalid("no transaction or no instance", code="missing-attribute")
    if len(items) > REFERENCES_MAX:
        raise TooLarge(f"{len(items)} instances")
    try:
        transaction = Uid.parse(text_of(attributes, "TransactionUID"))
        references = dict.fromkeys(
            Reference(
                Uid.parse(text_of(item, "ReferencedSOPClassUID")).value,
                Uid.parse(text_of(item, "ReferencedSOPInstanceUID")).value,
            )
            for item in items
        )
    except InvalidIdentifier as error:
        raise Invalid(error.detail, code="bad-value") from error
    return transaction, tuple(references)


def write_result(result: CommitmentResult, transfer_syntax: str) -> tuple[int, bytes]:
    """Return the Event Type ID and the data set that report *result*."""
    said: dict[str, str | tuple[dict[str, str], ...]] = {"TransactionUID": result.transaction_uid}
    if result.committed or not result.failed:
        said["ReferencedSOPSequence"] = tuple(_item(one) for one in result.committed)
    if result.failed:
        said["FailedSOPSequence"] = tuple(
            {**_item(one.reference), "FailureReason": str(one.reason)} for one in result.failed
        )
    event_type = SOME_FAILED if result.failed else ALL_COMMITTED
    return event_type, write_attributes(said, transfer_syntax)


def _item(reference: Reference) -> dict[str, str]:
    return {
        "ReferencedSOPClassUID": reference.sop_class_uid,
        "ReferencedSOPInstanceUID": reference.sop_instance_uid,
    }
