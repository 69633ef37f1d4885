"""One browser and one demo county for all tests of this room."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.workstation import WAIT_MS, await_samples
from tests.demo.running import ROOT, RunningDemo, running_demo

_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The Chromium of the machine."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium (Debian: chromium, fonts-noto-cjk)")
    # Ends with this room's tests: the loop Playwright keeps would be in the way of async tests.
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A county with two townships, its sample studies at the county."""
    if not (ROOT / "gateway" / "ui" / "dist" / "index.html").exists():
        pytest.skip("needs the built workstation (make ui)")
    with running_demo(tmp_path_factory.mktemp("demo") / "home", samples=True) as running:
        await_samples(running)
        yield running
