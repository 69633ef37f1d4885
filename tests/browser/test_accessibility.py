"""Every page, as axe reads it, in both languages."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.workstation import Person, at_work, county, sign_in, township
from tests.demo.running import ROOT, RunningDemo
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

AXE = ROOT / "gateway" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async () => {
  const { violations } = await axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
  });
  return violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) =>
    `${html.slice(0, 160)} ${failureSummary}`) }));
}"""


# A field draws the ring on its frame.
_FOCUSED = """() => {
  const focused = document.activeElement;
  const { outlineStyle, boxShadow } = getComputedStyle(focused);
  const framed = '.ant-input-affix-wrapper, .ant-select, .ant-picker';
  return { name: focused.tagName, outline: outlineStyle, shadow: boxShadow,
    framed: Boolean(focused.closest(framed)) };
}"""


def violations(page: Page) -> list[dict[str, Any]]:
    """Return what axe finds wrong on the page as it is shown now."""
    if not AXE.exists():
        pytest.skip("needs the workstation's packages (make ui)")
    # evaluate() passes the page's script policy, which refuses an injected script element.
    page.evaluate(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return found


def signed_out(person: Person, demo: RunningDemo) -> None:
    person.see("signin")


def queue(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "technician")
    person.see("queue-row")
    person.page.keyboard.press("ArrowDown")
    person.page.keyboard.press("Enter")
    person.page.keyboard.press("a")
    person.see("choose")


def studies(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "radiologist")
    person.see("study-row")
    person.page.keyboard.press("j")
    person.see("preview")
    person.page.get_by_test_id("preview").locator("li").first.wait_for()


def reading(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "radiologist")
    person.page.goto(f"{county(demo)}/studies/{uid_of('chen-head')}")
    person.page.locator("[data-testid=cell-0][data-state=ready]").wait_for()


def day(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "technician")
    person.page.goto(f"{township(demo)}/today")
    person.see("order-row")
    person.page.keyboard.press("ArrowDown")
    person.page.keyboard.press("Enter")
    person.see("order-detail")


def desk(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "technician")
    person.page.goto(f"{township(demo)}/today/new")
    person.see("examination-option")
    person.page.get_by_test_id("patient-option").last.click()
    person.see("patient-fields")


def village(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "village-doctor")
    person.see("examination-option")


def no_conflicts(person: Person, demo: RunningDemo) -> None:
    accounts = [one for one in demo.ready["accounts"] if one["role"] == "doctor"]
    nth = [one["institution"] for one in accounts].index("county-hospital")
    sign_in(person, demo, "doctor", nth=nth)
    person.page.goto(f"{county(demo)}/conflicts")
    person.see("record-conflicts")
    person.page.get_by_test_id("settled").click()
    expect(person.page.get_by_test_id("record-conflicts")).to_have_attribute("data-state", "ready")


def nodes(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "system-administrator")
    person.see("node-row")
    person.page.keyboard.press("ArrowDown")
    person.page.keyboard.press("Enter")
    person.see("node-detail")


def keys(person: Person, demo: RunningDemo) -> None:
    studies(person, demo)
    person.page.keyboard.press("Shift+Slash")
    person.page.get_by_role("dialog").wait_for()


PAGES = [signed_out, queue, day, desk, village, no_conflicts, nodes, studies, reading, keys]


@pytest.mark.parametrize(
    "language",
    [
        "zh-CN",
        # The same parts under other words, which the catalogues' own tests hold complete; other
        # pages are read in English every time (tests/browser/test_here.py).
        pytest.param("en", marks=pytest.mark.torture),
    ],
)
@pytest.mark.parametrize("show", PAGES)
def test_nothing_stands_in_anybodys_way(
    browser: Browser,
    demo: RunningDemo,
    show: Callable[[Person, RunningDemo], None],
    language: str,
) -> None:
    address = township(demo) if show in (queue, day, desk) else county(demo)
    with at_work(browser, address, language=language) as person:
        show(person, demo)
        assert violations(person.page) == []


def test_what_has_the_focus_is_seen(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        seen = set()
        for _ in range(12):
            person.page.keyboard.press("Tab")
            shown = person.page.evaluate(_FOCUSED)
            if shown["name"] == "BODY":
                break  # past the last part of the page: the browser's own bar comes next
            seen.add(shown["name"])
            ring = shown["outline"] != "none" or shown["shadow"] != "none" or shown["framed"]
            assert ring, shown
        assert {"A", "BUTTON", "INPUT"} <= seen
