"""One county for all tests of this room that neither end it nor set it up otherwise."""

from collections.abc import Iterator

import pytest

from tests.demo.running import RunningDemo, running_demo

VIEWER = "https://viewer.example"
"""The one origin that may read the shared county's DICOMweb from another page."""


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A county with two townships, without the sample studies.

    Others use it before and after: a test brings patients and UIDs of its own, speaks of those
    alone, and leaves every process and every line as it found them.
    """
    settings = {"YILIAN_DICOMWEB_VIEWER_ORIGINS": VIEWER}
    home = tmp_path_factory.mktemp("shared") / "home"
    with running_demo(home, environment=settings) as running:
        yield running


@pytest.fixture(scope="package")
def _mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("mortal") / "home") as running:
        yield running


@pytest.fixture
def mortal(_mortal: RunningDemo) -> RunningDemo:
    """Another one, running, whose processes a test may end as it likes.

    What a test stores there is not conflicting, and its UIDs and devices are its own.
    """
    if _mortal.process is None or _mortal.process.poll() is not None:
        _mortal.start()
    return _mortal
