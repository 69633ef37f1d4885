"""A township and a county, installed on clean trees and ended afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.demo.running import free_offset
from tests.deploy.trial import Trial, skip_without_packages


@contextmanager
def _installed(root: Path, role: str) -> Iterator[Trial]:
    skip_without_packages()
    trial = Trial(root, role, free_offset())
    trial.install()
    try:
        yield trial
    finally:
        trial.systemctl("stop")


@pytest.fixture
def township(tmp_path: Path) -> Iterator[Trial]:
    with _installed(tmp_path / "machine", "township") as trial:
        yield trial


@pytest.fixture
def county(tmp_path: Path) -> Iterator[Trial]:
    with _installed(tmp_path / "machine", "county") as trial:
        yield trial
