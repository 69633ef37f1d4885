"""The sample studies of the demo are of today, and of no time that is still to come."""

import datetime as dt

import pytest

from kernel.dicom.shown import LEGAL_TIME
from yilian.samples.send import last_taken


@pytest.mark.parametrize(
    ("now", "taken"),
    [
        pytest.param("2026-05-05T15:00:00+00:00", "2026-05-05T10:21:00", id="evening"),
        pytest.param("2026-05-05T17:40:30+00:00", "2026-05-06T01:40:00", id="night"),
        pytest.param("2026-05-05T16:00:00+00:00", "2026-05-06T00:00:00", id="midnight"),
    ],
)
def test_samples_are_of_the_legal_day_and_of_no_time_to_come(now: str, taken: str) -> None:
    here = dt.datetime.fromisoformat(now).astimezone(LEGAL_TIME)
    assert last_taken(here) == dt.datetime.fromisoformat(taken)
