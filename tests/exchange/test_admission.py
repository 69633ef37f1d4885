"""The centre's people invite a township's machine at their page, and let one go."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.accounts.administration import OPERATOR
from gateway.exchange.county_link import CountyUnreachable
from gateway.exchange.enrolment import CODE_VALID, CodeWithdrawn
from gateway.exchange.proof import public_hex
from kernel.audit.trail import audit_entries
from kernel.events import events_after
from kernel.letter import Letter
from tests.exchange.two_nodes import County, Read, county_in, township_in

INVITATIONS = "/api/v1/node-invitations"
QINGSHAN = {"code": "qingshan", "name": "青山镇卫生院"}


async def post(
    county: County, path: str, body: object = None, *, who: str = "guan"
) -> tuple[int, Any]:
    """Write as somebody who has signed in at their page."""
    async with county.page(who) as page:
        async with page.get("/api/v1/session") as answer:
            headers = {"X-CSRF-Token": (await answer.json())["csrf"]}
        async with page.post(path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()


async def admission(county: County, who: str = "guan") -> Any:
    async with county.page(who) as page, page.get(INVITATIONS) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def did(county: County, act: str) -> list[tuple[str, str, str]]:
    """Return who did *act*, to what, from where, as the audit trail has it."""
    columns = audit_entries.c

    def read(conn: sa.Connection) -> list[tuple[str, str, str]]:
        rows = conn.execute(
            sa.select(columns.username, columns.subject, columns.address, columns.detail)
        ).all()
        return [(row[0], row[1], row[2]) for row in rows if (row.detail or {}).get("act") == act]

    return await county.database.read(read)


@pytest.mark.parametrize("who", ["guan", "sys"])
async def test_a_code_from_the_page_makes_one_node(tmp_path: Path, who: str) -> None:
    async with county_in(tmp_path) as county:
        status, made = await post(county, INVITATIONS, {"institution": "qingshan"}, who=who)
        assert status == 201
        assert made["institution"] == QINGSHAN
        ends_in = dt.datetime.fromisoformat(made["expires_at"]) - county.clock.now()
        assert CODE_VALID - dt.timedelta(minutes=1) < ends_in <= CODE_VALID
        told = await admission(county, who)
        [waiting] = told["open"]
        assert (waiting["institution"], waiting["made_by"]) == (QINGSHAN, who)
        assert {one["institution"]["code"]: one["nodes"] for one in told["houses"]} == {
            "qingshan": 0,
            "shiqiao": 0,
        }
        key = public_hex(Ed25519PrivateKey.generate())
        assert (await county.enrolment.enrol(made["code"], key)).institution == "qingshan"
        after = await admission(county, who)
        assert after["open"] == []
        assert [one["nodes"] for one in after["houses"] if one["institution"] == QINGSHAN] == [1]
        assert await did(county, "invite") == [(who, "node-invitation:qingshan", "127.0.0.1")]


async def test_the_code_is_in_no_answer_but_the_one_that_makes_it(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        _, made = await post(county, INVITATIONS, {"institution": "qingshan"})
        assert made["code"] not in json.dumps(await admission(county))
        _, other = await post(county, INVITATIONS, {"institution": "qingshan"})
        assert other["code"] != made["code"]
        assert len((await admission(county))["open"]) == 2
        county.clock.ahead = CODE_VALID
        assert (await admission(county))["open"] == []


async def test_a_code_is_taken_back_and_makes_no_node_then(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        _, made = await post(county, INVITATIONS, {"institution": "qingshan"})
        _, other = await post(county, INVITATIONS, {"institution": "qingshan"})
        [newest, _] = (await admission(county))["open"]
        assert newest["id"] == other["id"] != made["id"]
        path = f"{INVITATIONS}/{made['id']}/withdraw"
        status, left = await post(county, path)
        assert (status, [one["id"] for one in left["open"]]) == (200, [other["id"]])
        # Twice is once, in the trail, too.
        assert await post(county, path, who="sys") == (200, left)
        assert await did(county, "withdraw") == [("guan", "node-invitation:qingshan", "127.0.0.1")]
        key = public_hex(Ed25519PrivateKey.generate())
        with pytest.raises(CodeWithdrawn):
            await county.enrolment.enrol(made["code"], key)
        assert (await county.enrolment.enrol(other["code"], key)).institution == "qingshan"


async def test_a_code_that_made_a_node_or_that_nobody_knows_is_not_taken_back(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        _, made = await post(county, INVITATIONS, {"institution": "qingshan"})
        key = public_hex(Ed25519PrivateKey.generate())
        enrolled = await county.enrolment.enrol(made["code"], key)
        status, said = await post(county, f"{INVITATIONS}/{made['id']}/withdraw")
        assert (status, said["code"]) == (409, "enrol-code-used")
        # Its machine, whose answer was lost, still gets it.
        assert await county.enrolment.enrol(made["code"], key) == enrolled
        for which in ("nobody", "%25", made["id"][:-1]):
            status, said = await post(county, f"{INVITATIONS}/{which}/withdraw")
            assert (status, said["code"]) == (404, "invitation-unknown")
        assert await did(county, "withdraw") == []


async def test_a_node_let_go_at_the_page_is_out_and_the_pages_hear_of_it(tmp_path: Path) -> None:
    read = Read()
    async with county_in(tmp_path, {"order": read}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            await node.sender.send_once()
            path = f"/api/v1/nodes/{enrolled.node}/revoke"
            status, shown = await post(county, path)
            assert (status, shown["state"], shown["institution"]) == (200, "revoked", QINGSHAN)
            await node.write(Letter("order", "o1", 1, {}))
            with pytest.raises(CountyUnreachable):
                await node.sender.send_once()
            # It keeps what it could not say.
            assert (read.keys, await node.waiting()) == ([], 1)
            # Twice is once: neither the instant nor the trail says otherwise.
            assert await post(county, path, who="sys") == (200, shown)
        assert await did(county, "revoke") == [("guan", f"node:{enrolled.node}", "127.0.0.1")]
        events = await county.database.read(lambda conn: events_after(conn, 0, limit=100))
        last = events[-1]
        assert (last.topic, last.institution) == ("node.updated", "qingshan")
        assert last.routed_to == frozenset({"county"})
        assert last.payload["node"] == enrolled.node


@pytest.mark.parametrize(
    ("who", "status"),
    [
        pytest.param("wang", 403, id="radiologist"),
        pytest.param("shen", 403, id="auditor"),
        pytest.param("zhao", 403, id="technician-of-the-house"),
        pytest.param("ren", 404, id="manager-of-the-house"),
    ],
)
async def test_only_the_centres_manager_and_system_administrator_decide(
    tmp_path: Path, who: str, status: int
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, _ = await county.new_node()
        invited = await county.enrolment.invite(OPERATOR, "qingshan")
        back = f"{INVITATIONS}/{invited.id}/withdraw"
        for path in (INVITATIONS, back, f"/api/v1/nodes/{enrolled.node}/revoke"):
            assert (await post(county, path, {"institution": "qingshan"}, who=who))[0] == status
        async with county.page(who) as page, page.get(INVITATIONS) as answer:
            assert answer.status == status
        [node] = await county.enrolment.nodes()
        assert node.revoked_at is None
        assert await did(county, "revoke") == []
        assert await did(county, "withdraw") == []


async def test_what_cannot_be_gets_a_clear_answer(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        for institution, status, code in (
            ("nowhere", 404, "no-such-institution"),
            ("county", 400, "own-institution"),
        ):
            answer = await post(county, INVITATIONS, {"institution": institution})
            assert (answer[0], answer[1]["code"]) == (status, code)
        status, said = await post(county, "/api/v1/nodes/nobody/revoke")
        assert (status, said["code"]) == (404, "node-unknown")
        assert (await post(county, INVITATIONS, {}))[0] == 400
        assert (await admission(county))["open"] == []
