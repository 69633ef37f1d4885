"""The setting that lets a viewer of another origin read reaches the running county's door."""

import urllib.error
import urllib.request

import pytest

from tests.demo.conftest import VIEWER
from tests.demo.running import RunningDemo

STRANGER = "https://evil.example"


@pytest.mark.timeout(120)
def test_a_named_origin_and_no_other_may_read_dicomweb(demo: RunningDemo) -> None:
    assert _preflight(demo, "/dicom-web/studies", VIEWER) == (204, VIEWER)
    assert _preflight(demo, "/dicom-web/studies", STRANGER) == (204, None)
    assert _preflight(demo, "/api/v1/studies", VIEWER) == (405, None)
    assert _preflight(demo, "/dicom-web/studies", VIEWER, at="qingshan") == (405, None)


def _preflight(
    demo: RunningDemo, path: str, origin: str, *, at: str = ""
) -> tuple[int, str | None]:
    request = urllib.request.Request(
        demo.http(at) + path,
        method="OPTIONS",
        headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Access-Control-Allow-Origin"]
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["Access-Control-Allow-Origin"]
