"""Every answer of a running county and township, walked for numbers that must be masked in it."""

import contextlib
import http.client
import json
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from kernel.identity import CARE
from tests.demo.access_page import NODES, NOWHERE, UNLISTED, Answer, Node, Row, filled, rows_of
from tests.demo.running import RunningDemo, until
from tests.dimse.samples import small_ct

pytestmark = pytest.mark.timeout(240)

AS_PATIENT_ID: Final = "990000198502070021"
"""Of a house that numbers its patients by their resident numbers."""
REGISTERED: Final = "990000197309120037"
OF_BEFORE: Final = "990000730912003"
PHONE: Final = "13899990731"
NAME: Final = "遮掩测"
PLANTED: Final = (AS_PATIENT_ID, REGISTERED, OF_BEFORE, PHONE)
STUDY: Final = "2.25.99770001"
DOCTOR: Final = "lizhiqiang"
TECHNICIAN: Final = "lijing"
WHOLE: Final = ("/dicom-web", "/wado", "/metrics", "/uploads")
"""Whole objects, which cannot be masked, and what is no JSON."""


@dataclass(frozen=True)
class Planted:
    """What the planted person has at both nodes, by the names routes have for it."""

    patient: dict[str, Any]
    order: dict[str, Any]
    node: str


def _check(number: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))
    return number[:17] + "10X98765432"[total % 11]


def test_the_planted_numbers_are_such_as_people_have() -> None:
    assert _check(AS_PATIENT_ID) == AS_PATIENT_ID
    assert _check(REGISTERED) == REGISTERED


def _send(demo: RunningDemo, ds: Dataset) -> None:
    door = demo.door("qingshan")
    ae = AE(ae_title="CT1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    ae.add_requested_context(CTImageStorage)
    assoc = ae.associate(door["host"], door["port"], ae_title=door["ae_title"])
    assert assoc.is_established
    try:
        assert assoc.send_c_store(ds).Status == 0
    finally:
        assoc.release()


def _once() -> dict[str, str]:
    return {"Idempotency_Key": uuid.uuid4().hex}


@pytest.fixture(scope="module")
def doors(demo: RunningDemo) -> Iterator[dict[str, Node]]:
    made = {name: Node(demo, institution) for name, institution in NODES.items()}
    yield made
    for door in made.values():
        door.close()


@pytest.fixture(scope="module")
def planted(demo: RunningDemo, doors: dict[str, Node]) -> Planted:
    """Register and order at the township, send images; return once the county has it all."""
    township, county = doors["township"], doors["county"]
    person = {
        "name": NAME,
        "resident_id": REGISTERED,
        "phone": PHONE,
        "patient_id": AS_PATIENT_ID,
    }
    answer = township.ask("POST", "/api/v1/patients", DOCTOR, person, **_once())
    assert answer.status == 201, answer.body
    _free_of_planted(answer.body, "POST /api/v1/patients")
    patient = json.loads(answer.body)["patient"]
    body = {"patient": patient["id"], "order": {"examination": "EX-CT-CHEST"}}
    answer = township.ask("POST", "/api/v1/orders", DOCTOR, body, **_once())
    assert answer.status == 201, answer.body
    _free_of_planted(answer.body, "POST /api/v1/orders")
    order = json.loads(answer.body)["order"]
    for number, (study, patient_id) in enumerate(
        ((STUDY, AS_PATIENT_ID), (f"{STUDY}1", OF_BEFORE))
    ):
        ds = small_ct(7700 + number)
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.PatientName, ds.PatientID = f"Zhe^Yance={NAME[0]}^{NAME[1:]}", patient_id
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.1"
        _send(demo, ds)
    until(
        lambda: (
            all(
                county.ask("GET", path, TECHNICIAN).status == 200
                for path in (f"/api/v1/studies/{STUDY}", f"/api/v1/studies/{STUDY}1")
            )
            and county.ask("GET", f"/api/v1/orders/{order['id']}", DOCTOR).status == 200
        ),
        90,
        "what was planted at the county",
    )
    nodes = json.loads(county.ask("GET", "/api/v1/nodes", "sysadmin").body)["items"]
    node = next(each["id"] for each in nodes if each["institution"]["code"] == "qingshan")
    return Planted(patient, order, node)


def _free_of_planted(body: bytes, where: str, *, name: bool = False) -> None:
    text = body.decode("utf-8", "replace")
    found = [each for each in PLANTED if each in text]
    assert not found, where
    if name:
        assert NAME not in text, where


def _paths(row: Row, planted: Planted) -> list[str]:
    """Return the addresses to ask of a route: with what was planted, narrowed in every way."""
    record = planted.order["id"] if "/orders/" in row.path else planted.patient["id"]
    path = filled(row.path, study=STUDY, id=record, kind="patient", node=planted.node)
    return [path, *(f"{path}?{asked}" for asked in _ASKED.get(row.path, ()))] + [
        f"{path}?{each.format(planted=planted)}" for each in _OF_PLANTED.get(row.path, ())
    ]


_ASKED: Final = {
    "/api/v1/studies": (f"q={AS_PATIENT_ID}", f"q={OF_BEFORE}", "q=遮"),
    "/api/v1/patients": (f"q={REGISTERED}", f"q={AS_PATIENT_ID}"),
    "/api/v1/orders": (f"q={AS_PATIENT_ID}", "state=ordered"),
    "/api/v1/studies/{study}/correction-targets": (f"q={AS_PATIENT_ID}", f"q={NAME}"),
    "/api/v1/here": (f"study={STUDY}",),
    "/api/v1/earlier": (f"study={STUDY}&county=true", f"study={STUDY}1"),
    "/api/v1/completeness": (f"study={STUDY}",),
    "/api/v1/admin/audit": (f"patient={AS_PATIENT_ID}", "limit=500"),
}
_OF_PLANTED: Final = {
    "/api/v1/earlier": ("patient={planted.patient[id]}",),
    "/api/v1/orders": ("patient={planted.patient[id]}",),
}


@pytest.mark.parametrize("name", list(NODES))
def test_no_answer_of_any_route_holds_a_planted_number(
    doors: dict[str, Node], planted: Planted, name: str
) -> None:
    door, shown, care = doors[name], set[str](), {role.value for role in CARE}
    here = [
        one
        for one in door.people.values()
        if name == "county" or one["institution"] in {"qingshan", "xigou"}
    ]
    for row in rows_of(name):
        if row.method != "GET" or row.key in UNLISTED or row.path.startswith(WHOLE):
            continue
        if row.path == "/api/v1/events":
            continue
        for account in here:
            if row.roles is not None and account["role"] not in row.roles:
                continue
            for path in _paths(row, planted):
                answer = door.ask(
                    "GET", urllib.parse.quote(path, safe="/?=&%"), account["username"]
                )
                where = f"{path} for {account['username']} at the {name}"
                assert answer.status < 500, where
                _free_of_planted(answer.body, where, name=account["role"] not in care)
                if answer.status == 200 and NAME.encode() in answer.body:
                    shown.add(row.path)
    # What was looked at really held the planted person.
    assert {"/api/v1/studies", "/api/v1/studies/{study}", "/api/v1/orders"} <= shown
    if name == "county":
        assert "/api/v1/studies/{study}/correction-targets" in shown
    if name == "township":
        assert "/api/v1/queue" in shown


def _heard(demo: RunningDemo, name: str, username: str, upto: int) -> bytes:
    """Return what somebody hears of all that happened, up to the event *upto*."""
    place = urllib.parse.urlsplit(demo.http(NODES[name]))
    token = next(one["token"] for one in demo.ready["accounts"] if one["username"] == username)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    with contextlib.closing(line):
        headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": "0"}
        line.request("GET", "/api/v1/events", headers=headers)
        answer, heard = line.getresponse(), b""
        assert answer.status == 200
        while (part := answer.readline()) and not _is_behind(part, upto):
            heard += part
        return heard


def _is_behind(part: bytes, upto: int) -> bool:
    return part.startswith(b"id: ") and int(part[4:]) > upto


@pytest.mark.parametrize(
    ("name", "username"),
    [("county", DOCTOR), ("county", "wanghai"), ("county", "shenmo"), ("township", DOCTOR)],
)
def test_no_event_of_a_running_node_holds_a_planted_number(
    demo: RunningDemo, doors: dict[str, Node], planted: Planted, name: str, username: str
) -> None:
    door = doors[name]
    reader = "wanghai" if name == "county" else DOCTOR
    before = json.loads(door.ask("GET", "/api/v1/studies", reader).body)["last_event_id"]
    # Something all of them hear of comes behind all that was planted.
    ds = small_ct(7800 + len(username) + len(name))
    ds.StudyInstanceUID = f"{STUDY}9{len(username)}{len(name)}"
    ds.SeriesInstanceUID, ds.PatientID = f"{ds.StudyInstanceUID}.1", "990000-MASKING"
    _send(demo, ds)
    heard = _heard(demo, name, username, before)
    _free_of_planted(heard, f"events for {username} at the {name}", name=username == "shenmo")
    assert STUDY.encode() in heard
    assert planted.patient["name"] == NAME


def test_one_field_is_shown_whole_and_the_look_at_it_stands_in_the_trail(
    doors: dict[str, Node], planted: Planted
) -> None:
    county, township = doors["county"], doors["township"]
    path, asked = f"/api/v1/studies/{STUDY}/reveal", {"field": "patient_id"}
    for door in (county, township):
        answer = door.ask("POST", path, TECHNICIAN, asked)
        assert json.loads(answer.body) == asked | {"value": AS_PATIENT_ID, "hide_after_s": 30}
    assert county.ask("POST", path, "sunyu", asked).status == 404
    assert county.ask("POST", path, "shenmo", asked).status == 403
    assert county.ask("POST", path, TECHNICIAN, {"field": "name"}).status == 400
    assert county.ask("POST", path.replace(STUDY, NOWHERE), TECHNICIAN, asked).status == 404
    register = f"/api/v1/patients/{planted.patient['id']}/reveal"
    for field, value in (("resident_id", REGISTERED), ("patient_id", AS_PATIENT_ID)):
        answer = township.ask("POST", register, DOCTOR, {"field": field})
        assert json.loads(answer.body)["value"] == value
    looks = json.loads(county.ask("GET", "/api/v1/admin/audit?event=phi-revealed", "audadmin").body)
    subject = f"study:{STUDY}:patient_id"
    assert [row["username"] for row in looks["items"] if row["subject"] == subject] == [TECHNICIAN]


def test_who_looked_is_told_by_an_exact_number_with_what_was_done_at_the_township(
    doors: dict[str, Node], planted: Planted
) -> None:
    county, township = doors["county"], doors["township"]
    shown = f"/api/v1/patients/{planted.patient['id']}"
    assert township.ask("GET", shown, DOCTOR).status == 200
    assert county.ask("GET", f"/api/v1/studies/{STUDY}", "wanghai").status == 200

    def asked(number: str, kind: str = "resident-id", house: str = "") -> Answer:
        body = {"kind": kind, "number": number, "institution": house}
        return county.ask("POST", "/api/v1/looks", "shenmo", body)

    def told() -> dict[str, Any]:
        answer = asked(AS_PATIENT_ID)
        assert answer.status == 200, answer.body
        _free_of_planted(answer.body, "POST /api/v1/looks", name=True)
        found: dict[str, Any] = json.loads(answer.body)
        return found

    subject = f"patient:{planted.patient['id']}"
    until(
        lambda: subject in {row["subject"] for row in told()["at_nodes"]},
        60,
        "the township's trail at the county",
    )
    found = told()
    assert {row["node"] for row in found["at_nodes"]} == {"青山卫生院"}
    assert "wanghai" in {row["username"] for row in found["items"]}
    assert asked(AS_PATIENT_ID, "patient-id", "qingshan").status == 200
    # Of whom the asker's house has nothing, and what is no number of anybody, looks the same.
    elsewhere = asked(AS_PATIENT_ID, "patient-id", "dahe")
    assert (elsewhere.status, elsewhere) == (404, asked("990000-NOBODY", "patient-id", "dahe"))
    assert asked(NAME).status == 400
    rows = json.loads(
        county.ask("GET", "/api/v1/admin/audit?subject=looks:resident-id", "audadmin").body
    )
    assert {row["username"] for row in rows["items"]} == {"shenmo"}
