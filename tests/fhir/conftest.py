"""One door for all tests of this room; each registers people of its own."""

from collections.abc import Iterator

import pytest

from tests.fhir.door import FhirDesk, running_door


@pytest.fixture(scope="package")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirDesk]:
    """A county with the FHIR door, on SQLite."""
    folder = tmp_path_factory.mktemp("fhir")
    with running_door(f"sqlite:///{folder / 'county.db'}", folder / "archive") as running:
        yield running
