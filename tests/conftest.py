"""What holds for every test of the house."""

import gc
import os

import hypothesis
from aiohttp import web_app

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
from tests.ports import closed_port  # noqa: F401
from tests.pynetdicom_pause import mend

mend()


def pytest_collection_finish() -> None:
    """Take what was imported out of every later collection: it stays to the end."""
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown() -> None:
    """Let go of the web applications of the test, which aiohttp remembers for its handlers."""
    web_app._cached_build_middleware.cache_clear()


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
