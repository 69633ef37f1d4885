"""Each administrator their own part."""

from typing import Any

import pytest

from kernel.audit.trail import AuditEntry, AuditEvent, audit_entries, verify
from tests.http.conftest import AT, GOOD, Door

ADMIN_ROUTES = [
    ("GET", "/api/v1/admin/institutions", "sys"),
    ("PUT", "/api/v1/admin/institutions/new", "sys"),
    ("GET", "/api/v1/admin/application-entities", "sys"),
    ("PUT", "/api/v1/admin/application-entities/CT01", "sys"),
    ("DELETE", "/api/v1/admin/application-entities/CT01", "sys"),
    ("GET", "/api/v1/admin/accounts", "sec"),
    ("POST", "/api/v1/admin/accounts", "sec"),
    ("PUT", "/api/v1/admin/accounts/qian/roles", "sec"),
    ("POST", "/api/v1/admin/accounts/qian/password", "sec"),
    ("POST", "/api/v1/admin/accounts/qian/disable", "sec"),
    ("POST", "/api/v1/admin/accounts/qian/enable", "sec"),
    ("POST", "/api/v1/admin/accounts/qian/unlock", "sec"),
    ("POST", "/api/v1/admin/accounts/qian/sign-out", "sec"),
    ("GET", "/api/v1/admin/tokens", "sec"),
    ("POST", "/api/v1/admin/tokens", "sec"),
    ("DELETE", "/api/v1/admin/tokens/x", "sec"),
    ("GET", "/api/v1/admin/audit", "aud"),
    ("GET", "/api/v1/admin/audit/export", "aud"),
    ("GET", "/api/v1/admin/audit/verification", "aud"),
]
TRAIL = "/api/v1/admin/audit"


@pytest.mark.parametrize(("method", "path", "owner"), ADMIN_ROUTES)
async def test_a_part_belongs_to_one_administrator(
    door: Door, method: str, path: str, owner: str
) -> None:
    for username in ("sys", "sec", "aud", "wang", "zhao"):
        program = await door.machine(username)
        async with program.request(method, path, json={}) as answer:
            assert (answer.status == 403) is (username != owner), username


async def test_no_admin_route_is_missing_from_the_table(door: Door) -> None:
    page = await door.visitor()
    async with page.get("/api/openapi.json") as answer:
        paths: dict[str, dict[str, Any]] = (await answer.json())["paths"]
    found = sum(len(methods) for path, methods in paths.items() if "/admin/" in path)
    assert found == len(ADMIN_ROUTES)


async def test_the_system_administrator_keeps_institutions_and_peers(door: Door) -> None:
    page = await door.page("sys")
    root = "/api/v1/admin"
    body = {"name": "双河村卫生室", "kind": "village", "parent": "qingshan"}
    async with page.put(f"{root}/institutions/shuanghe", json=body) as answer:
        assert answer.status == 204
    async with page.put(f"{root}/institutions/x", json=body | {"parent": "none"}) as answer:
        assert answer.status == 404
    async with page.put(f"{root}/institutions/x", json=body | {"kind": "pub"}) as answer:
        assert answer.status == 400
        assert "pub" not in await answer.text()
    async with page.put(f"{root}/institutions/shuanghe", json=body) as answer:
        assert answer.status == 428
    again = {"If-None-Match": "*"}
    async with page.put(f"{root}/institutions/shuanghe", json=body, headers=again) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "exists-already")
    peer = {"institution": "qingshan", "host": "10.0.0.9", "port": 104, "charset_hint": "GB18030"}
    async with page.put(f"{root}/application-entities/CT01", json=peer) as answer:
        assert answer.status == 204
    async with page.get(f"{root}/application-entities") as answer:
        (told,) = await answer.json()
    assert told == told | peer | {"ae_title": "CT01"}
    version = {"If-Match": f'"{told["version"]}"'}
    moved = peer | {"host": "10.0.0.10"}
    one = f"{root}/application-entities/CT01"
    async with page.put(one, json=moved, headers=version) as answer:
        assert answer.status == 204
    # Who has not seen that change overwrites nothing, nor takes it away.
    async with page.put(one, json=peer, headers=version) as answer:
        assert answer.status == 412
    async with page.delete(one, headers=version) as answer:
        assert answer.status == 412
    async with page.delete(f"{root}/application-entities/CT01") as answer:
        assert answer.status == 204


async def test_the_security_administrator_makes_accounts_that_work_once_shown(door: Door) -> None:
    page = await door.page("sec")
    asked = {
        "username": "li",
        "display_name": "李",
        "institution": "qingshan",
        "roles": ["technician"],
    }
    async with page.post("/api/v1/admin/accounts", json=asked) as answer:
        assert answer.status == 201
        made = await answer.json()
    other = await door.visitor()
    async with other.post("/api/v1/session", json=made) as answer:
        session = await answer.json()
    assert session["user"]["username"] == "li"
    assert session["password_change_due"] is True
    async with page.get("/api/v1/admin/accounts") as answer:
        assert made["password"] not in await answer.text()


async def test_how_an_account_stands_is_told_and_its_sessions_can_be_ended(door: Door) -> None:
    page = await door.page("sec")
    one = await door.page("zhao")
    for _ in range(5):
        stranger = await door.visitor()
        wrong = {"username": "qian", "password": "no"}
        async with stranger.post("/api/v1/session", json=wrong) as answer:
            assert answer.status == 401

    async def states() -> dict[str, dict[str, Any]]:
        async with page.get("/api/v1/admin/accounts") as answer:
            return {each["username"]: each for each in await answer.json()}

    told = await states()
    assert (told["zhao"]["sessions"], told["zhao"]["locked_until"]) == (1, None)
    assert told["zhao"]["signed_in_at"] is not None
    assert (told["qian"]["sessions"], told["qian"]["signed_in_at"]) == (0, None)
    assert told["qian"]["locked_until"] is not None
    root = "/api/v1/admin/accounts"
    async with page.post(f"{root}/zhao/sign-out") as answer:
        assert answer.status == 204
    async with page.post(f"{root}/qian/unlock") as answer:
        assert answer.status == 204
    door.sign_ins.forget()
    async with one.get("/api/v1/who") as answer:
        assert answer.status == 401
    now = await states()
    assert (now["zhao"]["sessions"], now["qian"]["locked_until"]) == (0, None)
    # Who has not seen the newest roles changes none.
    seen = {"If-Match": f'"{told["zhao"]["version"]}"'}
    roles = {"roles": ["doctor"]}
    async with page.put(f"{root}/zhao/roles", json=roles, headers=seen) as answer:
        assert answer.status == 204
    async with page.put(f"{root}/zhao/roles", json=roles, headers=seen) as answer:
        assert answer.status == 412


async def test_a_token_is_shown_once_and_can_be_revoked(door: Door) -> None:
    page = await door.page("sec")
    asked = {"username": "pacs", "label": "county PACS", "days": 30}
    async with page.post("/api/v1/admin/tokens", json=asked) as answer:
        assert answer.status == 201
        made = await answer.json()
    program = await door.visitor(Authorization=f"Bearer {made['token']}")
    async with program.get("/api/v1/who") as answer:
        assert await answer.json() == {"username": "pacs"}
    async with page.get("/api/v1/admin/tokens") as answer:
        assert made["token"] not in await answer.text()
    async with page.delete(f"/api/v1/admin/tokens/{made['id']}") as answer:
        assert answer.status == 204
    async with program.get("/api/v1/who") as answer:
        assert answer.status == 401


async def test_a_look_is_in_the_trail_before_the_answer_and_can_be_read_by_the_auditor(
    door: Door,
) -> None:
    doctor = await door.page("wang")
    for _ in range(3):
        async with doctor.get("/api/v1/reading/1.2.3") as answer:
            assert answer.status == 200
    await door.access_log.flush()
    auditor = await door.page("aud")
    async with auditor.get("/api/v1/admin/audit", params={"subject": "study:1.2.3"}) as answer:
        entries = (await answer.json())["items"]
    assert len(entries) == 1
    assert entries[0]["username"] == "wang"
    assert entries[0]["reason"] == "routed-here"
    assert entries[0]["address"] == "127.0.0.1"
    assert entries[0]["later_accesses"] == 2
    async with auditor.get("/api/v1/admin/audit/verification") as answer:
        assert await answer.json() == {"faults": []}
    assert await door.database.read(verify) == []


async def test_the_auditor_pages_through_the_trail_and_that_is_in_it_too(door: Door) -> None:
    auditor = await door.page("aud")
    seen: list[int] = []
    before = ""
    while True:
        url = f"/api/v1/admin/audit?limit=7{before}"
        async with auditor.get(url) as answer:
            page = await answer.json()
        seen += [one["id"] for one in page["items"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert seen == sorted(set(seen), reverse=True)
    async with auditor.get("/api/v1/admin/audit?event=audit-read") as answer:
        assert len((await answer.json())["items"]) >= 1
    assert audit_entries.name == "audit_entries"


def look_by(username: str, institution: str, *, patient: str = "") -> AuditEntry:
    return AuditEntry(
        at=AT,
        event=AuditEvent.STUDY_SEEN,
        user_id=username,
        username=username,
        institution=institution,
        patient=patient,
    )


async def test_the_trail_hides_patients_and_says_who_looked_for_one(door: Door) -> None:
    await door.access_log.add(look_by("wang", "county", patient="990000199001011234"))
    auditor = await door.page("aud")
    async with auditor.get(TRAIL, params={"patient": "990000199001011234"}) as answer:
        asked, seen = (await answer.json())["items"]
    assert seen["patient"] == "990***********1234"
    # The question is a row of its own, and found as the looks are.
    assert (asked["event"], asked["username"]) == ("audit-read", "aud")
    assert asked["patient"] == "990***********1234"
    async with auditor.get(TRAIL, params={"username": "wang", "event": "study-seen"}) as answer:
        assert len((await answer.json())["items"]) == 1
    async with auditor.get(TRAIL, params={"event": "audit-read", "limit": "1"}) as answer:
        (newest,) = (await answer.json())["items"]
    assert newest["detail"] == {"act": "read", "event": "audit-read"}


async def test_a_privacy_officer_reads_what_their_own_house_did_and_checks_nothing(
    door: Door,
) -> None:
    for username, house in (("wang", "county"), ("zhao", "qingshan")):
        await door.access_log.add(look_by(username, house))
    officer = await door.page("sun")
    async with officer.get(TRAIL, params={"event": "study-seen"}) as answer:
        assert [one["username"] for one in (await answer.json())["items"]] == ["wang"]
    async with officer.get(f"{TRAIL}/verification") as answer:
        assert answer.status == 403


async def test_nothing_written_through_the_door_says_a_password(door: Door) -> None:
    auditor = await door.page("aud")
    async with auditor.get("/api/v1/admin/audit?limit=500") as answer:
        assert GOOD not in await answer.text()
