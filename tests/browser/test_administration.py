"""The administrators at their own pages: devices, accounts, institutions, the audit trail."""

import uuid

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import fits
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo
from tests.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

EACH = [
    ("zh-CN", "1366x768"),
    # The same acts once more, for the pictures.
    pytest.param("en", "1366x768", marks=pytest.mark.torture),
]


def shown(person: Person, name: str, language: str, size: str) -> None:
    """Check the page as it stands, and keep its picture."""
    fits(person)
    assert violations(person.page) == []
    person.picture(f"admin-{name}-{language}-{size}")


def row(page: Page, key: str) -> str:
    return f"[data-testid=ledger-row][data-key='{key}']"


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_device_is_added_tried_changed_and_removed(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    door = demo.door("county")
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "system-administrator")
        page.goto(f"{county(demo)}/admin/devices")
        expect(page.get_by_test_id("admin")).to_have_attribute("data-state", "ready")
        page.keyboard.press("a")
        person.see("device-form")
        expect(page.get_by_test_id("title")).to_be_focused()
        page.keyboard.type(str(door["ae_title"]))
        page.get_by_test_id("save").press("Enter")
        # Nothing is sent that cannot be: whose it is was not chosen.
        expect(page.get_by_test_id("device-form").locator(".fault")).to_have_count(1)
        shown(person, "devices-new", language, size)
        page.get_by_test_id("device-form").locator(".ant-select input").first.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_test_id("host").fill("127.0.0.1")
        page.get_by_test_id("port").fill(str(door["port"]))
        page.get_by_test_id("save").press("Enter")
        expect(page.get_by_test_id("said")).to_contain_text(str(door["ae_title"]))
        expect(page.get_by_test_id("said")).to_be_focused()
        expect(page.get_by_test_id("device-form")).to_have_count(0)

        one = page.locator(row(page, str(door["ae_title"])))
        shown(person, "devices", language, size)
        one.click()
        page.get_by_test_id("echo").press("Enter")
        expect(page.get_by_test_id("echoed")).to_have_attribute("data-answer", "reached")
        shown(person, "devices-reached", language, size)
        page.get_by_test_id("port").fill(str(free_port()))
        page.get_by_test_id("save").press("Enter")
        expect(page.get_by_test_id("echoed")).to_have_count(0)
        page.get_by_test_id("echo").press("Enter")
        expect(page.get_by_test_id("echoed")).to_have_attribute("data-answer", "nobody-listens")
        person.picture(f"admin-devices-silent-{language}-{size}")
        page.get_by_test_id("remove").press("Enter")
        # What Enter would press now does nothing yet.
        expect(page.get_by_test_id("remove-no")).to_be_focused()
        shown(person, "devices-remove", language, size)
        page.get_by_test_id("remove-yes").press("Enter")
        expect(one).to_have_count(0)


def token_comes_and_goes(person: Person) -> None:
    """Make a token in the open row, read it once, and withdraw it in two steps."""
    page = person.page
    page.get_by_test_id("token-new").press("Enter")
    page.get_by_test_id("token-label").fill("HIS")
    page.keyboard.press("Enter")
    assert len(person.text("secret-text")) > 20
    page.get_by_test_id("secret-close").press("Enter")
    expect(page.get_by_test_id("token")).to_have_count(1)
    page.get_by_test_id("withdraw-token").press("Enter")
    page.get_by_test_id("withdraw-token-yes").press("Enter")
    expect(page.get_by_test_id("token")).to_have_count(0)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_an_account_is_made_its_password_shown_once_and_it_is_closed(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    name = f"new-{uuid.uuid4().hex[:8]}"
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "security-administrator")
        # Their landing page.
        person.see("ledger-row")
        shown(person, "accounts", language, size)
        page.keyboard.press("a")
        page.get_by_test_id("new-username").fill(name)
        page.get_by_test_id("new-name").fill("周敏")
        page.get_by_test_id("account-form").locator(".ant-select input").first.press("ArrowDown")
        page.keyboard.press("Enter")
        for role in ("doctor", "ward", "audit-administrator", "doctor"):
            page.get_by_test_id(f"role-{role}").click()
        # An administrator's role stands alone: the others went, and then it did.
        assert page.get_by_test_id("roles").locator(".ant-checkbox-checked").count() == 1
        shown(person, "accounts-new", language, size)
        page.get_by_test_id("save").press("Enter")
        password = person.text("secret-text")
        shown(person, "accounts-password", language, size)
        page.get_by_test_id("secret-close").press("Enter")
        assert password not in page.content()

        page.get_by_test_id("find").fill(name)
        one = page.locator(row(page, name))
        one.click()
        token_comes_and_goes(person)
        page.get_by_test_id("role-ward").click()
        page.get_by_test_id("roles").nth(0).scroll_into_view_if_needed()
        page.locator("button[data-testid=roles]").press("Enter")
        expect(page.get_by_test_id("roles-no")).to_be_focused()
        shown(person, "accounts-roles", language, size)
        page.get_by_test_id("roles-yes").press("Enter")
        expect(page.get_by_test_id("said")).to_be_focused()
        page.get_by_test_id("disable").press("Enter")
        page.get_by_test_id("disable-yes").press("Enter")
        expect(page.get_by_test_id("enable")).to_be_visible()
        shown(person, "accounts-closed", language, size)


def test_nobody_opens_the_page_of_another_administrator(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "system-administrator")
        page.goto(f"{county(demo)}/admin/accounts")
        person.see("node-row")
        expect(page.locator('a[href="/admin/accounts"]')).to_have_count(0)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_village_clinic_is_put_under_its_township(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    code = f"clinic-{uuid.uuid4().hex[:8]}"
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "system-administrator")
        page.goto(f"{county(demo)}/admin/institutions")
        person.see("ledger-row")
        shown(person, "institutions", language, size)
        page.keyboard.press("a")
        page.get_by_test_id("code").fill(code)
        page.get_by_test_id("house-name").fill("双河村卫生室")
        parent = page.get_by_test_id("institution-form").locator(".ant-select input").nth(1)
        parent.press_sequentially("青山")
        parent.press("Enter")
        shown(person, "institutions-new", language, size)
        page.get_by_test_id("house-name").press("Enter")
        expect(page.get_by_test_id("said")).to_contain_text("双河村卫生室")
        one = page.locator(row(page, code))
        expect(one).to_contain_text("青山卫生院")
        one.press("Enter")
        page.get_by_test_id("house-phone").fill("0571-0000")
        page.keyboard.press("Enter")
        expect(one).to_contain_text("0571-0000")
        shown(person, "institutions-open", language, size)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_trail_is_searched_checked_and_saved_as_a_table(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        account = sign_in(person, demo, "audit-administrator")
        # Their landing page.
        person.see("ledger-row")
        shown(person, "audit", language, size)
        page.get_by_test_id("audit-username").fill(account["username"])
        page.keyboard.press("Enter")
        page.get_by_test_id("verify").press("Enter")
        expect(page.get_by_test_id("chain").locator(".chip-done")).to_be_visible()
        rows = page.get_by_test_id("ledger-row")
        expect(rows.filter(has_not_text=account["username"])).to_have_count(0)
        rows.first.press("Enter")
        person.see("ledger-detail")
        shown(person, "audit-open", language, size)
        with page.expect_download() as saved:
            page.get_by_test_id("export").press("Enter")
        table = saved.value.path().read_text("utf-8-sig")
        assert table.startswith('"id","at","event"')
        assert account["username"] in table
        # To look for a number is to look at the patient: the question is all that is found.
        page.get_by_test_id("audit-patient").fill(f"990000-{uuid.uuid4().hex[:8]}")
        page.keyboard.press("Enter")
        expect(rows).to_have_count(1)
        page.get_by_test_id("audit-username").fill("nobody-there")
        page.keyboard.press("Enter")
        expect(rows).to_have_count(0)
        shown(person, "audit-none", language, size)
