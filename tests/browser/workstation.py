"""A person at the workstation: signs in, looks, and what the page said wrong is remembered."""

import datetime as dt
import re
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect

from kernel.clock import SystemClock
from tests.demo.running import ROOT, RunningDemo, until
from yilian.samples.studies import CHEN, Person as Patient, SampleStudy, files_of

SIZES: Final = {"1366x768": (1366, 768), "1366x625": (1366, 625)}
SMALL: Final = "1366x625"
"""What Windows' taskbar and the browser leave of the commonest screen in the county."""
PHONE: Final = "360x740"
_SAMPLE_STUDIES: Final = 8
WAIT_MS: Final = 30_000
_COUNTY: Final = dt.timezone(dt.timedelta(hours=8))
PICTURES: Final = ROOT / "build" / "screenshots"
README_PICTURES: Final = ROOT / "docs" / "images"
# A refused or cut request is told by the page itself; the browser's own line about it is no fault.
_EXPECTED: Final = re.compile(r"Failed to load resource|net::ERR_")
_NO_SUCH_ROUTE: Final = re.compile(r"status of 40[45] ")
_ORDER_BEHIND: Final = re.compile(r"/api/v1/studies/([^/]+)/order$")


@dataclass
class Person:
    """One signed-in browser context."""

    page: Page
    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Addresses the page asked for and nothing was at."""

    def orders_nobody_knew(self) -> list[str]:
        """Return where the order behind a study was missing and the study itself was not.

        The page does without it and says nothing; nobody would notice a node without that door.
        """
        asked = [(url, _ORDER_BEHIND.search(url)) for url in self.missing]
        return [
            url
            for url, order in asked
            if order and not any(order[1] in other for other in self.missing if other != url)
        ]

    def see(self, test_id: str) -> None:
        """Wait until the part named *test_id* is shown."""
        self.page.get_by_test_id(test_id).first.wait_for(timeout=WAIT_MS)

    def text(self, test_id: str) -> str:
        """Return the words of the part named *test_id*."""
        self.see(test_id)
        return self.page.get_by_test_id(test_id).first.inner_text()

    def number(self, test_id: str) -> int:
        """Return the first number in the part named *test_id*."""
        expect(self.page.get_by_test_id(test_id)).to_contain_text(re.compile(r"\d"))
        found = re.search(r"\d+", self.text(test_id))
        assert found is not None
        return int(found[0])

    def picture(self, name: str) -> Path:
        """Take a picture of the page; *name* is page-state-language-size."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path)
        return path


def await_samples(demo: RunningDemo) -> None:
    """Return once the county has all sample studies, and the first township knows that."""
    until(
        lambda: len(demo.get("/api/v1/studies?limit=50")["items"]) >= _SAMPLE_STUDIES,
        60,
        "the sample studies",
    )

    def receipts_read() -> bool:
        queue = demo.get("/api/v1/queue", at="qingshan", role="technician")
        return bool(queue["summary"]["on_the_line"] == 0)

    until(receipts_read, 60, "the receipts of the sample studies")


_DESKS: Final[WeakKeyDictionary[Browser, dict[tuple[str, str], list[BrowserContext]]]] = (
    WeakKeyDictionary()
)
"""Browsers nobody sits at: each has read the program before, which takes longer than most pages."""
_KEPT_BY_PAGES: Final = "local_storage,indexeddb,service_workers,cache_storage,file_systems"


@contextmanager
def at_work(
    browser: Browser, address: str, *, language: str = "zh-CN", size: str = SMALL
) -> Iterator[Person]:
    """Open *address* as a fresh browser user; a script error on the page fails the test."""
    desks = _DESKS.setdefault(browser, {}).setdefault((language, size), [])
    context = desks.pop() if desks else _desk(browser, language, size)
    page = context.pages[0] if context.pages else context.new_page()
    person = Person(page, context)
    origins = set[str]()

    def heard(message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        if not _EXPECTED.search(message.text):
            person.faults.append(message.text)
        elif _NO_SUCH_ROUTE.search(message.text):
            person.missing.append(message.location["url"])

    def broke(error: Error) -> None:
        person.faults.append(str(error))

    page.on("console", heard)
    page.on("pageerror", broke)
    page.on("framenavigated", lambda frame: origins.add(_origin(frame.url)))
    try:
        page.goto(address)
        yield person
        faults = [*person.faults, *person.orders_nobody_knew()]
        assert not faults, "\n".join(faults)
    except BaseException:
        context.close()
        raise
    _tidy(context, origins)
    desks.append(context)


def _desk(browser: Browser, language: str, size: str) -> BrowserContext:
    width, height = (int(side) for side in size.split("x"))
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=language, accept_downloads=True
    )
    context.set_default_timeout(WAIT_MS)
    # Only the first time: a choice made on the page must survive a reload.
    context.add_init_script(
        "try { localStorage.getItem('yilian.language') ??"
        f" localStorage.setItem('yilian.language', '{language}') }} catch {{}}"
    )
    return context


def _tidy(context: BrowserContext, origins: set[str]) -> None:
    """Leave nothing of who sat there but what the program itself is."""
    blank = context.new_page()
    for page in context.pages[:-1]:
        origins.add(_origin(page.url))
        page.close()
    session = context.new_cdp_session(blank)
    for origin in origins:
        kept = {"origin": origin, "storageTypes": _KEPT_BY_PAGES}
        session.send("Storage.clearDataForOrigin", kept)
    session.detach()
    context.clear_cookies()
    context.clear_permissions()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def sign_in(person: Person, demo: RunningDemo, role: str, *, nth: int = 0) -> dict[str, str]:
    """Sign in on the open page as the *nth* account of *role*; returns the account."""
    accounts = [one for one in demo.ready["accounts"] if one["role"] == role]
    account: dict[str, str] = accounts[nth]
    page = person.page
    page.locator("#username").fill(account["username"])
    page.locator("#password").fill(account["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("person")).to_be_visible(timeout=WAIT_MS)
    return account


def county(demo: RunningDemo) -> str:
    """Return the county's address."""
    return str(demo.ready["county"]["http"])


def township(demo: RunningDemo, nth: int = 0) -> str:
    """Return the address of the *nth* township."""
    return str(demo.ready["townships"][nth]["http"])


def folder_of(
    parent: Path,
    key: str,
    *,
    slices: int,
    patient: Patient = CHEN,
    days_ago: int = 0,
    body_part: str = "HEAD",
) -> Path:
    """Write a CT of *slices* images into a fresh folder, as a disc would hold it.

    One of the head of these days is an emergency by the demo's rules.
    """
    name = "头颅CT平扫" if body_part == "HEAD" else "CT平扫"
    study = SampleStudy(key, "qingshan", patient, "CT-head", name, body_part, days_ago, slices)
    folder = parent / key
    folder.mkdir(parents=True)
    for number, content in enumerate(files_of(study, today=today())):
        (folder / f"IM{number:04d}.dcm").write_bytes(content)
    return folder


def today() -> dt.date:
    """Return today's date in the county."""
    return SystemClock().now().astimezone(_COUNTY).date()


def store(demo: RunningDemo, files: Sequence[bytes], *, role: str = "technician") -> None:
    """Store *files* at the county by STOW-RS, as another system of *role*'s house would."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + content + b"\r\n" for content in files)
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    request = urllib.request.Request(
        county(demo) + "/dicom-web/studies",
        data=body + f"--{boundary}--\r\n".encode(),
        headers={
            "Content-Type": kind,
            "Accept": "application/dicom+json",
            "Authorization": f"Bearer {demo.account(role)['token']}",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in {200, 202}
