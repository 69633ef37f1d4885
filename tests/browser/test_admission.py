"""A manager brings a township's new machine in, and lets one go, at the page of the machines."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, Locator, Page, expect

from gateway.exchange.proof import public_hex
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HOUSE = "大河卫生院"


def enrol(demo: RunningDemo, code: str) -> Any:
    """Do what the machine does with the code somebody typed there."""
    body = {"code": code, "public_key": public_hex(Ed25519PrivateKey.generate())}
    request = urllib.request.Request(
        county(demo) + "/api/v1/nodes/enrol",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def make_code(page: Page) -> str:
    """Make a code for the house without a mouse, and return it."""
    page.get_by_test_id("admit-open").press("Enter")
    field = page.locator("#admit-house")
    expect(field).to_be_focused()
    field.press_sequentially(HOUSE[:2])
    option = page.locator(".ant-select-item-option").filter(has_text=HOUSE)
    expect(option).to_be_visible()
    field.press("Enter")
    page.get_by_test_id("invite").press("Enter")
    return page.get_by_test_id("enrol-code").inner_text()


def let_go(page: Page, node: str) -> None:
    """Let the machine *node* go."""
    row = page.locator(f"#node-{node}")
    expect(row).to_be_visible()
    row.click()
    page.get_by_test_id("let-go").press("Enter")
    page.get_by_test_id("let-go-yes").press("Enter")
    expect(row).to_have_count(0)


def stands_apart(person: Person, gone: Locator) -> None:
    """Check that a machine that was let go is found where nobody has to see it."""
    page = person.page
    page.get_by_test_id("show-gone").press("Enter")
    expect(gone).to_have_attribute("data-state", "revoked")
    expect(gone).to_contain_text(re.compile(r"停用 .*\d\d:\d\d.*还没来过消息"))
    gone.click()
    person.see("node-detail")
    expect(page.get_by_test_id("let-go")).to_have_count(0)
    assert violations(page) == []
    person.picture("nodes-gone-zh-1366x625")


def test_a_code_is_shown_once_and_makes_a_machine_that_is_let_go_in_two_steps(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "manager")
        person.see("node-row")
        machines = page.get_by_test_id("node-row").filter(has_text=HOUSE)
        before = machines.count()
        code = make_code(page)
        assert re.fullmatch(r"(\w{4}-){3}\w{4}", code)
        command = person.text("enrol-command")
        assert command == (
            f"yilian township enrol {code} --county {county(demo)} --home /srv/yilian"
        )
        expect(page.get_by_test_id("admit")).to_contain_text(re.compile(r"\d\d-\d\d \d\d:\d\d前"))
        expect(page.get_by_test_id("open-codes")).to_contain_text(f"{HOUSE}：高山")
        person.picture("nodes-code-zh-1366x625")
        page.get_by_test_id("admit-close").press("Enter")
        expect(page.get_by_test_id("admit-open")).to_be_focused()
        # Shown this once.
        page.get_by_test_id("admit-open").press("Enter")
        expect(page.get_by_test_id("open-codes")).to_contain_text(HOUSE)
        assert code not in page.content()
        codes = page.get_by_test_id("withdraw").count()

        made = enrol(demo, code)
        assert made["institution"] == "dahe"
        # It stands there without anybody asking again.
        expect(machines).to_have_count(before + 1)
        # Its code is used up: nobody is offered to take it back.
        expect(page.get_by_test_id("withdraw")).to_have_count(codes - 1)
        new = page.locator(f"#node-{made['node']}")
        expect(new).to_have_attribute("data-state", "never")
        new.click()
        page.get_by_test_id("let-go").press("Enter")
        # What Enter would press now does nothing yet.
        expect(page.get_by_test_id("let-go-no")).to_be_focused()
        expect(page.get_by_test_id("let-go-sure")).to_contain_text("最迟1分钟后就连不上县里")
        person.picture("nodes-let-go-zh-1366x625")
        assert violations(page) == []
        page.get_by_test_id("let-go-no").press("Enter")
        expect(new).to_have_attribute("data-state", "never")
        page.get_by_test_id("let-go").press("Enter")
        page.get_by_test_id("let-go-yes").press("Enter")
        expect(page.get_by_test_id("let-go-done")).to_contain_text(HOUSE)
        expect(page.get_by_test_id("let-go-done")).to_be_focused()
        # It is no machine of the county's any more, and stands with those that were let go.
        expect(machines).to_have_count(before)
        expect(new).to_have_count(0)
        stands_apart(person, new)


def test_what_was_said_of_a_code_and_of_a_machine_let_go_ends_with_the_machine_that_came_in(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "manager")
        person.see("node-row")
        old = enrol(demo, make_code(page))
        # Nobody types a line that no machine comes in with.
        expect(page.get_by_test_id("enrol-command")).to_have_count(0)
        expect(page.get_by_test_id("enrol-code")).to_have_count(0)
        expect(page.get_by_test_id("invite")).to_be_disabled()
        page.get_by_test_id("admit-open").press("Enter")
        let_go(page, old["node"])
        said = page.get_by_test_id("let-go-done")
        expect(said).to_contain_text(f"{HOUSE}的主机已停用")
        new = enrol(demo, make_code(page))
        # Nobody knows yet whether it works.
        lanes = page.locator(f"#node-{new['node']}").get_by_test_id("lanes")
        expect(lanes).to_have_text("还不知道")
        expect(page.get_by_test_id("nodes-answer")).to_contain_text("1个还没来过消息")
        expect(said).to_have_text("")
        # So that the house is as it was.
        let_go(page, new["node"])
        expect(said).to_contain_text(HOUSE)


def test_a_code_is_taken_back_and_no_machine_comes_in_with_it(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "manager")
        person.see("node-row")
        code = make_code(page)
        waiting = page.get_by_test_id("withdraw")
        expect(waiting.first).to_be_visible()
        before = waiting.count()
        waiting.first.press("Enter")
        expect(page.get_by_test_id("withdrawn")).to_contain_text(HOUSE)
        expect(page.get_by_test_id("withdrawn")).to_be_focused()
        expect(waiting).to_have_count(before - 1)
        # The newest was the one shown: nobody reads it out any more.
        expect(page.get_by_test_id("enrol-code")).to_have_count(0)
        assert violations(page) == []
        with pytest.raises(urllib.error.HTTPError) as refused:
            enrol(demo, code)
        assert refused.value.code == 409
        assert json.load(refused.value)["code"] == "enrol-code-withdrawn"


@pytest.mark.parametrize("role", ["audit-administrator", "technician"])
def test_others_see_the_machines_and_bring_none_in(
    browser: Browser, demo: RunningDemo, role: str
) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, role)
        if role == "technician":
            # A township's technician has no such page at all.
            expect(person.page.locator('a[href="/nodes"]')).to_have_count(0)
            return
        person.page.goto(f"{county(demo)}/nodes")
        person.see("node-row")
        person.page.get_by_test_id("node-row").first.click()
        person.see("node-detail")
        expect(person.page.get_by_test_id("admit-open")).to_have_count(0)
        expect(person.page.get_by_test_id("let-go")).to_have_count(0)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_code(browser: Browser, demo: RunningDemo, language: str, size: str) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        sign_in(person, demo, "system-administrator")
        person.see("node-row")
        make_code(person.page)
        fits(person)
        assert violations(person.page) == []
        person.picture(f"nodes-code-{language}-{size}")
