"""A day without the county: its power fails, the clinic works on, and everything arrives later."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.test_today import FINDSCU, at_the_counter, choose_examination, worklist_of
from tests.browser.test_township import choose
from tests.browser.workstation import Person, at_work, county, folder_of, sign_in, township
from tests.demo.running import ROOT, RunningDemo, running_demo, until
from yilian.samples.studies import MA

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

IMAGES = 12


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A demo of its own: its county dies."""
    if not (ROOT / "gateway" / "ui" / "dist" / "index.html").exists():
        pytest.skip("needs the built workstation (make ui)")
    with running_demo(tmp_path_factory.mktemp("alone") / "home", samples=True) as running:
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
    page.get_by_test_id("send").click()
    expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
    assert f"{IMAGES}个文件本机已保存" in person.text("sending")
    row = page.get_by_test_id("queue-row").filter(has_text=f"{IMAGES}幅")
    expect(row).to_contain_text("等来线")
    expect(row).not_to_have_attribute("data-state", "at_county")
    row.click()
    page.get_by_test_id("queue-detail").get_by_role("button", name="标急诊").click()
    expect(row).to_contain_text("急")
    return row


def test_with_the_county_away_people_register_order_and_upload_and_all_of_it_arrives(
    browser: Browser, alone: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "alone", slices=IMAGES, patient=MA)
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

            accession = register_and_order(person)
            if FINDSCU:
                assert "断线时登记" in worklist_of(alone, accession)

            row = upload_as_emergency(person, alone, folder)
            expect(page.get_by_test_id("at-county")).to_have_text(f"{before}份")
            person.picture("alone-queue-zh-1366x625")

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
        lambda: (
            IMAGES
            in [row["instance_count"] for row in alone.get("/api/v1/studies?limit=50")["items"]]
        ),
        60,
        "the images at the county",
    )
    until(
        lambda: (
            accession
            in [
                row["accession_number"]
                for row in alone.get("/api/v1/orders?limit=100", role="technician")["items"]
            ]
        ),
        60,
        "the order at the county",
    )


def answer_at_work(demo: RunningDemo) -> str:
    """What the county says of two townships whose lines are up: their disk is this machine's."""
    disk = shutil.disk_usage(demo.home)
    if disk.free / disk.total < 0.1:
        return "2个乡镇：2个要看一下"
    return "2个乡镇都正常"


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
