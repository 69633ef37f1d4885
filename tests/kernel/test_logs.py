"""A log line says what happened and to which id, and never to whom."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from kernel.errors import Invalid
from kernel.process.logs import WITHHELD, configure, withhold

Lines = Callable[[], list[dict[str, Any]]]
MARKED = "王小明 ZZMARKED"


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Configure the logs of this process, and put everything back after."""
    root = logging.getLogger()
    quiet = ("pynetdicom", "pydicom", "aiohttp.access", "py.warnings")
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    levels = {name: logging.getLogger(name).level for name in quiet}
    out = io.StringIO()
    for handler in before[0]:
        root.removeHandler(handler)
    with warnings.catch_warnings():
        configure("worker", stream=out)
        yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
        logging.captureWarnings(capture=False)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in before[0]:
        root.addHandler(handler)
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook = before[2:]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_a_line_is_an_event_with_its_ids(lines: Lines) -> None:
    logging.getLogger("gateway.township.spool").warning("spool.retry", extra={"spool_id": 7})
    logging.getLogger("kernel.x").debug("not.said")
    (line,) = lines()
    assert line["event"] == "spool.retry"
    assert line["spool_id"] == 7
    assert line["role"] == "worker"
    assert line["level"] == "warning"
    assert line["logger"] == "gateway.township.spool"
    assert line["timestamp"].endswith("Z")


def test_no_patient_comes_through_any_way_of_logging(lines: Lines) -> None:
    ours = logging.getLogger("gateway.dimse")
    ours.info("x.y", extra={"patient_name": MARKED, "PatientID": MARKED, "id_number": MARKED})
    ours.info("x.y %s", MARKED)
    ours.info("x.y", extra={"found": {"patientName": MARKED, "rows": [{"birth_date": MARKED}]}})
    ours.info("x.y", extra={"value": MARKED.encode(), "thing": ValueError(MARKED)})
    for name in ("pydicom", "pynetdicom.acse", "aiohttp.access"):
        logging.getLogger(name).critical("%s", MARKED)
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\n{MARKED}")  # noqa: G004
    warnings.warn(MARKED, UserWarning, stacklevel=1)
    error = ValueError(MARKED)
    ours.error("x.failed", exc_info=error)
    sys.excepthook(ValueError, error, None)
    found = lines()
    assert MARKED.split()[1] not in json.dumps(found, ensure_ascii=False)
    assert found[0]["patient_name"] == WITHHELD
    assert [line["event"] for line in found].count("x.y") == 3
    assert len(found) == 7


def test_an_error_says_its_type_its_code_and_where_it_came_from(lines: Lines) -> None:
    def fails() -> None:
        raise Invalid("a line of 12 characters", code="broken-line") from KeyError("x")

    try:
        fails()
    except Invalid:
        logging.getLogger("kernel.x").exception("x.failed")
    (line,) = lines()
    assert line["error"]["type"] == "Invalid"
    assert line["error"]["code"] == "broken-line"
    assert line["error"]["detail"] == "a line of 12 characters"
    assert line["error"]["cause"] == "KeyError"
    assert line["error"]["at"][-1].endswith(" fails")


def test_a_file_is_its_owners_only_and_found_again_after_it_was_moved(
    lines: Lines, tmp_path: Path
) -> None:
    assert lines() == []
    file = tmp_path / "yilian.log"
    configure("worker", file=file)
    logging.getLogger("kernel.x").info("first")
    assert file.stat().st_mode & 0o777 == 0o600
    file.rename(tmp_path / "yilian.log.1")
    logging.getLogger("kernel.x").info("second")
    assert json.loads(file.read_text())["event"] == "second"


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.integers() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
        max_size=5,
    )
)
def test_anything_logged_becomes_short_json(event: dict[str, Any]) -> None:
    assert len(json.dumps(withhold(event))) < 1_000_000
