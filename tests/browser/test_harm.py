"""What came to harm on the township's disk, and what the county cannot read, in plain words."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pydicom
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Locator, expect

from gateway.township.tables import instances
from tests.browser.beside import QINGSHAN, Placed, ask, in_database, place_order
from tests.browser.reading_station import examined
from tests.browser.test_accessibility import violations
from tests.browser.test_here import IMAGES, add
from tests.browser.test_pictures import fits
from tests.browser.workstation import Person, at_work, sign_in, township
from tests.demo.running import ROOT, RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SIZE: Final = "1366x768"
LANGUAGES: Final = ("zh-CN", "en")


def item_of(demo: RunningDemo, study: str) -> dict[str, object]:
    items = demo.get("/api/v1/queue?limit=200", at=QINGSHAN, role="technician")["items"]
    found: dict[str, object] = next(
        (one for one in items if one["study_instance_uid"] == study), {}
    )
    return found


def row_of(person: Person, placed: Placed) -> Locator:
    study = placed.told.study_instance_uid
    return person.page.locator(f'[data-testid="queue-row"][data-study="{study}"]')


def inside(cell: Locator) -> bool:
    """Tell whether nothing in *cell* runs out of it."""
    found: bool = cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    return found


@pytest.fixture(scope="module")
def damaged(
    browser: Browser, demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Placed, Path]:
    """A study of which one image came to harm on the township's disk before it went."""
    disc = tmp_path_factory.mktemp("damaged")
    placed = place_order(demo, "司马光", "咳嗽5天")
    study = placed.told.study_instance_uid
    folder = examined(disc, "damaged-0", placed.told, slices=IMAGES)
    ask(demo, "POST", "/api/v1/line/pause", {"minutes": 30})
    add(browser, demo, folder)
    columns = instances.c

    def first(conn: sa.Connection) -> str:
        query = sa.select(columns.object_key).where(columns.study_instance_uid == study)
        return str(conn.scalar(query.order_by(columns.id)))

    path = demo.home / QINGSHAN / "objects" / in_database(demo.home / QINGSHAN, first)
    path.write_bytes(path.read_bytes()[:-100])
    ask(demo, "POST", "/api/v1/line/resume", {})
    until(lambda: item_of(demo, study)["damaged_here"] == 1, 60, "the damage to be noticed")
    until(lambda: item_of(demo, study)["state"] == "set_aside", 60, "the others at the county")
    return placed, folder


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_image_damaged_on_this_disk_is_not_safe_and_is_not_sent_as_it_is(
    browser: Browser, demo: RunningDemo, damaged: tuple[Placed, Path], language: str
) -> None:
    placed, _ = damaged
    with at_work(browser, township(demo), language=language, size=SIZE) as person:
        page, zh = person.page, language == "zh-CN"
        sign_in(person, demo, "technician")
        row = row_of(person, placed)
        expect(row.get_by_test_id("here")).to_have_text(
            "已存3幅，坏1幅" if zh else "3 safe, 1 damaged"
        )
        assert inside(row.get_by_test_id("here"))
        row.click()
        detail = page.get_by_test_id("queue-detail")
        expect(detail).to_contain_text("本机 3幅" if zh else "Here: 3 images")
        expect(detail).to_contain_text(
            "有1幅在本机磁盘上坏了，没法传" if zh else "1 image was damaged on this machine's disk"
        )
        expect(detail).to_contain_text("请在设备上重发" if zh else "Send it again from the machine")
        expect(detail).not_to_contain_text("县里收不下" if zh else "cannot be taken by the county")
        one = page.get_by_test_id("aside")
        expect(one.get_by_role("button")).to_have_text(["不传了" if zh else "Do not send"])
        expect(detail.get_by_text("再试" if zh else "Try again")).to_have_count(0)
        fits(person)
        person.picture(f"damaged-here-{language}-{SIZE}")
        assert violations(page) == []


def test_sent_again_it_is_safe_and_goes(
    browser: Browser, demo: RunningDemo, damaged: tuple[Placed, Path]
) -> None:
    placed, folder = damaged
    study = placed.told.study_instance_uid
    add(browser, demo, folder)
    until(lambda: item_of(demo, study)["state"] == "at_county", 60, "the image at the county")
    assert item_of(demo, study)["damaged_here"] == 0


def county_does(demo: RunningDemo, statement: str) -> None:
    in_database(demo.home / "county", lambda conn: conn.exec_driver_sql(statement).close())


@pytest.fixture(scope="module")
def unread(browser: Browser, demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> Placed:
    """A study of which the county's database refuses one image that it has signed for."""
    disc = tmp_path_factory.mktemp("unread")
    placed = place_order(demo, "欧阳修", "胸闷2天")
    study = placed.told.study_instance_uid
    folder = examined(disc, "unread-0", placed.told, slices=IMAGES)
    refused = pydicom.dcmread(next(iter(sorted(folder.iterdir())))).SOPInstanceUID
    county_does(
        demo,
        "CREATE TRIGGER refusing BEFORE INSERT ON instance WHEN "
        f"NEW.sop_instance_uid = '{refused}' BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    add(browser, demo, folder)
    until(lambda: item_of(demo, study).get("unread_at_county") == 1, 90, "the county to tell")
    return placed


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_county_has_and_cannot_read_is_said(
    browser: Browser, demo: RunningDemo, unread: Placed, language: str
) -> None:
    with at_work(browser, township(demo), language=language, size=SIZE) as person:
        page, zh = person.page, language == "zh-CN"
        sign_in(person, demo, "technician")
        row = row_of(person, unread)
        cell = row.get_by_test_id("county")
        expect(cell).to_have_text("1幅暂看不了" if zh else "1 not readable yet")
        assert inside(cell)
        row.click()
        note = page.get_by_test_id("unread-at-county")
        expect(note).to_contain_text(
            "县里已收到，也存好了" if zh else "The county has 1 image and keeps it"
        )
        fits(person)
        person.picture(f"unread-at-county-{language}-{SIZE}")
        assert violations(page) == []


def test_once_the_county_has_filed_what_it_kept_the_page_says_so(
    browser: Browser, demo: RunningDemo, unread: Placed
) -> None:
    study = unread.told.study_instance_uid
    with at_work(browser, township(demo)) as person:
        sign_in(person, demo, "technician")
        row = row_of(person, unread)
        expect(row.get_by_test_id("county")).to_contain_text("暂看不了")
        county_does(demo, "DROP TRIGGER refusing")
        home = str(demo.home / "county")
        subprocess.run(
            [
                sys.executable,
                "-m",
                "yilian",
                "admin",
                "--home",
                home,
                "set-aside",
                "retry",
                "--all",
            ],
            cwd=ROOT,
            check=True,
        )
        until(lambda: item_of(demo, study)["unread_at_county"] == 0, 25, "the county to tell")
        expect(row.get_by_test_id("county")).not_to_contain_text("暂看不了")
    assert len(demo.get(f"/dicom-web/studies/{study}/instances")) == IMAGES
