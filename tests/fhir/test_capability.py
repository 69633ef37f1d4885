"""What the door says of itself: held against the page for people, and against what it does."""

import re

from gateway.fhir.interactions import ROOT as DOOR
from gateway.fhir.outcome import ISSUE, STATUS
from gateway.fhir.search import RESULT_PARAMETERS
from gateway.http.fhir_trail import ACTIONS
from kernel.audit.trail import AuditEvent
from kernel.errors import Category
from kernel.fhir.resource import Interaction
from tests.demo.running import ROOT
from tests.fhir.door import FhirDesk
from yilian.wiring.fhir import fhir_door

PAGE = (ROOT / "docs/reference/fhir.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    part = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_says_what_the_capability_says(door: FhirDesk) -> None:
    (rest,) = door.get("/metadata", "").body["rest"]
    told = {
        row[0].strip("`"): (words(row[1]), words(row[2]), words(row[3]))
        for row in table("Resources")
    }
    said = {
        each["type"]: (
            [one["code"] for one in each["interaction"]],
            [one["name"] for one in each["searchParam"]],
            each.get("searchInclude", []),
        )
        for each in rest["resource"]
    }
    assert {kind: [sorted(part) for part in row] for kind, row in told.items()} == {
        kind: [sorted(part) for part in row] for kind, row in said.items()
    }
    assert [one["code"] for one in rest["interaction"]] == ["transaction", "batch"]


def test_the_page_names_every_parameter_of_an_answer() -> None:
    named = {word for row in table("Parameters of every search") for word in words(row[0])}
    assert named == {*RESULT_PARAMETERS, "_format"}


def test_each_claimed_interaction_has_its_route_and_no_other(door: FhirDesk) -> None:
    desk = door.desk
    routes = fhir_door(desk.database, desk.clock, desk.ledger).routes()
    served = {(route.method, route.path) for route in routes}
    wanted = {("GET", f"{DOOR}/metadata"), ("POST", DOOR), ("POST", f"{DOOR}/")}
    paths = {
        Interaction.READ: [("GET", "/{id}")],
        Interaction.VREAD: [("GET", "/{id}/_history/{version}")],
        Interaction.SEARCH_TYPE: [("GET", ""), ("POST", "/_search")],
        Interaction.CREATE: [("POST", "")],
        Interaction.UPDATE: [("PUT", "/{id}")],
    }
    for each in door.get("/metadata", "").body["rest"][0]["resource"]:
        for one in each["interaction"]:
            for method, path in paths[Interaction(one["code"])]:
                wanted.add((method, f"{DOOR}/{each['type']}{path}"))
    assert served == wanted


def test_every_kind_of_trouble_has_its_word() -> None:
    assert set(STATUS) == set(ISSUE) == set(Category)
    assert set(ACTIONS) == set(AuditEvent)
