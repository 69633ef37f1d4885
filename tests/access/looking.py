"""What somebody finds, by every way the archive has."""

import datetime as dt
from collections.abc import Collection
from functools import partial

import sqlalchemy as sa

from imaging.archive.locate import find_study
from imaging.archive.study_list import Narrow, read_page
from imaging.archive.tables import patient
from imaging.dicomweb import locate
from imaging.dicomweb.resources import Resource
from imaging.query.attributes import Level
from imaging.query.parse_qido import parse_qido
from imaging.query.patients import run_patients
from imaging.query.retrieve import instances_of
from imaging.query.run import run_query
from kernel.identifiers import Uid
from kernel.identity import Principal, PrincipalKind, Role
from kernel.policy import Act, decide, reach
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT

BAIHE, QINGSHAN = "baihe", "qingshan"
HOUR = dt.timedelta(hours=1)
NUMBER = "990000199001011234"
"""Patient ID of the sample."""


def person(
    institution: str = BAIHE, *, name: str = "wu", role: Role = Role.RADIOLOGIST
) -> Principal:
    return Principal(f"u-{name}", name, name, frozenset({role}), institution)


def machine(institution: str = BAIHE) -> Principal:
    roles = frozenset({Role.TECHNICIAN})
    return Principal("ae:CT9", "CT9", "CT9", roles, institution, PrincipalKind.MACHINE)


async def patient_row(desk: Desk, number: str = NUMBER) -> int:
    """Return the row of the one patient of that number."""
    query = sa.select(patient.c.id).where(patient.c.patient_id == number)
    return await desk.database.read(lambda conn: int(conn.execute(query).scalar_one()))


async def ways(desk: Desk, who: Principal, study: int = 1) -> dict[str, bool]:
    """Return, by way, whether *who* finds the study there now."""
    uid, at = f"{ROOT}.{study}", desk.clock.now()
    allowed = reach(who, at=at)
    resource = Resource(Uid.parse(uid))

    def read(conn: sa.Connection) -> dict[str, bool]:
        found: dict[str, bool] = {}
        page = read_page(conn, Narrow(), allowed, limit=50, before=None)
        found["list"] = _has(uid, [row.study_instance_uid for row in page.items])
        assert page.total == len(page.items)
        page = read_page(conn, Narrow(typed=NUMBER), allowed, limit=50, before=None)
        found["typed"] = _has(uid, [row.study_instance_uid for row in page.items])
        ref = find_study(conn, uid, allowed)
        found["detail"] = ref is not None and decide(who, Act.READ_LIST, ref.subject).allowed
        shelf = locate.find(conn, resource, reach=allowed)
        assert shelf is not None
        found["wado"] = decide(who, Act.READ_STUDY, shelf.subject).allowed
        for name, keys in (("qido", []), ("qido-key", [("PatientID", NUMBER)])):
            rows = run_query(conn, parse_qido(Level.STUDY, keys), allowed).rows
            found[name] = _has(uid, [row["study_instance_uid"] for row in rows])
        of_study = parse_qido(Level.SERIES, [("StudyInstanceUID", uid)])
        found["series"] = bool(run_query(conn, of_study, allowed).rows)
        objects = instances_of(
            conn, parse_qido(Level.INSTANCE, [("StudyInstanceUID", uid)]), allowed
        )
        found["get"] = bool(objects) and all(
            decide(who, Act.READ_STUDY, one.study.subject).allowed for one in objects
        )
        rows = run_patients(conn, parse_qido(Level.STUDY, []), allowed).rows
        found["patients"] = bool(rows)
        return found

    return await desk.database.read(read)


def _has(uid: str, uids: Collection[str]) -> bool:
    assert len(uids) == len(set(uids))
    return uid in uids


async def finds(desk: Desk, who: Principal, study: int = 1) -> bool:
    """Tell whether *who* finds the study; every way must say the same."""
    found = await ways(desk, who, study)
    assert len(set(found.values())) == 1, found
    return next(iter(found.values()))


async def reason_of(desk: Desk, who: Principal, study: int = 1) -> str:
    """Return why *who* may read the study, empty where they may not."""
    allowed = reach(who, at=desk.clock.now())
    ref = await desk.database.read(
        partial(find_study, study_instance_uid=f"{ROOT}.{study}", reach=allowed)
    )
    return "" if ref is None else decide(who, Act.READ_STUDY, ref.subject).reason
