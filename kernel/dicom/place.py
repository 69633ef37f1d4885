"""Where an object is filed that names no study or no series."""

import hashlib
from typing import NamedTuple


class Place(NamedTuple):
    """The study and series an object is filed in."""

    study_instance_uid: str
    series_instance_uid: str


def placed(sop_instance_uid: str, *, study: str, series: str) -> Place:
    """Return where the object is filed whose own UIDs are *study* and *series*, empty or not.

    One without them is kept in a study of its own, so that it can be seen and mended; the UIDs are
    derived from its own (PS3.5 B.2), the same by whichever door it comes.
    """
    return Place(
        study or _derived("study", study, sop_instance_uid),
        series or _derived("series", study, sop_instance_uid),
    )


def _derived(kind: str, study: str, sop_instance_uid: str) -> str:
    told = f"{kind}\0{study}\0{sop_instance_uid}".encode()
    return f"2.25.{int.from_bytes(hashlib.sha256(told).digest()[:16])}"
