"""Every route and DIMSE service of a running county, held against docs/reference/access.md.

The page is the second witness: typed by hand, it says who may do what. A route or service that is
not on it, or answers otherwise than it says, fails here.
"""

import asyncio
import datetime as dt
import io
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.presentation import build_context

from imaging.access.grants import Grant, give, withdraw
from imaging.archive.tables import patient
from kernel.clock import SystemClock
from kernel.policy import GRANTED, Reason
from kernel.settings import NodeKind, Settings
from tests.demo.access_page import (
    NODES,
    NOWHERE,
    UNLISTED,
    Node,
    Row,
    filled,
    nodes,
    rows_of,
    table,
)
from tests.demo.running import RunningDemo, until
from tests.dimse.samples import encoded, small_ct
from yilian.wiring.homes import Home
from yilian.wiring.offline import opened_database

pytestmark = pytest.mark.timeout(240)
NUMBER: Final = "990000-ACCESS"
STUDY, SERIES = "2.25.99880001", "2.25.99880002"
OWN, CENTRE, OTHER = "lijing", "wanghai", "sunyu"
"""People of the house that examined, of the centre it was routed to, and of another house."""
SERVICES: Final = {
    "Verification": "1.2.840.10008.1.1",
    "Storage": "1.2.840.10008.5.1.4.1.1.2",
    "Storage Commitment": "1.2.840.10008.1.20.1",
    "Modality Performed Procedure Step": "1.2.840.10008.3.1.2.3.3",
    "Modality Worklist FIND": "1.2.840.10008.5.1.4.31",
    "Patient Root FIND": "1.2.840.10008.5.1.4.1.2.1.1",
    "Patient Root MOVE": "1.2.840.10008.5.1.4.1.2.1.2",
    "Patient Root GET": "1.2.840.10008.5.1.4.1.2.1.3",
    "Study Root FIND": "1.2.840.10008.5.1.4.1.2.2.1",
    "Study Root MOVE": "1.2.840.10008.5.1.4.1.2.2.2",
    "Study Root GET": "1.2.840.10008.5.1.4.1.2.2.3",
}
OTHERS: Final = [
    *("1.2.840.10008.5.1.4.1.2.3.1", "1.2.840.10008.5.1.4.1.2.3.2", "1.2.840.10008.5.1.4.1.2.3.3"),
    *("1.2.840.10008.5.1.4.1.2.4.2", "1.2.840.10008.5.1.4.1.2.4.3", "1.2.840.10008.5.1.4.1.2.5.3"),
    *("1.2.840.10008.3.1.2.3.4", "1.2.840.10008.3.1.2.3.5", "1.2.840.10008.5.1.4.33"),
    *("1.2.840.10008.5.1.4.34.6.1", "1.2.840.10008.5.1.4.34.6.2", "1.2.840.10008.5.1.4.34.6.3"),
    *("1.2.840.10008.5.1.4.34.6.4", "1.2.840.10008.5.1.4.37.1", "1.2.840.10008.5.1.4.38.2"),
    *("1.2.840.10008.5.1.4.39.2", "1.2.840.10008.5.1.4.43.2", "1.2.840.10008.5.1.4.20.1"),
    *("1.2.840.10008.5.1.1.9", "1.2.840.10008.5.1.1.18", "1.2.840.10008.1.42"),
]
"""Services nobody may find open unnoticed: composite roots, UPS, printing, templates, logs."""


@pytest.fixture(scope="module", params=list(NODES))
def node(request: pytest.FixtureRequest, demo: RunningDemo) -> Iterator[tuple[str, Node]]:
    made = Node(demo, NODES[request.param])
    yield request.param, made
    made.close()


def _served(node: Node) -> dict[tuple[str, str], dict[str, Any]]:
    paths = json.loads(node.ask("GET", "/api/openapi.json").body)["paths"]
    return {
        (method.upper(), path): operation
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def test_every_route_stands_on_the_page_and_lets_in_whom_it_says(node: tuple[str, Node]) -> None:
    name, door = node
    served = _served(door)
    told = {row.key: row for row in rows_of(name) if row.key not in UNLISTED}
    assert sorted(told) == sorted(served)
    said = {
        key: (
            operation["security"] == [],
            operation.get("x-people-only", False),
            operation.get("x-roles"),
        )
        for key, operation in served.items()
    }
    assert said == {key: (row.public, row.people, row.roles) for key, row in told.items()}


def test_who_is_not_signed_in_gets_401_at_every_door_that_is_not_public(
    node: tuple[str, Node],
) -> None:
    name, door = node
    for row in rows_of(name):
        if not row.public:
            answer = door.ask(row.method, filled(row.path))
            assert answer.status == 401, row


def test_a_role_that_never_does_it_gets_403(node: tuple[str, Node]) -> None:
    name, door = node
    here = [one for one in door.people.values() if name == "county" or _of_qingshan(one)]
    tried = 0
    for row in rows_of(name):
        roles = row.roles
        if roles is None:
            continue
        others = [one["username"] for one in here if one["role"] not in roles]
        for username in others[:2]:
            answer = door.ask(row.method, filled(row.path), username)
            assert answer.status == 403, (row, username)
            tried += 1
    assert tried > 30


def test_a_machine_gets_403_where_only_people_may(demo: RunningDemo) -> None:
    county = Node(demo, "")
    roles = sorted({role for row in rows_of("county") if row.people for role in row.roles or []})
    account = {
        "username": "matrix-machine",
        "display_name": "matrix",
        "institution": "county-hospital",
        "roles": [role for role in roles if not role.endswith("-administrator")],
        "kind": "machine",
    }
    made = county.ask("POST", "/api/v1/admin/accounts", "secadmin", account)
    assert made.status in {200, 201}, made.body
    token = {"username": "matrix-machine", "label": "matrix"}
    made = county.ask("POST", "/api/v1/admin/tokens", "secadmin", token)
    assert made.status in {200, 201}, made.body
    told = json.loads(made.body)
    tried = 0
    for row in rows_of("county"):
        if row.people:
            answer = county.ask(
                row.method,
                filled(row.path),
                body=_body(row),
                Authorization=f"Bearer {told['token']}",
                Idempotency_Key=uuid.uuid4().hex,
            )
            assert answer.status == 403, (row, answer)
            tried += 1
    assert tried > 10
    county.ask("DELETE", f"/api/v1/admin/tokens/{told['id']}", "secadmin")
    county.close()


def _of_qingshan(account: dict[str, str]) -> bool:
    return account["institution"] in {"qingshan", "xigou"}


@pytest.fixture(scope="module")
def county(demo: RunningDemo) -> Iterator[Node]:
    """The county with one study of qingshan's, routed to the centre."""
    made = Node(demo, "")
    ds = small_ct(8800)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID = STUDY, SERIES, NUMBER
    ds.AccessionNumber = "ACCESS1"
    boundary = "yilian"
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = io.BytesIO()
    body.writelines([head, encoded(ds), f"\r\n--{boundary}--\r\n".encode()])
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    answer = made.ask("POST", "/dicom-web/studies", OWN, body.getvalue(), Content_Type=kind)
    assert answer.status == 200, answer.body
    show = f"/api/v1/studies/{STUDY}"
    until(lambda: made.ask("GET", show, CENTRE).status == 200, 60, "the study at the centre")
    # Until its door has read the table again, the device is one of the county's own machine.
    until(lambda: finds(demo) == 0, 60, "the device to be dahe's")
    yield made
    made.close()


_BODIES: Final[dict[str, Any]] = {
    "reconcile": {"patient": "01J00000000000000000000000"},
    "reveal": {"field": "patient_id"},
    "settle": {"keep": "1.x"},
    "discontinue": {"reason": "患者离开"},
    "cancel": {"reason": "患者离开"},
}


def _body(row: Row) -> Any:
    return None if row.method == "GET" else _BODIES.get(row.path.rpartition("/")[2], {})


STUDY_ROWS: Final = [
    row for row in rows_of("county") if row.whom == "study" and row.roles != ["privacy-officer"]
]
_NAMES: Final = {"study": STUDY, "series": SERIES, "instance": "2.25.990008800"}


def _opens(door: Node, who: str) -> dict[str, bool]:
    """Return, by path, whether *who* gets to the study there."""
    found = {
        row.path: not door.ask(row.method, filled(row.path, **_NAMES), who, _body(row)).missing
        for row in STUDY_ROWS
    }
    named = f"studyUID={STUDY}&seriesUID={SERIES}&objectUID={_NAMES['instance']}"
    found["/wado"] = door.ask("GET", f"/wado?requestType=WADO&{named}", who).status == 200
    for path in (f"/api/v1/studies?q={NUMBER}", f"/dicom-web/studies?PatientID={NUMBER}"):
        answer = door.ask("GET", path, who)
        assert answer.status == 200
        found[path] = STUDY.encode() in answer.body
    return found


def _all(found: dict[str, bool], *, opened: bool) -> None:
    assert set(found.values()) == {opened}, found


@contextmanager
def granted(demo: RunningDemo, reason: Reason, **told: Any) -> Iterator[None]:
    """Give dahe a grant of the patient as a room would, in the county's own database."""
    place = Home(demo.home / "county")
    settings = Settings.load(NodeKind.COUNTY, file=place.settings_file)
    given_by, now = f"matrix:{reason}", SystemClock().now()

    async def write(fn: Callable[[sa.Connection], object]) -> None:
        async with opened_database(place, settings) as database:
            await database.write(fn)

    def begin(conn: sa.Connection) -> None:
        row = conn.execute(
            sa.select(patient.c.id).where(patient.c.patient_id == NUMBER)
        ).scalar_one()
        until_at = now + told["lasts"] if "lasts" in told else None
        grant = Grant(holder="dahe", reason=reason, given_by=given_by, patient=row, until=until_at)
        give(conn, grant, at=now)

    asyncio.run(write(begin))
    try:
        yield
    finally:
        asyncio.run(write(partial(withdraw, given_by=given_by, at=now)))


def test_its_own_house_and_the_centre_reach_the_study_by_every_route(county: Node) -> None:
    for who in (OWN, CENTRE):
        _all(_opens(county, who), opened=True)


def test_another_house_gets_404_in_the_words_for_what_is_not_there(county: Node) -> None:
    _all(_opens(county, OTHER), opened=False)
    for row in STUDY_ROWS:
        here = county.ask(row.method, filled(row.path, **_NAMES), OTHER, _body(row))
        nowhere = county.ask(
            row.method, filled(row.path, **(_NAMES | {"study": NOWHERE})), OTHER, _body(row)
        )
        assert here == nowhere, row


@pytest.mark.parametrize("reason", sorted(GRANTED - {Reason.BREAK_GLASS}))
def test_a_grant_reaches_the_study_by_every_route_and_not_one_when_it_is_withdrawn(
    demo: RunningDemo, county: Node, reason: Reason
) -> None:
    with granted(demo, reason):
        _all(_opens(county, OTHER), opened=True)
        assert finds(demo) == 1
    _all(_opens(county, OTHER), opened=False)
    assert finds(demo) == 0


def test_a_grant_that_has_ended_reaches_nothing(demo: RunningDemo, county: Node) -> None:
    with granted(demo, Reason.REFERRAL, lasts=dt.timedelta(0)):
        _all(_opens(county, OTHER), opened=False)
        assert finds(demo) == 0


def test_an_emergency_look_reaches_it_for_the_person_and_for_no_device(
    demo: RunningDemo, county: Node
) -> None:
    asked = {
        "kind": "patient-id",
        "number": NUMBER,
        "institution": "qingshan",
        "why": "昏迷送来急诊要看既往头颅CT",
    }
    answer = county.ask("POST", "/api/v1/emergency-looks", OTHER, asked)
    assert answer.status == 201, answer.body
    look = json.loads(answer.body)
    assert [study["study_instance_uid"] for study in look["studies"]] == [STUDY]
    _all(_opens(county, OTHER), opened=True)
    assert finds(demo) == 0
    waiting = json.loads(county.ask("GET", "/api/v1/emergency-looks?waiting=true", "shenmo").body)
    (row,) = [item for item in waiting["items"] if item["id"] == look["id"]]
    assert row["username"] == OTHER
    assert NUMBER not in json.dumps(waiting)
    listed = json.loads(county.ask("GET", "/api/v1/emergency-looks", "secadmin").body)
    assert all(not item["patient_name"] and not item["patient_id"] for item in listed["items"])
    judged = {"verdict": "justified"}
    path = f"/api/v1/emergency-looks/{look['id']}"
    assert county.ask("POST", f"{path}/review", "shenmo", judged).status == 200
    looks = county.ask("GET", f"/api/v1/studies/{STUDY}/looks?limit=200", "shenmo")
    mine = [row for row in json.loads(looks.body)["items"] if row["username"] == OTHER]
    assert {row["purpose"] for row in mine if row["reason"] == "break-glass"} == {"BTG"}
    assert county.ask("DELETE", path, OTHER).status == 204
    _all(_opens(county, OTHER), opened=False)


def test_a_record_of_another_register_is_not_there_for_any_act(county: Node) -> None:
    patients = json.loads(county.ask("GET", "/api/v1/patients", "lizhiqiang").body)["items"]
    orders = json.loads(county.ask("GET", "/api/v1/orders", "lizhiqiang").body)["items"]
    for row in rows_of("county"):
        if row.whom != "register":
            continue
        real = (orders if "/orders/" in row.path else patients)[0]["id"]
        body = _body(row)
        answers = [
            county.ask(
                row.method,
                filled(row.path, id=number, kind="patient"),
                OTHER,
                body,
                **({} if body is None else {"Idempotency_Key": number, "If_Match": '"1.x"'}),
            )
            for number in (real, "01J00000000000000000000000")
        ]
        assert answers[0] == answers[1], (row, answers)
        assert answers[0].status in ({404} if row.method == "GET" else {400, 404}), (row, answers)


def accepted(demo: RunningDemo, institution: str, uids: list[str]) -> set[str]:
    door = demo.door(institution)
    # One that may do whatever a device may.
    ae = AE(ae_title="ANY")
    ae.acse_timeout = ae.network_timeout = 30
    assoc = ae.associate(
        door["host"],
        door["port"],
        contexts=[build_context(uid) for uid in uids],
        ae_title=door["ae_title"],
    )
    assert assoc.is_established
    try:
        return {str(context.abstract_syntax) for context in assoc.accepted_contexts}
    finally:
        assoc.release()


@pytest.mark.parametrize("name", list(NODES))
def test_every_dimse_service_stands_on_the_page(demo: RunningDemo, name: str) -> None:
    told = {SERVICES[row[1]] for row in table("DIMSE services") if name in nodes(row[0])}
    assert accepted(demo, NODES[name] or "county", [*SERVICES.values(), *OTHERS]) == told


@pytest.fixture(scope="module", autouse=True)
def _device(demo: RunningDemo) -> Iterator[None]:
    """Make MATRIX a device of dahe's at the county."""
    made = Node(demo, "")
    path, told = "/api/v1/admin/application-entities/MATRIX", {"institution": "dahe"}
    peer = told | {"may_query": True, "may_store": False}
    assert made.ask("PUT", path, "sysadmin", peer).status == 204
    made.close()
    yield
    # The county has closed a connection that nobody used meanwhile.
    made = Node(demo, "")
    assert made.ask("DELETE", path, "sysadmin").status == 204
    made.close()


def finds(demo: RunningDemo) -> int:
    """Return how many studies the device of dahe's finds under the study's UID."""
    door = demo.door("county")
    ae = AE(ae_title="MATRIX")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    ae.add_requested_context(SERVICES["Study Root FIND"])
    ds = Dataset()
    ds.QueryRetrieveLevel, ds.StudyInstanceUID = "STUDY", STUDY
    assoc = ae.associate(door["host"], door["port"], ae_title=door["ae_title"])
    assert assoc.is_established
    try:
        statuses = [s.Status for s, _ in assoc.send_c_find(ds, SERVICES["Study Root FIND"])]
    finally:
        assoc.release()
    assert statuses[-1] == 0
    return len(statuses) - 1


def test_the_page_names_every_reason() -> None:
    named = {row[0] for row in table("Reasons")}
    assert named == {reason.value for reason in Reason} - {
        Reason.OWN_DUTY,
        Reason.NOT_THIS_ROLE,
        Reason.OTHER_INSTITUTION,
    }
