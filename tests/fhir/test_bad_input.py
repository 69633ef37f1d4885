"""S26: what a body can be made of besides a resource, through the whole door."""

import json

import pytest
from hypothesis import given, settings, strategies as st

from gateway.fhir.body import parse_resource
from kernel.errors import PlatformError
from tests.fhir.door import FhirDesk
from tests.fhir.test_writing import somebody

ENTRIES = b",".join([b'{"request":{"method":"GET","url":"Patient/1"}}'] * 20_000)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"[" * 100_000, 413, "too-deep", id="100000-deep"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, 413, "too-deep", id="65-deep"),
        pytest.param(b'{"a":' + b"9" * 200_000 + b"}", 400, "invalid-json", id="200000-digits"),
        pytest.param(b'{"a":1e999999}', 400, "invalid-json", id="infinite"),
        pytest.param(b'{"a":NaN}', 400, "invalid-json", id="nan"),
        pytest.param(
            b'{"resourceType":"Patient","resourceType":"Person"}', 400, "invalid-json", id="twice"
        ),
        pytest.param(b'{"name":"\\ud800"}', 400, "invalid-json", id="lone-surrogate"),
        pytest.param(b'{"name":"\\u0000"}', 400, "invalid-json", id="nul"),
        pytest.param(b'{"name":"\xff"}', 400, "invalid-json", id="no-utf-8"),
        pytest.param('{"a":1}'.encode("utf-16"), 400, "invalid-json", id="utf-16"),
        pytest.param(b'"' + b'\\"' * 100_000, 400, "invalid-json", id="text-without-end"),
        pytest.param(b"", 400, "invalid-json", id="empty"),
        pytest.param(b"[]", 400, "invalid-json", id="list"),
        pytest.param(b"null", 400, "invalid-json", id="null"),
        pytest.param(b'{"resourceType":"Group"}', 400, "wrong-type", id="other-type"),
        pytest.param(b'{"a":"' + b"x" * 300_000 + b'"}', 413, "too-large", id="300-kb"),
    ],
)
def test_a_body_that_is_no_resource_is_answered_and_costs_little(
    door: FhirDesk, body: bytes, status: int, code: str
) -> None:
    answer = door.ask("POST", "/Patient", body=body)
    assert (answer.status, answer.code) == (status, code)


def test_a_bundle_of_100000_entries_or_10_mb_is_not_read(door: FhirDesk) -> None:
    many = b'{"resourceType":"Bundle","type":"batch","entry":[' + ENTRIES + b"]}"
    assert door.ask("POST", "", body=many).status == 413
    number = b'{"resourceType":"Bundle","total":' + b"9" * 900_000 + b"}"
    assert door.ask("POST", "", body=number).code == "invalid-json"


@pytest.mark.parametrize(
    "kind", ["application/fhir+xml", "text/plain", "application/x-www-form-urlencoded"]
)
def test_takes_json_only(door: FhirDesk, kind: str) -> None:
    answer = door.ask("POST", "/Patient", body=b"<Patient/>", Content_Type=kind)
    assert (answer.status, answer.body["issue"][0]["code"]) == (415, "not-supported")


def test_no_error_repeats_what_was_sent(door: FhirDesk) -> None:
    for more in ({"gender": "张伟"}, {"birthDate": "张伟"}, {"name": [{"text": "张伟^"}]}):
        answer = door.ask("POST", "/Patient", body=somebody(**more))
        assert answer.status == 400
        assert "张伟" not in json.dumps(answer.body, ensure_ascii=False)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**17), 10**17)
        | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner),
        max_leaves=8,
    ).map(lambda inner: {"resourceType": "Patient", "x": inner})
)
def test_what_everybody_reads_alike_is_read(value: dict[str, object]) -> None:
    assert parse_resource(json.dumps(value).encode()) == value
    assert parse_resource(json.dumps(value, ensure_ascii=False).encode()) == value


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        found = parse_resource(raw)
    except PlatformError:
        return
    assert isinstance(found, dict)
