"""Which emergencies stand at the top of the study list, and until when. Pure.

A study joins when it, its order, its township's people or a rule makes it an emergency, and leaves
when another house has filed a report on it, or a day after it came. An examination of the past that
is sent today is no emergency, whatever its rule says.
"""

import datetime as dt
from typing import Final

from kernel.dicom.shown import LEGAL_TIME

PINNED_FOR: Final = dt.timedelta(hours=24)
"""How long after its first image an emergency stands at the top."""
LATE_AT_MOST: Final = dt.timedelta(days=7)
"""An examination so much older than its arrival has waited for a line; an older one is a prior."""
PINNED_MOST: Final = 200
"""So many are looked at, the newest; more emergencies of one day are no zone but a list."""
_DATE: Final = "%Y%m%d"


def pinned_until(
    *, emergency: bool, study_date: str, received_at: dt.datetime, reported: bool
) -> dt.datetime | None:
    """Return until when a study stands at the top; None where it has no place there.

    Args:
        emergency: whether it is one.
        study_date: YYYYMMDD; empty where the objects do not say, which is taken for today.
        received_at: when its first object came.
        reported: another house has filed a report on it.
    """
    if not emergency or reported:
        return None
    if study_date:
        came = received_at.astimezone(LEGAL_TIME).date()
        oldest = (came - LATE_AT_MOST).strftime(_DATE)
        if study_date < oldest:
            return None
    return received_at + PINNED_FOR
