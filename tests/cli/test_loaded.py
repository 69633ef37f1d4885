"""A process that starts loads what it needs at once, and not what others need some day."""

import json
import subprocess
import sys

import pytest

from tests.demo.running import ROOT

_SOME_DAY = {"alembic", "asyncpg", "pydicom", "pynetdicom", "sqlalchemy.orm"}


def loaded_by(*modules: str) -> set[str]:
    """Return what a fresh interpreter has loaded once it has imported *modules*."""
    program = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("modules", "besides"),
    [
        pytest.param(
            ("yilian.commands.nodes", "yilian.wiring.nodes", "yilian.wiring.dicom_role"),
            {"aiohttp", "numpy", "imagecodecs", "redis"},
            id="parent-and-dicom-door",
        ),
        pytest.param(("yilian.wiring.township_gateway",), {"redis"}, id="township"),
        pytest.param(
            ("yilian.wiring.county_gateway", "yilian.wiring.county_worker"), set(), id="county"
        ),
    ],
)
def test_a_role_leaves_to_others_what_only_they_need(
    modules: tuple[str, ...], besides: set[str]
) -> None:
    assert loaded_by(*modules) & (_SOME_DAY | besides) == set()
