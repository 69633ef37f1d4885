"""Whatever is sent to any route of a running node, it neither breaks nor stands still."""

from collections.abc import Iterator

import aiohttp
import pytest

from tests.demo.acknowledged import Modality, images
from tests.demo.running import RunningDemo, running_demo, until
from tests.http.any_input import faults

EACH = 15
pytestmark = pytest.mark.timeout(280)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A demo of its own, for what it is asked may change anything; one study is at both nodes."""
    with running_demo(tmp_path_factory.mktemp("any") / "home") as running:
        sent = images(2, series=1, run="any input")
        assert len(Modality(running.door("qingshan"), sent).send_all()) == len(sent)
        yield running


@pytest.mark.parametrize("node", ["", "qingshan"], ids=["county", "township"])
async def test_no_route_breaks_and_the_node_goes_on(demo: RunningDemo, node: str) -> None:
    until(lambda: demo.get("/api/v1/studies")["total"] > 0, 60, "a study")
    study = demo.get("/api/v1/studies")["items"][0]["study_instance_uid"]
    (first, *_) = demo.get(f"/dicom-web/studies/{study}/instances")
    uids = [study, *(first[tag]["Value"][0] for tag in ("0020000E", "00080018"))]
    institutions = {"county-hospital"} if not node else {node}
    tokens: dict[str, str] = {}
    for account in demo.ready["accounts"]:
        if account["institution"] in institutions:
            tokens.setdefault(account["role"], account["token"])
    async with aiohttp.ClientSession(demo.http(node)) as session:
        async with session.get("/api/openapi.json") as answer:
            document = await answer.json()
        count, found = await faults(
            session, document, tokens, seed=f"demo {node}", each=EACH, known=uids
        )
        async with session.get("/health/ready") as answer:
            assert answer.status == 200
    assert count >= EACH * 30
    assert found == []
