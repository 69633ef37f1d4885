"""What is installed is pinned by digest, and where it comes from is the machine's business."""

import json
import re
from pathlib import Path

import pytest

from tests.setup.checkout import ROOT

LOCKS = ["requirements.lock", "requirements-test.lock"]
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;]+)(?: ; .+)?$")


def normal(name: str) -> str:
    """PEP 503's form of a project name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(lock: str) -> list[tuple[str, list[str]]]:
    """Each pin with the options that follow it."""
    whole = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    found = []
    for line in whole.splitlines():
        if line.strip() and not line.startswith("#"):
            pin, *options = re.split(r"\s+--", line.strip())
            found.append((pin.strip(), options))
    return found


def pins(lock: str) -> set[str]:
    return {pin for pin, _ in requirements(lock)}


def asked_for(path: str) -> list[str]:
    lines = (ROOT / path).read_text("utf-8").splitlines()
    names = [re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in lines]
    return [normal(name) for name in names if name and not name.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_an_exact_pin_with_digests(lock: str) -> None:
    assert requirements(lock)
    for pin, options in requirements(lock):
        assert PIN.match(pin), pin
        assert options, f"{pin} has no digest"
        for option in options:
            assert re.fullmatch(r"hash=sha256:[0-9a-f]{64}", option.strip()), (pin, option)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address_and_no_path(lock: str) -> None:
    content = (ROOT / lock).read_text("utf-8")
    assert not re.search(r"https?:|file:|git\+|--(extra-)?index|--find-links| @ |/", content)


def test_what_the_tests_install_contains_what_yilian_runs_on() -> None:
    assert pins("requirements.lock") <= pins("requirements-test.lock")


@pytest.mark.parametrize(
    ("asked", "lock"),
    [("requirements.in", "requirements.lock"), ("requirements-test.in", "requirements-test.lock")],
)
def test_everything_asked_for_is_locked(asked: str, lock: str) -> None:
    locked = {normal(pin.partition("==")[0]) for pin in pins(lock)}
    assert set(asked_for(asked)) <= locked


@pytest.mark.parametrize("asked", ["requirements.in", "requirements-test.in"])
def test_what_is_asked_for_stands_in_order_and_once(asked: str) -> None:
    names = asked_for(asked)
    assert names == sorted(set(names))


def test_the_workstations_lock_holds_digests_and_no_addresses() -> None:
    lock = ROOT / "gateway" / "ui" / "package-lock.json"
    if not lock.exists():
        pytest.skip("no browser workstation yet")
    packages = json.loads(lock.read_text("utf-8"))["packages"]
    installed = {place: entry for place, entry in packages.items() if place}
    assert installed
    for place, entry in installed.items():
        assert "resolved" not in entry, place
        assert re.match(r"sha512-", entry.get("integrity", "")), place


def test_npm_is_told_to_keep_addresses_out_of_its_lock() -> None:
    told = Path(ROOT, "gateway", "ui", ".npmrc").read_text("utf-8").splitlines()
    assert "omit-lockfile-registry-resolved=true" in told
