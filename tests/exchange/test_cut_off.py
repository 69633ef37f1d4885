"""Studies a line was cut under: the county says what may be missing, and counts for itself."""

import datetime as dt
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.exchange.completeness import (
    QUIET,
    Basis,
    Completeness,
    Fullness,
    counted,
)
from gateway.exchange.node_status import LATE_AFTER
from imaging.archive.model import StudyArrival
from imaging.archive.tables import series, study
from tests.exchange.test_heartbeats import A_SECOND, STUDY, beaten, seen, stored
from tests.exchange.two_nodes import County, county_in, township_in
from yilian.wiring.study_arrivals import arrivals

OLD = "1.2.826.0.1.3680043.8.498.990000.2"


def file(conn: sa.Connection, uid: str, count: int, *, grew_at: dt.datetime) -> None:
    """Let the archive have *count* images, the last of them filed at *grew_at*."""
    made = conn.execute(
        sa.insert(study).values(
            study_instance_uid=uid,
            institution="qingshan",
            modalities="CT",
            instance_count=count,
            priority=0,
            received_at=grew_at - A_SECOND,
            updated_at=grew_at,
        )
    )
    assert made.inserted_primary_key is not None
    conn.execute(
        sa.insert(series).values(
            study=made.inserted_primary_key[0],
            series_instance_uid=f"{uid}.1",
            instance_count=count,
            received_at=grew_at - A_SECOND,
            updated_at=grew_at,
        )
    )


async def arrival(county: County, uid: str) -> StudyArrival | None:
    told = arrivals(county.clock)
    return (await county.database.read(lambda conn: told(conn, [uid]))).get(uid)


async def test_a_study_cut_off_before_anybody_told_of_it_is_not_taken_to_be_whole(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            await beaten(node)
            at = county.clock.now()
            # One came while the line was cut; the other had been quiet for long.
            await county.database.write(partial(file, uid=STUDY, count=35, grew_at=at))
            old = at - QUIET - 10 * A_SECOND
            await county.database.write(partial(file, uid=OLD, count=20, grew_at=old))
            async with county.page("wang") as page:
                [shown] = (await seen(page, "/api/v1/nodes"))["items"]
                assert shown["maybe_more"] == 0
                assert await arrival(county, STUDY) is None
                county.clock.ahead = LATE_AFTER + A_SECOND
                [shown] = (await seen(page, "/api/v1/nodes"))["items"]
                assert (shown["state"], shown["maybe_more"]) == ("late", 1)
                [there] = (await seen(page, f"/api/v1/nodes/{enrolled.node}"))["studies"]
                assert (there["study_instance_uid"], there["modality"]) == (STUDY, "CT")
                assert there["completeness"]["state"] == "growing"
                assert (there["completeness"]["arrived"], there["completeness"]["here"]) == (35, 35)
                found = await arrival(county, STUDY)
                assert found is not None
                assert (found.state, found.arrived, found.expected) == ("growing", 35, None)
                assert found.down_since is not None
                assert found.down_since.isoformat().replace("+00:00", "Z") == shown["down_since"]
                assert await arrival(county, OLD) is None
                # Heard again, the node itself says how it is.
                await beaten(node)
                [shown] = (await seen(page, "/api/v1/nodes"))["items"]
                assert (shown["state"], shown["maybe_more"]) == ("up", 0)
                assert await arrival(county, STUDY) is None


async def test_one_the_node_called_growing_when_it_was_last_heard_is_counted_as_that(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            at = node.clock.now()
            await node.database.write(partial(stored, at=at, here=60, arrived=0))
            await beaten(node)
        await county.database.write(partial(file, uid=STUDY, count=44, grew_at=at))
        county.clock.ahead = LATE_AFTER + A_SECOND
        async with county.page("wang") as page:
            [shown] = (await seen(page, "/api/v1/nodes"))["items"]
            assert shown["maybe_more"] == 1
            [there] = (await seen(page, f"/api/v1/nodes/{enrolled.node}"))["studies"]
            # The heartbeat said none; 44 are here.
            assert (there["completeness"]["arrived"], there["completeness"]["here"]) == (44, 60)


@pytest.mark.parametrize(
    ("state", "expected", "filed", "arrived", "here", "becomes"),
    [
        pytest.param("on-the-way", None, 44, 44, 60, "on-the-way", id="more"),
        pytest.param("on-the-way", None, 0, 12, 60, "on-the-way", id="none-here"),
        pytest.param("on-the-way", 60, 60, 60, 60, "complete", id="all"),
        pytest.param("growing", None, 60, 60, 60, "growing", id="all-so-far"),
        pytest.param("growing", 80, 70, 70, 70, "growing", id="more-than-it-had"),
        pytest.param("growing", 80, 80, 80, 80, "complete", id="all-the-device-said"),
    ],
)
def test_what_is_filed_counts_more_than_what_was_said(  # a table
    state: str, expected: int | None, filed: int, arrived: int, here: int, becomes: str
) -> None:
    word = Completeness(
        expected=expected, basis=Basis.NONE, here=60, arrived=12, state=Fullness(state)
    )
    found = counted(word, filed)
    assert (found.arrived, found.here, found.state.value) == (arrived, here, becomes)
