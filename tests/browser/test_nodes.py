"""What the county knows of its townships' machines: what it could not take, what people did."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Route, expect

from gateway.exchange.tables import node_status
from tests.browser.beside import QINGSHAN, in_database, node_of, tell_what_is_refused
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module", autouse=True)
def told(demo: RunningDemo) -> str:
    """Let the township tell what is refused, and wait for the trail of its people."""
    tell_what_is_refused(demo)
    demo.get("/api/v1/orders?limit=5", at=QINGSHAN, role="technician")
    node = str(node_of(demo, QINGSHAN)["id"])
    path = f"/api/v1/nodes/{node}/audit?limit=5"
    until(
        lambda: demo.get(path, role="audit-administrator")["items"] != [],
        120,
        "the township's trail at the county",
    )
    until(
        lambda: node_of(demo, QINGSHAN)["letters_refused"] > 0,
        120,
        "the heartbeat that counts the refusals",
    )
    return node


def open_row(person: Person, demo: RunningDemo, role: str, name: str = "青山卫生院") -> None:
    """Open the township's row without a mouse."""
    sign_in(person, demo, role)
    page = person.page
    page.goto(f"{county(demo)}/nodes")
    row = page.get_by_test_id("node-row").filter(has_text=name)
    expect(row).to_be_visible()
    for _ in range(page.get_by_test_id("node-row").count()):
        page.keyboard.press("ArrowDown")
        if row.evaluate("(row) => row === document.activeElement"):
            break
    page.keyboard.press("Enter")
    person.see("node-detail")


def test_what_could_not_be_taken_is_listed_with_its_reason_in_words(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        open_row(person, demo, "system-administrator")
        row = person.page.get_by_test_id("node-row").filter(has_text="青山卫生院")
        expect(row).to_contain_text("没收下4条")
        said = person.text("refused")
        assert "检查单" in said
        assert "是别的机构的" in said
        assert "县里的程序还不认识" in said
        # The numbers are for the help desk, and a word nobody knows is none.
        assert "letter-" not in said
        assert "bed-report" not in said
        # What people did is the auditors' to read.
        expect(person.page.get_by_test_id("open-trail")).to_have_count(0)


def test_an_auditor_reads_what_people_did_there_and_that_is_written_down(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        open_row(person, demo, "audit-administrator")
        page = person.page
        for _ in range(6):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.dataset.testid") == "open-trail":
                break
        page.keyboard.press("Enter")
        trail = page.get_by_test_id("trail")
        expect(trail.get_by_role("row").nth(1)).to_be_visible()
        expect(trail).to_contain_text("查了列表")
        # Words of machines stand under the technical facts only.
        said = trail.get_by_role("table").inner_text()
        assert not re.search(r"\d+(\.\d+){4,}|sha256|[a-z-]+:[a-z0-9]", said), said
        # The hand stays where it was when the button has gone.
        assert page.evaluate("() => document.activeElement.dataset.testid") == "trail"


def test_an_auditor_takes_away_that_a_trail_breaks_off_once_it_is_explained(
    browser: Browser, demo: RunningDemo
) -> None:
    node = str(node_of(demo, QINGSHAN)["id"])
    table = node_status
    broken = sa.update(table).where(table.c.node == node).values(audit_fault="gateway 7: missing")
    in_database(demo.home / "county", lambda conn: conn.execute(broken).rowcount)
    with at_work(browser, county(demo)) as person:
        open_row(person, demo, "audit-administrator")
        page = person.page
        row = page.get_by_test_id("node-row").filter(has_text="青山卫生院")
        expect(row).to_contain_text("日志对不上")
        page.get_by_test_id("trail-checked").press("Enter")
        assert violations(page) == []
        person.picture("nodes-trail-fault-zh-1366x625")
        page.get_by_test_id("trail-checked-yes").press("Enter")
        expect(page.get_by_test_id("trail-fault")).to_have_count(0)
        expect(row).not_to_contain_text("日志对不上")


def silent(route: Route) -> None:
    """Answer as the county would three minutes after the first township's last beat."""
    answer = route.fetch()
    told = answer.json()
    for node in told["items"]:
        if node["institution"]["code"] == QINGSHAN:
            node |= {"state": "silent", "down_since": node["heard_at"]}
    route.fulfill(response=answer, json=told)


@pytest.mark.parametrize("role", ["radiologist", "manager"])
def test_a_silent_machine_is_told_on_every_page_until_somebody_takes_note(
    browser: Browser, demo: RunningDemo, role: str
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        page.route("**/api/v1/nodes", silent)
        sign_in(person, demo, role)
        if role == "manager":
            # Whose page it is sees it there, and on its tab.
            expect(page).to_have_url(re.compile("/nodes$"))
            expect(page.get_by_test_id("silent-badge")).to_contain_text("1")
            expect(page.get_by_test_id("silent-note")).to_have_count(0)
            person.picture("nodes-silent-zh-1366x625")
            return
        note = page.get_by_test_id("silent-note")
        expect(note).to_contain_text("青山卫生院")
        expect(note).to_contain_text("没有消息")
        fits(person)
        assert violations(page) == []
        person.picture("studies-silent-zh-1366x625")
        page.get_by_test_id("silent-noted").click()
        expect(note).to_have_count(0)


def noting(made: list[str]) -> Callable[[Route], None]:
    """Answer as the county does, and put the ids of the orders that are made into *made*."""

    def order(route: Route) -> None:
        answer = route.fetch()
        if route.request.method == "POST":
            made.append(answer.json()["order"]["id"])
        route.fulfill(response=answer)

    return order


def test_a_village_doctor_is_told_where_an_order_is_until_the_township_has_it(
    browser: Browser, demo: RunningDemo
) -> None:
    made: list[str] = []
    read: list[str] = []

    def late(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        for node in told["items"]:
            node |= {"state": "late", "down_since": node["heard_at"]}
        route.fulfill(response=answer, json=told)

    def unread(route: Route) -> None:
        left = [one for one in made if one not in read]
        route.fulfill(json={"known": True, "machine": True, "items": left})

    with at_work(browser, county(demo)) as person:
        page = person.page
        page.route("**/api/v1/nodes", late)
        page.route("**/api/v1/orders", noting(made))
        page.route("**/api/v1/orders/unread", unread)
        sign_in(person, demo, "village-doctor")
        # Down for a minute is down: three of silence are not waited for.
        expect(page.get_by_test_id("orders-wait")).to_contain_text("青山卫生院")
        expect(page.get_by_test_id("orders-wait")).to_contain_text("单子留在县里")
        page.get_by_test_id("patient-find").fill("zhou")
        page.get_by_test_id("patient-option").first.click()
        page.get_by_test_id("examination-option").first.click()
        # The note of the silent machine covers nothing.
        page.get_by_test_id("submit").click()
        expect(page.get_by_test_id("desk")).to_have_attribute("data-state", "done")
        expect(page.locator("h1")).to_contain_text("等卫生院有消息再到设备上")
        fits(person)
        person.picture("desk-unread-zh-1366x625")
        page.get_by_role("button", name="回今日检查").click()
        row = page.locator(f"[data-order='{made[0]}']")
        expect(row.get_by_test_id("unread")).to_have_text("待做，卫生院还没收到")
        fits(person)
        assert violations(page) == []
        person.picture("today-unread-zh-1366x625")
        read += made
        expect(row.get_by_test_id("unread")).to_have_count(0, timeout=20_000)
        expect(row).to_contain_text("待做")


def let_go(route: Route) -> None:
    """Answer as the county would after the last machine of every township was let go."""
    answer = route.fetch()
    told = answer.json()
    for node in told["items"]:
        node |= {"state": "revoked", "revoked_at": node["heard_at"]}
    route.fulfill(response=answer, json=told)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_village_doctor_is_told_where_the_township_has_no_machine_at_all(
    browser: Browser, demo: RunningDemo, language: str
) -> None:
    made: list[str] = []

    def unread(route: Route) -> None:
        route.fulfill(json={"known": True, "machine": False, "items": made})

    words = {
        "zh": ("没有主机接入县里", "设备上看不到", "待做，卫生院没有主机接入"),
        "en": ("has no machine connected", "its devices do not see it", "To do, no machine there"),
    }
    before, after, row_word = words[language]
    with at_work(browser, county(demo), language=language) as person:
        page = person.page
        page.route("**/api/v1/nodes", let_go)
        page.route("**/api/v1/orders", noting(made))
        page.route("**/api/v1/orders/unread", unread)
        sign_in(person, demo, "village-doctor")
        expect(page.get_by_test_id("orders-nobody")).to_contain_text(before)
        # That is no line that is down: nothing is promised for when it is up.
        expect(page.get_by_test_id("orders-wait")).to_have_count(0)
        page.get_by_test_id("patient-find").fill("zhou")
        page.get_by_test_id("patient-option").first.click()
        page.get_by_test_id("examination-option").first.click()
        fits(person)
        assert violations(page) == []
        person.picture(f"desk-no-machine-open-{language}-1366x625")
        page.get_by_test_id("submit").click()
        expect(page.get_by_test_id("desk")).to_have_attribute("data-state", "done")
        expect(page.locator("h1")).to_contain_text(after)
        fits(person)
        person.picture(f"desk-no-machine-{language}-1366x625")
        page.keyboard.press("g")
        page.keyboard.press("d")
        row = page.locator(f"[data-order='{made[0]}']")
        expect(row.get_by_test_id("unread")).to_have_text(row_word)
        fits(person)
        assert violations(page) == []
        person.picture(f"today-no-machine-{language}-1366x625")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_county_whose_townships_have_no_machine_is_not_well(
    browser: Browser, demo: RunningDemo, language: str
) -> None:
    answer, named = {
        "zh": ("2个乡镇：2个没有主机", "没有换上别的"),
        "en": ("2 townships: 2 without a machine", "none has come"),
    }[language]
    with at_work(browser, county(demo), language=language) as person:
        page = person.page
        page.route("**/api/v1/nodes", let_go)
        sign_in(person, demo, "manager")
        expect(page.get_by_test_id("nodes-answer")).to_have_text(answer)
        expect(page.get_by_test_id("houses-left")).to_contain_text("青山卫生院")
        expect(page.get_by_test_id("houses-left")).to_contain_text(named)
        fits(person)
        assert violations(page) == []
        person.picture(f"nodes-no-machine-{language}-1366x625")
        page.unroute("**/api/v1/nodes")
        page.route("**/api/v1/nodes", lambda route: route.fulfill(json={"items": []}))
        page.reload()
        none = {"zh": "还没有乡镇接进来", "en": "No township has joined yet"}[language]
        expect(page.get_by_test_id("nodes-answer")).to_have_text(none)
        expect(page.get_by_test_id("houses-left")).to_have_count(0)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_emergency_on_its_way_is_told_whole(
    browser: Browser, demo: RunningDemo, language: str
) -> None:
    def emergency(route: Route) -> None:
        told = (answer := route.fetch()).json()
        for study in told["studies"]:
            study["priority"] = "emergency"
            study["completeness"] |= {"state": "growing"}
        route.fulfill(response=answer, json=told)

    with at_work(browser, county(demo), language=language) as person:
        person.page.route(re.compile(r"/api/v1/nodes/[^/]+$"), emergency)
        open_row(person, demo, "manager")
        chip = person.page.get_by_test_id("node-detail").locator(".chip-emergency").first
        expect(chip).to_have_text({"zh": "急", "en": "Emergency"}[language])
        # It ends before what stands beside it begins.
        assert chip.evaluate(
            """(chip) => chip.getBoundingClientRect().right
                <= chip.nextElementSibling.getBoundingClientRect().left"""
        )
        assert chip.evaluate("(chip) => chip.scrollWidth <= chip.clientWidth")
        person.picture(f"nodes-emergency-{language}-1366x625")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_records_of_a_township(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    name = "青山卫生院"
    with at_work(browser, county(demo), language=language, size=size) as person:
        open_row(person, demo, "audit-administrator", name)
        person.see("refused")
        fits(person)
        person.picture(f"nodes-refused-{language}-{size}")
        person.page.get_by_test_id("open-trail").click()
        person.page.get_by_test_id("trail").get_by_role("row").nth(1).wait_for()
        fits(person)
        person.picture(f"nodes-trail-{language}-{size}")
        assert violations(person.page) == []
