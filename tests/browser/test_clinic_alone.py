"""A day without the county: its power fails, the clinic works on, and everything arrives later."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.reading_station import (
    Ordered,
    earlier_images,
    examined,
    ordered,
    reports,
)
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import ALWAYS, fits
from tests.browser.test_today import FINDSCU, at_the_counter, choose_examination, worklist_of
from tests.browser.test_township import choose, send
from tests.browser.test_viewer import ready
from tests.browser.workstation import (
    Person,
    at_work,
    await_samples,
    county,
    sign_in,
    store,
    township,
)
from tests.demo.running import ROOT, RunningDemo, running_demo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

IMAGES = 12


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A demo of its own: its county dies."""
    if not (ROOT / "gateway" / "ui" / "dist" / "index.html").exists():
        pytest.skip("needs the built workstation (make ui)")
    with running_demo(tmp_path_factory.mktemp("alone") / "home", samples=True) as running:
        await_samples(running)
        yield running


def end_county(demo: RunningDemo) -> None:
    """Let every process of the county die at once, and none start again until ``start_county``."""
    assert demo.process is not None
    os.kill(demo.process.pid, signal.SIGSTOP)
    for pid in demo.pids("yilian county"):
        os.kill(pid, signal.SIGKILL)


def start_county(demo: RunningDemo) -> None:
    """Let the demo find its county dead and start it again."""
    assert demo.process is not None
    os.kill(demo.process.pid, signal.SIGCONT)


def register_and_order(person: Person) -> str:
    """Register somebody and order at the counter; returns the accession number."""
    page = person.page
    page.get_by_role("link", name="今日检查").click()
    person.see("order-row")
    expect(page.get_by_test_id("line")).to_have_attribute("data-state", "down")
    page.keyboard.press("n")
    page.get_by_test_id("patient-find").fill("断线时登记")
    page.get_by_test_id("patient-option").last.click()
    page.get_by_test_id("birth").fill("56")
    page.get_by_test_id("sex").get_by_text("男").click()
    choose_examination(page, "tl")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("desk")).to_have_attribute("data-state", "done")
    person.picture("alone-ordered-zh-1366x625")
    return person.text("accession")


def upload_as_emergency(person: Person, demo: RunningDemo, folder: Path) -> Locator:
    """Add *folder*, which stays here, and mark it; returns its row of the queue."""
    page = person.page
    page.goto(township(demo) + "/township")
    choose(person, folder)
    send(person)
    expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
    assert f"{IMAGES}个文件本机已保存" in person.text("sending")
    row = page.get_by_test_id("queue-row").filter(has_text=f"{IMAGES}幅")
    expect(row).to_contain_text("等来线")
    expect(row).not_to_have_attribute("data-state", "at_county")
    row.click()
    page.get_by_test_id("queue-detail").get_by_role("button", name="标急诊").click()
    expect(row).to_contain_text("急")
    return row


def look_at_what_is_here(person: Person, row: Locator) -> None:
    """Open the images of *row* on this machine while nothing else can be reached."""
    page = person.page
    page.get_by_test_id("look").click()
    ready(person)
    expect(page.get_by_test_id("here-note")).to_have_count(0)
    person.picture("alone-images-zh-1366x625")
    page.get_by_test_id("back").click()
    expect(row).to_be_visible()


def hold_what_is_down(person: Person) -> None:
    """Hold the line while it is down: both are shown, and it is down when it is let go again."""
    page = person.page
    page.keyboard.press("s")
    page.get_by_test_id("hold-line").get_by_role("button").first.click()
    line = page.get_by_test_id("line")
    expect(line).to_have_attribute("data-state", "held")
    expect(line).to_contain_text("先停着")
    expect(line).to_contain_text("线路中断")
    expect(page.get_by_test_id("line-down")).to_be_visible()
    person.picture("alone-held-zh-1366x625")
    page.get_by_test_id("line-held").get_by_role("button").click()
    expect(line).to_have_attribute("data-state", "down")


def ask_for_an_earlier_study(person: Person) -> None:
    """Find what the county has of the patient, have it sent, and open it."""
    page = person.page
    page.keyboard.press("h")
    earlier = page.get_by_test_id("earlier")
    expect(earlier).to_have_attribute("data-state", "ready")
    line = page.get_by_test_id("earlier-study")
    expect(line).to_have_count(1)
    expect(line).to_have_attribute("data-place", "none")
    person.picture("alone-earlier-zh-1366x625")
    line.get_by_test_id("ask-county").click()
    expect(line).to_have_attribute("data-place", "here", timeout=60_000)
    # Nobody has entered a device that takes images: who can, and what, is said.
    line.get_by_test_id("send-on-open").click()
    expect(line.get_by_test_id("send-on")).to_contain_text("请系统管理员登记")
    person.picture("alone-earlier-here-zh-1366x625")
    line.get_by_test_id("look").click()
    ready(person)
    page.get_by_test_id("back").click()
    person.see("today")


def read_the_report(person: Person, row: Locator, came_from: str) -> None:
    """Open the newest report of *row* by the keyboard, look, and go back."""
    page = person.page
    row.click()
    page.keyboard.press("r")
    shown = page.get_by_test_id("document")
    expect(shown).to_have_attribute("data-kind", re.compile("pdf|report"))
    person.picture(f"alone-report-{came_from}-zh-1366x625")
    # Both are there: the text, and the document that is signed.
    page.get_by_test_id("thumb").nth(1).click()
    expect(shown).to_contain_text("颅内未见出血")
    page.get_by_test_id("thumb").nth(2).click()
    expect(shown.locator("iframe")).to_be_visible()
    page.get_by_test_id("back").click()
    expect(row).to_be_visible()


def work_on(person: Person, demo: RunningDemo, folder: Path) -> tuple[Ordered, Locator]:
    """Register, order, examine and look, all without the county; returns the order and its row."""
    page = person.page
    accession = register_and_order(person)
    if FINDSCU:
        assert "断线时登记" in worklist_of(demo, accession)
    order = ordered(demo, accession)
    row = upload_as_emergency(person, demo, examined(folder, "alone", order, slices=IMAGES))
    person.picture("alone-queue-zh-1366x625")
    look_at_what_is_here(person, row)
    row.click()
    page.keyboard.press("h")
    expect(page.get_by_test_id("earlier")).to_have_attribute("data-state", "away")
    assert "县里现在问不到" in person.text("earlier")
    person.picture("alone-earlier-away-zh-1366x625")
    return order, row


def answer_it(person: Person, demo: RunningDemo, row: Locator, order: Ordered) -> None:
    """Have another maker's reading station answer at the county, and read what comes back."""
    page = person.page
    store(demo, list(reports(order)), role="radiologist")
    expect(row.get_by_test_id("report")).to_have_text(re.compile("看报告"), timeout=90_000)
    person.picture("alone-report-back-zh-1366x625")
    read_the_report(person, row, "township")
    page.get_by_role("link", name="今日检查").click()
    line = page.get_by_test_id("order-row").filter(has_text=order.accession_number)
    expect(line.get_by_test_id("report")).to_be_visible()
    read_the_report(person, line, "today")
    line.click()


def test_with_the_county_away_people_work_on_and_later_all_arrives_and_the_report_comes_back(
    browser: Browser, alone: RunningDemo, tmp_path: Path
) -> None:
    with at_work(browser, township(alone)) as person:
        page = at_the_counter(person, alone)
        page.get_by_role("link", name="本院影像").click()
        expect(page.get_by_test_id("line")).to_have_attribute("data-state", "up")
        before = person.number("at-county")
        end_county(alone)
        try:
            expect(page.get_by_test_id("line")).to_have_attribute(
                "data-state", "down", timeout=60_000
            )
            assert "线路中断" in person.text("line")
            assert "照常拍片" in person.text("line-down")

            hold_what_is_down(person)
            order, row = work_on(person, alone, tmp_path)
            expect(page.get_by_test_id("at-county")).to_have_text(f"{before}份")

            pages_without_the_county(browser, alone)
            # Somebody else signs in while the county is away.
            with at_work(browser, township(alone)) as other:
                sign_in(other, alone, "registrar")
                other.see("today")
        finally:
            start_county(alone)
        expect(page.get_by_test_id("line")).to_have_attribute("data-state", "up", timeout=90_000)
        expect(row).to_have_attribute("data-state", "at_county", timeout=90_000)
        assert "已收到" in row.inner_text()
        person.picture("alone-arrived-zh-1366x625")
        until(
            lambda: IMAGES in counts_at_county(alone, order.study_instance_uid),
            60,
            "the images at the county",
        )

        store(alone, earlier_images(tmp_path, "alone-earlier", order, slices=3))
        answer_it(person, alone, row, order)
        ask_for_an_earlier_study(person)
        english_pages(browser, alone, order.accession_number)
    until(
        lambda: (
            order.accession_number
            in [
                row["accession_number"]
                for row in alone.get("/api/v1/orders?limit=100", role="technician")["items"]
            ]
        ),
        60,
        "the order at the county",
    )


def pages_without_the_county(browser: Browser, demo: RunningDemo) -> None:
    """Take the pictures of a day without the line: until when people can sign in is on each."""
    for language, size in ALWAYS:
        with at_work(browser, township(demo), language=language, size=size) as person:
            sign_in(person, demo, "technician")
            person.see("queue-row")
            person.see("offline-until")
            fits(person)
            person.picture(f"alone-queue-down-{language}-{size}")
            person.page.goto(f"{township(demo)}/today")
            person.see("order-row")
            person.see("offline-until")
            fits(person)
            person.picture(f"alone-today-down-{language}-{size}")
            assert violations(person.page) == []


def answer_at_work(demo: RunningDemo) -> str:
    """What the county says of two townships whose lines are up: their disk is this machine's."""
    disk = shutil.disk_usage(demo.home)
    if disk.free / disk.total < 0.1:
        return "2个乡镇：2个要看一下"
    return "2个乡镇都正常"


def counts_at_county(demo: RunningDemo, study: str) -> list[int]:
    """Return how many images the county has of *study*."""
    rows = demo.get("/api/v1/studies?limit=50")["items"]
    return [row["instance_count"] for row in rows if row["study_instance_uid"] == study]


def english_pages(browser: Browser, demo: RunningDemo, accession: str) -> None:
    """Take the pictures of the same pages in English."""
    with at_work(browser, township(demo), language="en", size="1366x768") as person:
        page = person.page
        sign_in(person, demo, "technician")
        row = page.get_by_test_id("queue-row").filter(has=page.get_by_test_id("report"))
        expect(row.get_by_test_id("report")).to_have_text(re.compile("See report"))
        row.click()
        page.keyboard.press("h")
        expect(page.get_by_test_id("earlier")).to_have_attribute("data-state", "ready")
        person.picture("alone-report-back-en-1366x768")
        page.get_by_role("link", name="Today").click()
        page.get_by_test_id("order-row").filter(has_text=accession).click()
        expect(page.get_by_test_id("look")).to_be_visible()
        person.picture("alone-today-en-1366x768")
        page.keyboard.press("r")
        expect(page.get_by_test_id("document")).to_be_visible()
        person.picture("alone-report-en-1366x768")


def test_the_county_sees_its_townships_lines(browser: Browser, alone: RunningDemo) -> None:
    with at_work(browser, county(alone)) as person:
        page = person.page
        sign_in(person, alone, "system-administrator")
        expect(page.get_by_test_id("node-row")).to_have_count(2)
        expect(page.get_by_test_id("node-row").first).to_have_attribute(
            "data-state", "up", timeout=60_000
        )
        assert person.text("nodes-answer") == answer_at_work(alone)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        person.see("node-detail")
        person.picture("nodes-well-zh-1366x625")


@pytest.mark.torture  # a minute and a quarter of silence
def test_the_county_sees_which_township_is_silent(browser: Browser, alone: RunningDemo) -> None:
    with at_work(browser, county(alone)) as person:
        page = person.page
        sign_in(person, alone, "system-administrator")
        expect(page.get_by_test_id("node-row")).to_have_count(2)
        pids = alone.pids("yilian township", str(alone.home / "qingshan"))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            row = page.get_by_test_id("node-row").filter(has_text="青山卫生院")
            expect(row).to_have_attribute("data-state", "late", timeout=150_000)
            assert "1个没有消息" in person.text("nodes-answer")
            person.picture("nodes-late-zh-1366x625")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        expect(row).to_have_attribute("data-state", "up", timeout=60_000)
