"""What DICOM says about an outcome: one status per error category, and plain English beside it.

C-STORE statuses of PS3.4 Table B.2-1 and PS3.7 9.1.1.1.9, which are the Failure Reasons of STOW-RS
too (PS3.18 Table I.2-2): A7xx is "out of resources", a sender keeps the object and tries again;
A9xx and Cxxx mean this object will never be taken. Every door answers one object alike.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from kernel.errors import Category, PlatformError

COMMENT_MAX: Final = 64


class Status(IntEnum):
    """Statuses our doors answer with."""

    SUCCESS = 0x0000
    PENDING = 0xFF00
    PENDING_KEYS_NOT_MATCHED = 0xFF01
    CANCELLED = 0xFE00
    ATTRIBUTE_LIST_ERROR = 0x0107
    INVALID_ATTRIBUTE_VALUE = 0x0106
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_OBJECT_INSTANCE = 0x0117
    NO_SUCH_SOP_CLASS = 0x0118
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    NO_SUCH_ACTION = 0x0123
    DUPLICATE_TRANSACTION_UID = 0x0131
    RESOURCE_LIMITATION = 0x0213
    UNABLE_TO_PROCESS = 0xC001
    NO_SUCH_SOP_INSTANCE = 0x0112
    DUPLICATE_SOP_INSTANCE = 0x0111
    PROCESSING_FAILURE = 0x0110
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    CANNOT_COUNT_MATCHES = 0xA701
    CANNOT_PERFORM_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    SUBOPERATIONS_WITH_FAILURES = 0xB000
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    CANNOT_UNDERSTAND = 0xC000


OF_CATEGORY: Final[Mapping[Category, Status]] = MappingProxyType(
    {
        Category.INVALID: Status.CANNOT_UNDERSTAND,
        Category.UNAUTHENTICATED: Status.NOT_AUTHORIZED,
        Category.FORBIDDEN: Status.NOT_AUTHORIZED,
        Category.MISSING: Status.NO_SUCH_SOP_INSTANCE,
        Category.CONFLICT: Status.DUPLICATE_SOP_INSTANCE,
        Category.STALE: Status.PROCESSING_FAILURE,
        Category.UNVERSIONED: Status.PROCESSING_FAILURE,
        Category.TOO_LARGE: Status.CANNOT_UNDERSTAND,
        Category.UNSUPPORTED: Status.SOP_CLASS_NOT_SUPPORTED,
        Category.BUSY: Status.OUT_OF_RESOURCES,
        Category.FULL: Status.OUT_OF_RESOURCES,
        Category.UNAVAILABLE: Status.OUT_OF_RESOURCES,
        # Our own fault may be gone after a restart: the sender shall not throw the object away.
        Category.BROKEN: Status.OUT_OF_RESOURCES,
    }
)

OF_CODE: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "unknown-operation": Status.UNRECOGNIZED_OPERATION,
        "not-an-instance": Status.SOP_CLASS_NOT_SUPPORTED,
        "other-study": Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        "unsupported-encoding": Status.CANNOT_UNDERSTAND,
        "unsupported-part": Status.CANNOT_UNDERSTAND,
        "sop-class-mismatch": Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        "sop-instance-mismatch": Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
    }
)
"""Codes whose status is more exact than that of their category."""

COMMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad-uid": "A UID in the object is not valid.",
        "bad-vr": "An element has a value representation nobody knows.",
        "deflate-broken": "The compressed part of the object cannot be inflated.",
        "deflate-bomb": "The object inflates to far more than its size allows.",
        "empty-file": "The object is empty.",
        "invalid-uid": "The SOP class or instance UID is not valid.",
        "no-data-set": "The request came without an object.",
        "no-sop-uid": "The object has no SOP class or no SOP instance UID.",
        "not-an-instance": "A media directory is no instance.",
        "not-dicom": "This is not a DICOM object.",
        "other-study": "The object is of another study than the address.",
        "sop-class-mismatch": "SOP class of the object differs from that of the request.",
        "sop-instance-mismatch": "SOP instance of the object differs from that of the request.",
        "storage-full": "There is no room left to keep the object.",
        "too-deep": "Sequences are nested too deep.",
        "too-large": "The object is larger than this node takes.",
        "too-large-header": "The part before the pixels is too large.",
        "too-many-elements": "The object has too many elements.",
        "truncated": "The object ends too early: it was cut short.",
        "unknown-operation": "This node does not serve this operation.",
        "unsupported-encoding": "Send the object as it is, without an encoding.",
        "unsupported-part": "This is not an application/dicom part.",
        "wrong-length": "An element is longer than what holds it.",
    }
)
"""Error Comment (0000,0902), and text of a STOW Warning header, by error code: at most 64 ASCII
characters, no patient data."""

OF_CATEGORY_COMMENT: Final[Mapping[Category, str]] = MappingProxyType(
    {
        Category.INVALID: "The object is broken.",
        Category.UNAUTHENTICATED: "The sender is not known here.",
        Category.FORBIDDEN: "The sender may not do this here.",
        Category.MISSING: "There is no such object here.",
        Category.CONFLICT: "Another object was first.",
        Category.STALE: "It has changed meanwhile.",
        Category.UNVERSIONED: "It does not say which version it changes.",
        Category.TOO_LARGE: "The object is larger than this node takes.",
        Category.UNSUPPORTED: "This node does not do this.",
        Category.BUSY: "Too much at once; send it again later.",
        Category.FULL: "There is no room left to keep the object.",
        Category.UNAVAILABLE: "The store is not available; send it again later.",
        Category.BROKEN: "This node failed; send it again later.",
    }
)


def status_of(error: PlatformError) -> int:
    """Return the status *error* is answered with."""
    return OF_CODE.get(error.code, OF_CATEGORY[error.category])


def comment_of(error: PlatformError) -> str:
    """Return the sentence for *error*: plain English, never its detail."""
    return COMMENTS.get(error.code, OF_CATEGORY_COMMENT[error.category])
