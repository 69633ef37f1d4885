"""One county for all tests of this room that neither end it nor set it up otherwise."""

from collections.abc import Iterator

import pytest

from tests.demo.running import RunningDemo, running_demo


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A county with two townships, without the sample studies.

    Others use it before and after: a test brings patients and UIDs of its own, speaks of those
    alone, and leaves every process and every line as it found them.
    """
    with running_demo(tmp_path_factory.mktemp("shared") / "home") as running:
        yield running
