"""The control of every trial of receipts: a node that believes the last byte instead of a receipt.

What it takes out is the one thing the design stands on: that nothing but the county's signed word
makes an instance be at the county.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.township.collector import Collector
from gateway.township.parcel_index import apply_outcomes
from gateway.township.parcel_queue import ParcelRow
from gateway.uploads.parcel import read_parcel
from gateway.uploads.receipts import InstanceOutcome, Outcome


async def _believe(collector: Collector, parcel: ParcelRow) -> None:
    """Take all of a parcel for delivered, as soon as its last byte was acknowledged."""
    path = collector._maker.path(parcel.parcel_id)
    with path.open("rb") as file:
        packed = read_parcel(file, parcel.size_bytes).header.instances
    arrivals = [each.arrival for each in packed]
    outcomes = [
        InstanceOutcome(
            sop_instance_uid=each.sop_instance_uid,
            content=each.digest.whole if each.digest else "",
            outcome=Outcome.ACCEPTED,
        )
        for each in arrivals
    ]
    at = collector._clock.now()
    await collector._news.write(
        lambda conn: apply_outcomes(conn, parcel.parcel_id, outcomes, at),
        lambda _: [parcel.study_key],
    )


@contextmanager
def without_receipts() -> Iterator[None]:
    """Take the check of receipts out of every node of this process."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Collector, "collect", _believe)
        yield
