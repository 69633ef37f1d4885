"""A report the county cannot hand out: the technician is told why, and tries it again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.beside import QINGSHAN, Placed, ask, place_order
from tests.browser.reading_station import examined, reports
from tests.browser.test_accessibility import violations
from tests.browser.test_here import IMAGES, add, at_county, here
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import Person, at_work, county, sign_in, store, township
from tests.demo.running import ROOT, RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@contextmanager
def held_still(demo: RunningDemo) -> Iterator[None]:
    """Have the township's machine do nothing for a while."""
    pids = demo.pids("yilian township", str(demo.home / QINGSHAN))
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def lost(
    browser: Browser, demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Placed, list[Path]]:
    """A study whose report the county has lost, and where it lies instead."""
    disc = tmp_path_factory.mktemp("lost")
    placed = place_order(demo, "公孙策", "头痛3天")
    study = placed.told.study_instance_uid
    examined(disc, "lost-0", placed.told, slices=IMAGES)
    add(browser, demo, disc)
    until(lambda: at_county(demo, [study]), 90, "the study at the county")
    kept = demo.home / "county" / "objects"

    def files() -> set[Path]:
        return set(kept.glob("??/??/*"))

    before = files()
    with held_still(demo):
        store(demo, [next(iter(reports(placed.told)))], role="radiologist")
        until(lambda: len(files() - before) > 0, 30, "the report at the county")
        [place] = files() - before
        moved = place.rename(disc / place.name)
    until(
        lambda: [one["state"] for one in here(demo, study)["reports"]] == ["set-aside"],
        60,
        "the report to be set aside",
    )
    return placed, [moved, place]


def row_of(person: Person, placed: Placed) -> Locator:
    study = placed.told.study_instance_uid
    return person.page.locator(f'[data-testid="queue-row"][data-study="{study}"]')


def inside(cell: Locator) -> bool:
    """Tell whether nothing in *cell* runs out of it."""
    found: bool = cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    return found


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_pages_say_what_did_not_come_back_and_why(
    browser: Browser, demo: RunningDemo, lost: tuple[Placed, list[Path]], language: str, size: str
) -> None:
    placed, _ = lost
    with at_work(browser, township(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "technician")
        row = row_of(person, placed)
        mark = row.get_by_test_id("report-aside")
        expect(mark).to_be_visible()
        assert inside(row.get_by_role("gridcell").last)
        expect(page.locator(".township-answer .attention b")).to_have_text(
            "1份" if language == "zh-CN" else "1 study"
        )
        row.click()
        note = page.get_by_test_id("not-back")
        expect(note).to_contain_text(
            "县里找不到这个文件" if language == "zh-CN" else "The county no longer finds the file"
        )
        expect(page.get_by_test_id("retry-back")).to_be_visible()
        fits(person)
        person.picture(f"not-back-queue-{language}-{size}")
        assert violations(page) == []
        page.goto(f"{township(demo)}/today")
        order = page.get_by_test_id("order-row").filter(has_text=placed.told.accession_number)
        expect(order.get_by_test_id("report-aside")).to_be_visible()
        assert inside(order.get_by_role("gridcell").last)
        order.click()
        expect(page.get_by_test_id("not-back")).to_be_visible()
        fits(person)
        person.picture(f"not-back-today-{language}-{size}")
        assert violations(page) == []
    with at_work(browser, county(demo), language=language, size=size) as person:
        sign_in(person, demo, "manager")
        person.page.goto(f"{county(demo)}/nodes")
        chip = person.page.get_by_text(
            "没取回1件" if language == "zh-CN" else "1 could not be fetched"
        )
        expect(chip).to_be_visible()
        person.picture(f"not-back-nodes-{language}-{size}")


def test_an_earlier_study_that_came_but_for_its_report_does_not_say_it_is_coming(
    browser: Browser, demo: RunningDemo, lost: tuple[Placed, list[Path]]
) -> None:
    placed, _ = lost
    study = placed.told.study_instance_uid
    ask(demo, "POST", "/api/v1/priors", {"study_instance_uid": study})
    until(
        lambda: here(demo, study)["prior"]["state"] == "set-aside", 60, "what can come to be here"
    )
    with at_work(browser, township(demo), language="en") as person:
        sign_in(person, demo, "technician")
        row_of(person, placed).click()
        expect(person.page.get_by_test_id("look-here")).to_have_attribute("data-place", "aside")
        note = person.page.get_by_test_id("not-back")
        expect(note).to_contain_text("1 report could not be had from the county")
        person.picture("not-back-prior-en")


def test_the_command_line_names_it_and_the_button_brings_it(
    browser: Browser, demo: RunningDemo, lost: tuple[Placed, list[Path]]
) -> None:
    placed, (moved, place) = lost
    study = placed.told.study_instance_uid

    def spool(*words: str) -> str:
        said = subprocess.run(
            [sys.executable, "-m", "yilian", "spool", *words, "--home", str(demo.home / QINGSHAN)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout

    for act in ("list", "aside"):
        assert study in spool(act)
    assert "object-missing" in spool("aside")
    moved.rename(place)
    with at_work(browser, township(demo)) as person:
        sign_in(person, demo, "technician")
        row = row_of(person, placed)
        row.click()
        person.page.get_by_test_id("retry-back").click()
        expect(row.get_by_test_id("report")).to_be_visible()
        expect(person.page.get_by_test_id("not-back")).to_have_count(0)
        expect(person.page.locator(".township-answer .attention")).to_have_count(0)
    assert study not in spool("aside")
