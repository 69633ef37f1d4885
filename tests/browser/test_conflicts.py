"""What two machines wrote differently while the line was down: a person says which holds."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.beside import QINGSHAN, Placed, ask, order_in_conflict, patient_in_conflict
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import Person, at_work, county, sign_in, township
from tests.demo.running import RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

OURS, THEIRS = "跌倒后头痛, 呕吐2次", "头痛3天, 无外伤史"


@pytest.fixture(scope="module")
def order(demo: RunningDemo) -> Placed:
    """An order that nobody chooses about in this module: the pictures show it."""
    return order_in_conflict(demo, "东方朔")


@pytest.fixture(scope="module")
def patient(demo: RunningDemo) -> Placed:
    """A registration that both wrote otherwise."""
    return patient_in_conflict(demo, "令狐月", "令狐岳")


def at_the_conflicts(person: Person, demo: RunningDemo, role: str = "technician") -> Page:
    """Sign in and go to the conflicts by the keyboard."""
    sign_in(person, demo, role)
    person.see("queue-row")
    person.page.keyboard.press("g")
    person.page.keyboard.press("c")
    person.see("record-conflicts")
    return person.page


def row_of(page: Page, text: str) -> Locator:
    return page.get_by_test_id("conflict-row").filter(has_text=text)


def go_to(page: Page, row: Locator) -> None:
    """Move down to *row* as a hand without a mouse does."""
    expect(row).to_be_visible()
    for _ in range(page.get_by_test_id("conflict-row").count()):
        page.keyboard.press("ArrowDown")
        if row.evaluate("(row) => row === document.activeElement"):
            return
    raise AssertionError("the row is never reached")


def keep_by_tab(page: Page, words: str) -> None:
    """Press the button beside the version that says *words*, found by Tab alone."""
    for _ in range(8):
        page.keyboard.press("Tab")
        if words in page.evaluate("() => document.activeElement.closest('li')?.innerText ?? ''"):
            page.keyboard.press("Enter")
            return
    raise AssertionError("no button to keep it is reached")


def test_one_of_two_contents_is_chosen_without_a_mouse_and_chosen_otherwise(
    browser: Browser, demo: RunningDemo
) -> None:
    placed = order_in_conflict(demo, "宇文拓")
    with at_work(browser, township(demo)) as person:
        page = at_the_conflicts(person, demo)
        row = row_of(page, placed.told.accession_number)
        left = person.number("conflicts-answer")
        go_to(page, row)
        page.keyboard.press("Enter")
        detail = page.get_by_test_id("conflict-detail")
        expect(detail).to_contain_text(OURS)
        expect(detail).to_contain_text(THEIRS)
        # Where each was written: the one thing that tells two people of one house apart.
        expect(detail.get_by_role("listitem").filter(has_text=OURS)).to_contain_text("青山卫生院")
        expect(detail.get_by_role("listitem").filter(has_text=THEIRS)).to_contain_text("县里")
        expect(detail.get_by_test_id("keep")).to_have_count(2)
        keep_by_tab(page, THEIRS)
        expect(row).to_have_count(0)
        if left > 1:
            expect(page.get_by_test_id("conflicts-answer")).to_contain_text(str(left - 1))
        expect(page.get_by_test_id("chosen")).to_contain_text("宇文拓")
        # The hand goes on where it was: nobody has to find the list again.
        focused = page.evaluate("() => document.activeElement.dataset.testid ?? ''")
        assert focused in {"conflict-row", "open"}, focused

        page.get_by_test_id("settled").press("Enter")
        row = row_of(page, placed.told.accession_number)
        expect(row).to_contain_text("李静选定")
        go_to(page, row)
        page.keyboard.press("Enter")
        expect(detail).to_contain_text("现在用的")
        # What is in use needs no choosing again.
        expect(detail.get_by_test_id("keep")).to_have_count(1)
        person.picture("conflicts-settled-zh-1366x625")
        keep_by_tab(page, OURS)
        expect(detail).to_have_count(0)
        shown = demo.get(f"/api/v1/orders/{placed.id}", at="qingshan", role="technician")
        assert shown["clinical_question"] == OURS


def test_of_two_who_choose_at_once_the_second_sees_what_the_first_chose(
    browser: Browser, demo: RunningDemo
) -> None:
    placed = order_in_conflict(demo, "慕容白")
    with (
        at_work(browser, township(demo)) as first,
        at_work(browser, township(demo)) as second,
    ):
        # To the second nobody tells of what the first does: as when both press at once.
        second.page.route("**/api/v1/events", lambda route: route.abort())
        for person in (first, second):
            page = at_the_conflicts(person, demo)
            row_of(page, placed.told.accession_number).click()
            expect(page.get_by_test_id("keep")).to_have_count(2)
        first.page.get_by_test_id("keep").first.click()
        expect(row_of(first.page, placed.told.accession_number)).to_have_count(0)
        second.page.get_by_test_id("keep").last.click()
        # The row has gone from the list; why, is said above it.
        said = second.page.get_by_test_id("lost")
        expect(said).to_contain_text("李静")
        expect(said).to_contain_text("先选定了，您这一步没有生效")
        second.picture("conflicts-lost-zh-1366x625")


def test_whoever_looks_at_one_that_somebody_else_chooses_about_is_told(
    browser: Browser, demo: RunningDemo
) -> None:
    placed = order_in_conflict(demo, "公孙胜")
    with at_work(browser, township(demo)) as person:
        page = at_the_conflicts(person, demo)
        row_of(page, placed.told.accession_number).click()
        expect(page.get_by_test_id("keep")).to_have_count(2)
        path = f"/api/v1/conflicts/order/{placed.id}"
        seen = demo.get(path, at=QINGSHAN, role="registrar")
        keep = {"keep": seen["versions"][-1]["version"]}
        ask(demo, "POST", f"{path}/settle", keep, role="registrar", version=seen["etag"])
        expect(page.get_by_test_id("lost")).to_contain_text("公孙胜")
        expect(page.get_by_test_id("lost")).to_contain_text("别人刚选定了")
        expect(row_of(page, placed.told.accession_number)).to_have_count(0)
        # One that comes while the page is open stands there without a reload.
        page.evaluate("() => { window.notLoadedAgain = true }")
        new = order_in_conflict(demo, "呼延灼")
        expect(row_of(page, new.told.accession_number)).to_be_visible(timeout=10_000)
        assert page.evaluate("() => window.notLoadedAgain")


def test_one_that_comes_moves_no_row_while_another_is_open(
    browser: Browser, demo: RunningDemo
) -> None:
    placed = order_in_conflict(demo, "独孤信")
    with at_work(browser, township(demo)) as person:
        page = at_the_conflicts(person, demo)
        row = row_of(page, placed.told.accession_number)
        row.click()
        expect(page.get_by_test_id("keep")).to_have_count(2)
        before = row.bounding_box()
        new = order_in_conflict(demo, "尉迟恭")
        expect(page.get_by_test_id("fresh")).to_have_text("1份新到", timeout=10_000)
        assert row.bounding_box() == before
        expect(row_of(page, new.told.accession_number)).to_have_count(0)
        page.get_by_test_id("fresh").press("Enter")
        expect(row_of(page, new.told.accession_number)).to_be_visible()
        expect(page.get_by_test_id("fresh")).to_have_count(0)


def test_the_order_itself_says_that_two_wrote_it(
    browser: Browser, demo: RunningDemo, order: Placed
) -> None:
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        page.goto(f"{township(demo)}/today")
        row = page.get_by_test_id("order-row").filter(has_text=order.told.accession_number)
        expect(row).to_contain_text("两处写得不同")
        row.click()
        expect(page.get_by_test_id("versions")).to_contain_text(THEIRS)
        person.picture("today-conflict-zh-1366x625")


def test_the_county_sees_the_conflicts_of_every_house(
    browser: Browser, demo: RunningDemo, order: Placed, patient: Placed
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        accounts = [one for one in demo.ready["accounts"] if one["role"] == "doctor"]
        nth = [one["institution"] for one in accounts].index("county-hospital")
        sign_in(person, demo, "doctor", nth=nth)
        page.get_by_role("link", name="两处不同").click()
        row = row_of(page, order.told.accession_number)
        expect(row).to_contain_text("青山卫生院")
        named = row_of(page, patient.told.patient_id)
        expect(named).to_contain_text("患者登记")
        named.click()
        expect(page.get_by_test_id("conflict-detail")).to_contain_text("令狐岳")
        # Numbers of a person stay masked, also where they differ.
        assert not re.search("13800000007", page.content())


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_pages_of_conflicts(
    browser: Browser, demo: RunningDemo, order: Placed, patient: Placed, language: str, size: str
) -> None:
    with at_work(browser, township(demo), language=language, size=size) as person:
        page = at_the_conflicts(person, demo)
        row = row_of(page, order.told.accession_number)
        expect(row).to_be_visible()
        fits(person)
        person.picture(f"conflicts-list-{language}-{size}")
        row.click()
        page.get_by_test_id("keep").first.wait_for()
        fits(person)
        person.picture(f"conflicts-order-{language}-{size}")
        assert violations(page) == []
        row.click()
        row_of(page, patient.told.patient_id).click()
        page.get_by_test_id("keep").first.wait_for()
        person.picture(f"conflicts-patient-{language}-{size}")
        page.get_by_test_id("settled").click()
        expect(page.get_by_test_id("record-conflicts")).to_have_attribute("data-state", "ready")
        person.picture(f"conflicts-settled-list-{language}-{size}")


def test_where_nothing_differs_it_is_said(browser: Browser, demo: RunningDemo) -> None:
    other = str(demo.ready["townships"][1]["http"])
    with at_work(browser, other) as person:
        sign_in(person, demo, "technician", nth=1)
        person.page.goto(f"{other}/conflicts")
        expect(person.page.get_by_test_id("empty")).to_contain_text("线路断的时候")
        person.picture("conflicts-empty-zh-1366x625")
