"""What a query may do besides the baseline, as agreed for its SOP class (PS3.4 C.5.1.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from gateway.dimse.associate import ExtendedNegotiation
from gateway.dimse.sop_classes import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)

_FIND: Final = b"\x01\x01\x01\x00"
"""Relational queries, combined date and time, fuzzy names; no time zone adjustment."""
_RETRIEVE: Final = b"\x01"
"""Relational retrieval (PS3.4 C.5.2.1, C.5.3.1)."""
_SERVED: Final[Mapping[str, bytes]] = {
    PATIENT_ROOT_FIND: _FIND,
    STUDY_ROOT_FIND: _FIND,
    PATIENT_ROOT_MOVE: _RETRIEVE,
    STUDY_ROOT_MOVE: _RETRIEVE,
    PATIENT_ROOT_GET: _RETRIEVE,
    STUDY_ROOT_GET: _RETRIEVE,
}
_INFORMATION_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """Behaviour that both sides agreed on for one SOP class.

    Attributes:
        relational: the unique keys of the levels above need not be given, and keys of any level
            may be.
        combined_moments: a range of dates with a range of times is one interval.
        fuzzy_names: a name is also found by the beginning of a word and by its pinyin.
    """

    relational: bool = False
    combined_moments: bool = False
    fuzzy_names: bool = False

    @classmethod
    def of(cls, agreed: bytes) -> Self:
        """Return what the application information *agreed* says; empty is the baseline."""
        relational, moments, fuzzy = (byte == 1 for byte in agreed[:3].ljust(3, b"\0"))
        return cls(relational=relational, combined_moments=moments, fuzzy_names=fuzzy)


def agree(asked: ExtendedNegotiation) -> ExtendedNegotiation | None:
    """Return the answer to *asked*, byte by byte what of it is served; None where nothing is."""
    served = _SERVED.get(asked.sop_class_uid)
    information = asked.information[:_INFORMATION_MAX]
    if served is None or not information:
        return None
    answer = bytes(
        one & other for one, other in zip(information, served.ljust(16, b"\0"), strict=False)
    )
    return ExtendedNegotiation(asked.sop_class_uid, answer)
