"""What holds for every test of the house."""

import os

import hypothesis

# Fixtures for every room: see tests/databases.py.
from tests.databases import (  # noqa: F401
    database,
    database_url,
    postgres_programs,
    postgres_server,
    postgres_template,
    postgres_url,
    sqlite_url,
)
from tests.pynetdicom_pause import mend

mend()

# A shared, noisy machine makes single examples slow; only the test's own timeout may judge that.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "deep", parent=hypothesis.settings.get_profile("house"), max_examples=2000
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))
