"""The workstation's types of the API's JSON, against what the nodes themselves declare."""

import re
from typing import Any, Final

import pytest

from tests.demo.running import ROOT, RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_API: Final = ROOT / "gateway" / "ui" / "src" / "api"
TYPES: Final = tuple(sorted(_API.glob("*types.ts")))
AT_COUNTY: Final = {
    "Age": "Age",
    "Session": "SessionView",
    "User": "UserView",
    "StudyPage": "StudyPage",
    "StudyRow": "StudyRow",
    "StudyDetail": "StudyDetail",
    "SeriesRow": "SeriesRow",
    "Conflict": "ConflictRow",
    "ConflictPage": "ConflictPage",
    "FirstContent": "FirstContent",
    "ContentDecision": "DecisionRow",
    "ContentSaid": "Said",
    "Institution": "InstitutionLine",
    "StudyArrival": "StudyArrival",
    "NodeList": "NodeList",
    "NodeRow": "NodeView",
    "NodeLane": "LaneState",
    "NodeDetail": "NodeDetail",
    "NodeStudy": "StudyState",
    "Completeness": "Completeness",
    "KeptPage": "KeptPage",
    "KeptLetter": "KeptView",
    "NodeTrailPage": "NodeTrailPage",
    "NodeTrailLine": "NodeTrailLine",
    "RecordConflict": "RecordConflict",
    "RecordConflictPage": "RecordConflictPage",
    "RecordConflictView": "RecordConflictView",
    "OrderBehind": "OrderBehind",
    "StudyOrder": "StudyOrder",
    "UnreadOrders": "UnreadOrders",
    "Whose": "imaging.archive.http_corrections.Person",
    "CorrectionTarget": "TargetRow",
    "CorrectionTargets": "Targets",
    "CorrectionRow": "CorrectionRow",
    "Corrections": "Corrections",
    "RejectionRow": "RejectionRow",
    "RejectionPage": "RejectionPage",
    "Identity": "Identity",
    "Proposal": "Proposal",
    "ProposalPage": "ProposalPage",
    "PersonMerge": "Merge",
    "CountyPerson": "imaging.patients.http.Person",
}
AT_TOWNSHIP: Final = {
    "TownshipNode": "TownshipFacts",
    "QueuePage": "QueuePage",
    "QueueSummary": "QueueSummary",
    "QueueItem": "QueueItem",
    "SetAside": "SetAside",
    "Line": "Line",
    "ReceivedFile": "ChosenFile",
    "UploadBatch": "BatchView",
    "RegisteredPatient": "RegisteredPatient",
    "RegisteredPage": "PatientPage",
    "RegisteredDetail": "PatientView",
    "Examination": "Examination",
    "OrderRow": "OrderRow",
    "OrderPage": "OrderPage",
    "OrderDetail": "OrderView",
    "DayPage": "DayPage",
    "HistoryLine": "HistoryLine",
    "OpenVersion": "OpenVersion",
}
_INTERFACE: Final = re.compile(r"^export interface (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD: Final = re.compile(r"^  (\w+)(\??): (.+);$", re.MULTILINE)


def declared_here() -> dict[str, dict[str, tuple[bool, str]]]:
    """Return the fields of every interface of the workstation: whether optional, and the type."""
    text = "\n".join(path.read_text("utf-8") for path in TYPES)
    return {
        name: {field: (optional == "?", kind) for field, optional, kind in _FIELD.findall(body)}
        for name, body in _INTERFACE.findall(text)
    }


def may_be_null(schema: dict[str, Any]) -> bool:
    """Tell whether *schema* allows null."""
    return schema.get("type") == "null" or any(map(may_be_null, schema.get("anyOf", [])))


def disagreements(document: dict[str, Any], pairs: dict[str, str]) -> list[str]:
    """Return what the workstation expects and *document* does not promise."""
    schemas, here = document["components"]["schemas"], declared_here()
    found = []
    for mine, theirs in pairs.items():
        promised = schemas[theirs]["properties"]
        for field, (optional, kind) in here[mine].items():
            if field not in promised:
                found += [] if optional else [f"{mine}.{field} is not in {theirs}"]
            elif may_be_null(promised[field]) and not optional and "null" not in kind:
                found.append(f"{mine}.{field} may be null")
    return found


def test_the_county_promises_what_the_page_reads(demo: RunningDemo) -> None:
    assert disagreements(demo.get("/api/openapi.json"), AT_COUNTY) == []


def test_a_township_promises_what_the_page_reads(demo: RunningDemo) -> None:
    document = demo.get("/api/openapi.json", at="qingshan", role="technician")
    assert disagreements(document, AT_TOWNSHIP) == []
