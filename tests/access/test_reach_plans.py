"""However many reasons there are, a search goes by index and never over the archive."""

import sqlalchemy as sa

from imaging.archive.tables import study
from imaging.query.ways import newest, within_reach
from kernel.policy import Reach, reach
from tests.access.looking import machine, person
from tests.imaging.desk import Desk
from tests.imaging.sample import AT


async def _plan(desk: Desk, query: sa.Select[int]) -> list[str]:
    def read(conn: sa.Connection) -> list[str]:
        made = query.compile(conn, compile_kwargs={"literal_binds": True})
        return [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {made}")]

    return await desk.database.read(read)


def _asked(reached: Reach) -> dict[str, sa.Select[int]]:
    few = sa.select(study.c.id).where(study.c.accession_number == "A1")
    return {
        "by a key": few.where(within_reach(reached)),
        "newest": sa.select(study.c.id).where(
            study.c.id.in_(newest(reached, below=1 << 40, count=51)), within_reach(reached)
        ),
        "list": newest(reached, below=1 << 40, count=51),
    }


async def test_no_search_walks_a_table(sqlite_desk: Desk) -> None:
    for who in (person(), machine()):
        for name, query in _asked(reach(who, at=AT)).items():
            plan = await _plan(sqlite_desk, query)
            walked = [line for line in plan if line.startswith("SCAN") and "study" in line]
            assert walked == [], (name, plan)
            by_reach = [line for line in plan if "study_reach" in line]
            assert by_reach, (name, plan)
            assert all("PRIMARY KEY (institution=?" in line for line in by_reach), (name, plan)


async def test_the_newest_of_two_holders_are_taken_without_sorting_all(sqlite_desk: Desk) -> None:
    plan = await _plan(sqlite_desk, newest(reach(person(), at=AT), below=1 << 40, count=51))
    sorted_by = [line for line in plan if "FOR ORDER BY" in line]
    assert sorted_by == [], plan
