"""A study at the county that somebody has to put right, and the way to where that is done."""

from pathlib import Path

from playwright.sync_api import Page

from tests.browser.beside import Placed
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import fits
from tests.browser.workstation import Person, county, sign_in
from tests.demo.running import RunningDemo


def at_the_preview(person: Person, demo: RunningDemo, study: Placed, role: str) -> Page:
    """Sign in at the county as *role* and choose *study* in the list."""
    page = person.page
    sign_in(person, demo, role)
    page.goto(f"{county(demo)}/studies")
    page.get_by_test_id("study-row").filter(has_text=study.told.accession_number).click()
    page.get_by_test_id("preview").locator("li").first.wait_for()
    return page


def checked(person: Person, name: str) -> Path:
    """Check the page as it stands, and keep its picture under *name*."""
    fits(person)
    assert violations(person.page) == []
    return person.picture(f"amend-{name}")
