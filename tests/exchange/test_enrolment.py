"""Who is a node: by a code, once; by its key, always; no more from the moment it is let go."""

import asyncio
import datetime as dt
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.accounts.administration import OPERATOR
from gateway.exchange.codes import InvalidCode, new_code, normal_code
from gateway.exchange.county_link import CountyUnreachable
from gateway.exchange.enrolment import (
    CODE_VALID,
    SESSION_VALID,
    CodeLate,
    CodeUnknown,
    CodeUsed,
    NodeRevoked,
)
from gateway.exchange.proof import (
    NONCE_VALID,
    InvalidKey,
    NonceRefused,
    ProofRefused,
    public_hex,
    sign_nonce,
)
from gateway.http.auth import Auth, AuthSettings
from kernel.errors import Missing, Unauthenticated
from kernel.identity import PrincipalKind
from kernel.letter import Letter
from tests.exchange.two_nodes import Read, ShiftedClock, county_in, township_in, until

DAY = dt.timedelta(days=1)
A_MOMENT = dt.timedelta(seconds=1)


async def test_a_code_makes_one_node_and_answers_its_key_again_when_the_answer_was_lost(
    tmp_path: Path,
) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    async with county_in(tmp_path) as county:
        invited = await county.enrolment.invite(OPERATOR, "qingshan")
        first = await county.enrolment.enrol(invited.code, public_hex(key))
        typed = invited.code.lower().replace("-", " ")
        assert await county.enrolment.enrol(typed, public_hex(key)) == first
        assert (first.institution, first.county_phone) == ("qingshan", "0571-1")
        with pytest.raises(CodeUsed):
            await county.enrolment.enrol(invited.code, public_hex(other))


async def test_a_code_is_good_for_a_day(tmp_path: Path) -> None:
    key = public_hex(Ed25519PrivateKey.generate())
    async with county_in(tmp_path) as county:
        late = await county.enrolment.invite(OPERATOR, "qingshan")
        county.clock.ahead = CODE_VALID
        with pytest.raises(CodeLate):
            await county.enrolment.enrol(late.code, key)
        county.clock.ahead = dt.timedelta(0)
        just = await county.enrolment.invite(OPERATOR, "qingshan")
        county.clock.ahead = CODE_VALID - dt.timedelta(minutes=1)
        assert (await county.enrolment.enrol(just.code, key)).institution == "qingshan"


async def test_what_is_no_code_or_no_key_or_no_house_gets_a_clear_answer(tmp_path: Path) -> None:
    key = public_hex(Ed25519PrivateKey.generate())
    async with county_in(tmp_path) as county:
        with pytest.raises(CodeUnknown):
            await county.enrolment.enrol(new_code(), key)
        with pytest.raises(InvalidCode):
            await county.enrolment.enrol("7KQM-2FXR", key)
        with pytest.raises(InvalidKey):
            await county.enrolment.enrol(new_code(), "not hex")
        with pytest.raises(Missing, match="no institution"):
            await county.enrolment.invite(OPERATOR, "nowhere")


def test_a_code_is_the_same_however_it_was_typed() -> None:
    code = new_code()
    assert normal_code(code) == normal_code(f" {code.lower()} ") == code.replace("-", "")


async def test_the_door_says_so_in_words_a_person_can_act_on(tmp_path: Path) -> None:
    key = public_hex(Ed25519PrivateKey.generate())
    async with county_in(tmp_path) as county, aiohttp.ClientSession(county.url) as session:
        used = await county.enrolment.invite(OPERATOR, "qingshan")
        await county.enrolment.enrol(used.code, public_hex(Ed25519PrivateKey.generate()))
        body = {"code": used.code, "public_key": key}
        async with session.post("/api/v1/nodes/enrol", json=body) as answer:
            assert answer.status == 409
            said = await answer.json()
            assert said["code"] == "enrol-code-used"
            assert "another" in said["detail"]


@pytest.mark.parametrize("ahead", [DAY, -DAY, 400 * DAY], ids=["ahead", "behind", "far"])
async def test_a_clock_a_day_wrong_works(tmp_path: Path, ahead: dt.timedelta) -> None:
    read = Read()
    clock = ShiftedClock(ahead)
    async with county_in(tmp_path, {"order": read}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key, clock=clock) as node:
            node.start()
            await node.write(Letter("order", "o1", 1, {}))
            await until(lambda: read.keys == ["o1"])
        async with county.page("wang") as page, page.get("/api/v1/nodes") as answer:
            [seen] = (await answer.json())["items"]
            assert seen["state"] == "up"
            assert abs(seen["clock_off_s"] - ahead.total_seconds()) < 30


async def test_a_signature_by_another_key_is_refused_and_so_is_a_node_nobody_knows(
    tmp_path: Path,
) -> None:
    async with county_in(tmp_path) as county:
        enrolled, _ = await county.new_node()
        forger = Ed25519PrivateKey.generate()
        for node in (enrolled.node, "x" * 26):
            nonce = county.enrolment.challenge(node).nonce
            with pytest.raises(ProofRefused):
                await county.enrolment.open_session(node, nonce, sign_nonce(forger, node, nonce))


async def test_a_signed_nonce_opens_one_session_and_no_second(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        nonce = county.enrolment.challenge(enrolled.node).nonce
        signed = sign_nonce(key, enrolled.node, nonce)
        await county.enrolment.open_session(enrolled.node, nonce, signed)
        with pytest.raises(NonceRefused):
            await county.enrolment.open_session(enrolled.node, nonce, signed)


async def test_a_nonce_is_for_one_node_and_a_short_time(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        other, other_key = await county.new_node("shiqiao")
        nonce = county.enrolment.challenge(enrolled.node).nonce
        signed = sign_nonce(other_key, other.node, nonce)
        with pytest.raises(NonceRefused):
            await county.enrolment.open_session(other.node, nonce, signed)
        county.clock.ahead = NONCE_VALID + A_MOMENT
        signed = sign_nonce(key, enrolled.node, nonce)
        with pytest.raises(NonceRefused):
            await county.enrolment.open_session(enrolled.node, nonce, signed)


async def test_a_session_ends_by_the_countys_clock(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        enrolled, key = await county.new_node()
        nonce = county.enrolment.challenge(enrolled.node).nonce
        signed = sign_nonce(key, enrolled.node, nonce)
        opened = await county.enrolment.open_session(enrolled.node, nonce, signed)
        found = await county.enrolment.by_token(opened.token)
        assert (found.principal.institution, found.principal.kind) == (
            "qingshan",
            PrincipalKind.MACHINE,
        )
        county.clock.ahead = SESSION_VALID
        with pytest.raises(Unauthenticated):
            await county.enrolment.by_token(opened.token)


async def test_a_node_that_was_let_go_is_out_with_its_next_request(tmp_path: Path) -> None:
    read = Read()
    async with county_in(tmp_path, {"order": read}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            await node.sender.send_once()
            await county.enrolment.revoke(OPERATOR, enrolled.node)
            await node.write(Letter("order", "o1", 1, {}))
            with pytest.raises(CountyUnreachable) as refused:
                await node.sender.send_once()
            assert refused.value.code == "bad-token"
            with pytest.raises(CountyUnreachable) as refused:
                await node.sender.send_once()
            assert refused.value.code == "node-revoked"
            assert read.keys == []
            # It keeps what it could not say, for whoever enrols it again.
            assert await node.waiting() == 1
        invited = await county.enrolment.invite(OPERATOR, "qingshan")
        with pytest.raises(NodeRevoked):
            await county.enrolment.enrol(invited.code, public_hex(key))


async def test_what_a_node_still_has_running_is_cut_when_it_is_let_go() -> None:
    class Nodes:
        async def by_token(self, token: str) -> None:
            raise AssertionError(token)

        async def revoked_among(self, ids: set[str]) -> set[str]:
            return ids & {"gone"}

    class Transport(asyncio.Transport):
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    class SignIns:
        nodes = Nodes()

    auth = Auth(SignIns(), AuthSettings())  # type: ignore[arg-type]  # only asked for its nodes
    gone, stays = Transport(), Transport()
    async with auth._noted("gone", gone), auth._noted("stays", stays):
        await auth.cut_revoked()
    assert (gone.aborted, stays.aborted) == (True, False)
    assert not auth._by_machines


async def test_a_token_of_another_kind_opens_no_door_for_nodes(tmp_path: Path) -> None:
    async with county_in(tmp_path) as county:
        made = await county.admin.create_token(OPERATOR, "zhao", label="test")
        headers = {"Authorization": f"Bearer {made.token}"}
        async with (
            aiohttp.ClientSession(county.url, headers=headers) as session,
            session.get("/api/v1/nodes/feed") as answer,
        ):
            assert answer.status == web.HTTPForbidden.status_code
            assert (await answer.json())["code"] == "not-a-node"
