"""The pages of the clinic on a telephone: nothing is cut off, everything is in reach of a thumb."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.workstation import PHONE, Person, at_work, county, sign_in, township
from tests.demo.running import RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LANGUAGES = ["zh-CN", "en"]
_CUT_OFF = """() => {
  const inside = ({ left, right }) => left >= -0.5 && right <= innerWidth + 0.5;
  const scrolls = (part) => part.closest('nav');
  const shown = [...document.querySelectorAll('button, input, textarea, [role=gridcell], p, h1')]
    .filter((part) => part.checkVisibility() && part.getBoundingClientRect().width > 1);
  return shown.filter((part) => !scrolls(part) && !inside(part.getBoundingClientRect()))
    .map((part) => part.outerHTML.slice(0, 160));
}"""
_OUT_OF_REACH = """() => {
  const found = [];
  for (const part of document.querySelectorAll('main button, main input, main textarea')) {
    if (!part.checkVisibility() || part.disabled) continue;
    part.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = part.getBoundingClientRect();
    if (width <= 1) continue;
    const at = document.elementFromPoint(left + width / 2, top + height / 2);
    if (!at || !(part.contains(at) || at.contains(part) || at.closest('label')?.contains(part))) {
      found.push(part.outerHTML.slice(0, 160));
    }
  }
  return found;
}"""

_COVERED = """() => {
  const over = [];
  for (const part of document.querySelectorAll('h1, .desk-foot, .desk-foot button, .patient')) {
    part.scrollIntoView({ block: 'nearest' });
    const { left, top, right, bottom } = part.getBoundingClientRect();
    for (const [x, y] of [[left + 4, top + 4], [(left + right) / 2, bottom - 3]]) {
      const at = document.elementFromPoint(x, y);
      if (at && !part.contains(at)) over.push([part.className, at.outerHTML.slice(0, 120)]);
    }
  }
  return over;
}"""


def is_whole(page: Page) -> None:
    """Nothing stands beside the screen, and what can be pressed can be brought to be pressed."""
    assert page.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate(_CUT_OFF) == []
    assert page.evaluate(_OUT_OF_REACH) == []
    assert page.evaluate(_COVERED) == []
    page.evaluate("() => document.querySelector('main').scrollTo(0, 0)")


def shot(person: Person, name: str, language: str) -> None:
    is_whole(person.page)
    person.picture(f"phone-{name}-{language}-{PHONE}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_townships_queue(browser: Browser, demo: RunningDemo, language: str) -> None:
    with at_work(browser, township(demo), language=language, size=PHONE) as person:
        person.see("signin")
        shot(person, "signin", language)
        sign_in(person, demo, "technician")
        person.see("queue-row")
        shot(person, "township", language)
        person.page.get_by_test_id("queue-row").first.click()
        expect(person.page.locator(".queue-detail").first).to_be_visible()
        shot(person, "township-row", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_desk_registers_and_orders(browser: Browser, demo: RunningDemo, language: str) -> None:
    with at_work(browser, township(demo), language=language, size=PHONE) as person:
        page = person.page
        sign_in(person, demo, "technician")
        page.goto(f"{township(demo)}/today")
        person.see("order-row")
        shot(person, "today", language)
        page.get_by_test_id("order-row").first.click()
        person.see("order-detail")
        shot(person, "today-row", language)
        page.get_by_test_id("new").click()
        person.see("patient-option")
        shot(person, "desk", language)
        page.get_by_test_id("patient-option").last.click()
        page.get_by_test_id("name").fill("欧阳若兰")
        page.get_by_test_id("examination-option").first.click()
        shot(person, "desk-fields", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_village_doctor_orders_with_a_thumb(
    browser: Browser, demo: RunningDemo, language: str
) -> None:
    with at_work(browser, county(demo), language=language, size=PHONE) as person:
        page = person.page
        sign_in(person, demo, "village-doctor")
        person.see("examination-option")
        shot(person, "village", language)
        page.get_by_test_id("patient-find").fill("zhou")
        page.get_by_test_id("patient-option").first.click()
        page.get_by_test_id("examination-option").first.click()
        shot(person, "village-filled", language)
        expect(page.get_by_test_id("submit")).to_be_enabled()
        page.get_by_test_id("submit").click()
        expect(page.get_by_test_id("desk")).to_have_attribute("data-state", "done")
        shot(person, "village-done", language)
