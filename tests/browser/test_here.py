"""Looking at studies at the township: what is here, what has gone to the county, what came back."""

import datetime as dt
import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Locator, expect

from gateway.township.model import InstanceState
from gateway.township.tables import instances
from tests.browser.beside import QINGSHAN, Placed, in_database, place_order
from tests.browser.reading_station import examined, reports
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.test_township import choose, send
from tests.browser.test_viewer import ready
from tests.browser.workstation import Person, at_work, sign_in, store, township
from tests.demo.running import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

IMAGES = 4
_LONG_AGO = dt.timedelta(days=60)


@dataclass(frozen=True)
class Ward:
    """Three studies of the township's own machine."""

    partly: Placed
    """Half its images are only at the county; its reports are here."""
    away: Placed
    """Only at the county."""
    again: Placed
    """Only at the county, and asked back by a test."""


def here(demo: RunningDemo, study: str) -> dict[str, Any]:
    """What the township's machine says is here of *study*."""
    [one] = demo.get(f"/api/v1/here?study={study}", at=QINGSHAN, role="technician")["items"]
    found: dict[str, Any] = one
    return found


def let_go(demo: RunningDemo, study: str, *, images: int) -> None:
    """Let the county have had *images* of *study* for so long that they may leave the machine."""

    def age(conn: sa.Connection) -> None:
        columns = instances.c
        of_study = columns.study_instance_uid == study
        rows = conn.scalars(sa.select(columns.id).where(of_study).order_by(columns.id)).all()
        chosen = sa.and_(
            columns.id.in_(rows[:images]), columns.state == InstanceState.AT_COUNTY.value
        )
        was = conn.scalar(sa.select(sa.func.min(columns.county_at)).where(chosen))
        assert was is not None
        aged = sa.update(instances).where(chosen).values(county_at=was - _LONG_AGO)
        assert conn.execute(aged).rowcount == images

    in_database(demo.home / QINGSHAN, age)


def make_room(demo: RunningDemo) -> None:
    """Let the machine make room now: it does so once a minute, and when it starts."""

    def pids() -> list[int]:
        return demo.pids(str(demo.home / QINGSHAN), "--role gateway")

    def is_back() -> bool:
        # Whoever is being served as it ends sees the connection break.
        with suppress(OSError):
            demo.get("/api/v1/queue", at=QINGSHAN, role="technician")
            return pids() not in ([], [before])
        return False

    (before,) = pids()
    os.kill(before, signal.SIGTERM)
    until(is_back, 60, "the machine to be back")


def add(browser: Browser, demo: RunningDemo, folder: Path) -> None:
    """Add the studies in *folder* at the township, as a disc."""
    with at_work(browser, township(demo)) as person:
        sign_in(person, demo, "technician")
        choose(person, folder)
        send(person)
        expect(person.page.get_by_test_id("sending")).to_have_attribute("data-state", "done")


def at_county(demo: RunningDemo, studies: Sequence[str]) -> bool:
    """Tell whether every image of *studies* has its receipt."""

    def count(conn: sa.Connection) -> int:
        columns = instances.c
        query = sa.select(sa.func.count()).where(
            columns.study_instance_uid.in_(studies),
            columns.state == InstanceState.AT_COUNTY.value,
            columns.shown_at.is_not(None),
        )
        return conn.scalar(query) or 0

    return in_database(demo.home / QINGSHAN, count) == IMAGES * len(studies)


@pytest.fixture(scope="module")
def ward(browser: Browser, demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> Ward:
    """Three studies made here, two of which and a half the machine has let go since."""
    disc = tmp_path_factory.mktemp("here")
    placed = [place_order(demo, name, "头痛3天") for name in ("诸葛灵", "上官云", "独孤信")]
    for number, one in enumerate(placed):
        examined(disc, f"here-{number}", one.told, slices=IMAGES)
    add(browser, demo, disc)
    studies = [one.told.study_instance_uid for one in placed]
    until(lambda: at_county(demo, studies), 90, "the studies at the county")
    store(demo, list(reports(placed[0].told)), role="radiologist")
    for study, images in zip(studies, (IMAGES // 2, IMAGES, IMAGES), strict=True):
        let_go(demo, study, images=images)
    make_room(demo)

    def gone() -> bool:
        known = [here(demo, study) for study in studies]
        written = [one["state"] for one in known[0]["reports"]]
        counts = [one["images"] for one in known]
        return counts == [IMAGES // 2, 0, 0] and written == ["here", "here"]

    until(gone, 150, "the images to leave and the reports to come")
    return Ward(*placed)


def row_of(person: Person, placed: Placed) -> Locator:
    return person.page.get_by_test_id("order-row").filter(has_text=placed.told.accession_number)


def at_the_day(person: Person, demo: RunningDemo) -> None:
    sign_in(person, demo, "technician")
    person.page.goto(f"{township(demo)}/today")
    person.see("order-row")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_pages_of_what_is_here(
    browser: Browser, demo: RunningDemo, ward: Ward, language: str, size: str
) -> None:
    with at_work(browser, township(demo), language=language, size=size) as person:
        page = person.page
        at_the_day(person, demo)
        for placed, name in ((ward.partly, "part"), (ward.away, "county")):
            row = row_of(person, placed)
            row.click()
            place = page.get_by_test_id("look-here")
            expect(place).to_have_attribute("data-place", name)
            fits(person)
            person.picture(f"here-row-{name}-{language}-{size}")
            assert violations(page) == []
            row.click()
        row_of(person, ward.partly).click()
        page.keyboard.press("v")
        ready(person)
        expect(page.get_by_test_id("here-note")).to_be_visible()
        fits(person)
        person.picture(f"here-images-part-{language}-{size}")
        assert violations(page) == []
        page.goto(f"{township(demo)}/studies/{ward.away.told.study_instance_uid}")
        expect(page.get_by_test_id("not-here")).to_be_visible()
        fits(person)
        person.picture(f"here-images-county-{language}-{size}")
        assert violations(page) == []


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_report_that_came_back(
    browser: Browser, demo: RunningDemo, ward: Ward, language: str, size: str
) -> None:
    with at_work(browser, township(demo), language=language, size=size) as person:
        page = person.page
        at_the_day(person, demo)
        row_of(person, ward.partly).click()
        page.keyboard.press("r")
        shown = page.get_by_test_id("document")
        expect(shown).to_have_attribute("data-kind", re.compile("pdf|report"))
        page.get_by_test_id("thumb").last.click()
        expect(shown).to_have_attribute("data-kind", "pdf")
        expect(shown.get_by_test_id("pdf-open")).to_be_visible()
        expect(shown.get_by_test_id("pdf-save")).to_be_visible()
        fits(person)
        person.picture(f"here-report-pdf-{language}-{size}")
        assert violations(page) == []
        page.get_by_test_id("thumb").nth(1).click()
        expect(shown).to_have_attribute("data-kind", "report")
        person.picture(f"here-report-text-{language}-{size}")


def test_a_pdf_is_taken_along_as_a_pdf(
    browser: Browser, demo: RunningDemo, ward: Ward, tmp_path: Path
) -> None:
    with at_work(browser, township(demo)) as person:
        page = person.page
        at_the_day(person, demo)
        row_of(person, ward.partly).click()
        page.keyboard.press("r")
        page.get_by_test_id("thumb").last.click()
        with page.expect_download() as download:
            page.get_by_test_id("pdf-save").click()
        assert download.value.suggested_filename.endswith(".pdf")
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")


def test_what_has_gone_is_fetched_back_from_where_one_wanted_to_see_it(
    browser: Browser, demo: RunningDemo, ward: Ward
) -> None:
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        study = ward.again.told.study_instance_uid
        page.goto(f"{township(demo)}/studies/{study}")
        away = page.get_by_test_id("not-here")
        expect(away).to_contain_text("影像已在县里")
        for _ in range(6):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.dataset.testid") == "ask-county":
                break
        page.keyboard.press("Enter")
        # By itself, once the first of it is back.
        ready(person)
        expect(page.get_by_test_id("here-note")).to_have_count(0, timeout=60_000)
        assert here(demo, study)["images"] == IMAGES
