"""The way to the first image over 1 Mbit/s with 150 ms: the line most townships have."""

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

BYTES_PER_S = 1_000_000 // 8
LATENCY_MS = 150
FIRST_IMAGE_COLD_S = 10.0
FIRST_IMAGE_WARM_S = 4.0
LIST_COLD_S = 6.0


def on_a_poor_line_with_nothing_kept(person: Person) -> None:
    """Leave the page, drop what the browser kept, and make the line as poor as it may be."""
    person.page.goto("about:blank")
    network = person.context.new_cdp_session(person.page)
    network.send("Network.enable")
    network.send("Network.clearBrowserCache")
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": BYTES_PER_S,
            "uploadThroughput": BYTES_PER_S,
        },
    )


def first_image_s(person: Person, demo: RunningDemo, study: str) -> float:
    """Open *study* by its address and return how long its first image takes."""
    begun = time.monotonic()
    person.page.goto(f"{county(demo)}/studies/{uid_of(study)}", wait_until="commit")
    expect(person.page.get_by_test_id("cell-0")).to_have_attribute("data-state", "ready")
    return time.monotonic() - begun


def test_the_first_image_comes_in_time_with_nothing_kept_and_with_the_code_kept(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        on_a_poor_line_with_nothing_kept(person)
        assert first_image_s(person, demo, "chen-head") <= FIRST_IMAGE_COLD_S
        person.page.goto("about:blank")
        assert first_image_s(person, demo, "ma-chest") <= FIRST_IMAGE_WARM_S


def test_the_list_comes_in_time_with_nothing_kept(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        on_a_poor_line_with_nothing_kept(person)
        begun = time.monotonic()
        person.page.goto(f"{county(demo)}/studies", wait_until="commit")
        person.see("study-row")
        assert time.monotonic() - begun <= LIST_COLD_S
