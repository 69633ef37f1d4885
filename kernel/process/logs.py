"""Log lines: JSON, an event's name and ids, and never a patient.

Rooms log with the standard library: ``_LOG.warning("spool.retry", extra={"spool_id": 7})``. What is
written is the name as it stands in the code, never a text with values put into it; an error is its
type, its code and where it came from. Keys that sound like a person or a secret are withheld.
"""

import datetime as dt
import itertools
import json
import logging
import logging.handlers
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO

from kernel.errors import PlatformError

WITHHELD: Final = "[withheld]"
_OURS: Final = ("yilian", "kernel", "gateway", "imaging", "referrals", "realtime", "__main__")
# What others say at lower levels quotes identifiers, element values and addresses with queries.
_QUIET: Final = ("pynetdicom", "pydicom", "aiohttp.access", "py.warnings")
# Their news are our own events (``migrate.ran``).
_WARNINGS_ONLY: Final = ("alembic",)
_SECRET: Final = (
    "patient", "birth", "idnumber", "identitynumber", "phone", "residentid", "password", "secret",
    "token", "authorization", "cookie", "header", "body", "payload", "dataset", "query",
)  # fmt: skip
_NOT_SECRET: Final = frozenset({"query_ms", "body_bytes", "payload_bytes", "dataset_offset"})
_TEXT_MAX: Final = 200
_ITEMS_MAX: Final = 20
_FRAMES_MAX: Final = 12
_DEPTH_MAX: Final = 3
_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    *("message", "asctime", "taskName", "event")
}
"""What the library itself puts into a record; the rest is what a line was given."""


def configure(
    role: str,
    *,
    level: str = "info",
    file: Path | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send every log line of this process to *file*, or to *stream* (standard error).

    Args:
        role: said in each line.
        level: ``debug``, ``info``, ``warning`` or ``error``.
        file: opened for adding, readable by its owner only, and again after it was moved away.
        stream: used where there is no file.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(stream or sys.stderr)
    else:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
    handler.setFormatter(_Line(role))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in _WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("ignore" if level != "debug" else "default")
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


class _Line(logging.Formatter):
    """One record as one line of JSON."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        given = {name: value for name, value in vars(record).items() if name not in _RECORD}
        event = {"event": _name_of_event(record), **given}
        if record.exc_info and (error := record.exc_info[1]) is not None:
            event["error"] = _described(error)
        event |= {"level": record.levelname.lower(), "logger": record.name}
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="microseconds")
        line = {"role": self._role, **withhold(event), "timestamp": at.replace("+00:00", "Z")}
        return json.dumps(line, ensure_ascii=False)


def _name_of_event(record: logging.LogRecord) -> str:
    # The text as written in the code: what was put into it stays out.
    name = str(record.msg)
    return name if record.name.startswith(_OURS) else name.partition("\n")[0]


def _described(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    found: dict[str, object] = {
        "type": type(error).__name__,
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, PlatformError):
        found |= {"code": error.code, "detail": error.detail}
    if isinstance(error, OSError):
        found["errno"] = error.errno
    if isinstance(error, BaseExceptionGroup):
        found["of"] = [type(one).__name__ for one in error.exceptions]
    if error.__cause__ is not None:
        found["cause"] = type(error.__cause__).__name__
    return found


def withhold(event: Mapping[str, object]) -> dict[str, object]:
    """Return *event* without values under keys that sound like a person or a secret, and short."""
    return {key: _fit(key, value, 0) for key, value in event.items()}


def _fit(key: str, value: object, depth: int) -> object:
    plain = key.lower().replace("_", "").replace("-", "")
    if key not in _NOT_SECRET and any(word in plain for word in _SECRET):
        return WITHHELD
    fitted: object = type(value).__name__
    match value:
        case None | bool() | int() | float():
            fitted = value
        case str():
            fitted = value if len(value) <= _TEXT_MAX else f"{value[:_TEXT_MAX]}…"
        case Mapping() if depth < _DEPTH_MAX:
            pairs = itertools.islice(value.items(), _ITEMS_MAX)
            fitted = {str(name): _fit(str(name), one, depth + 1) for name, one in pairs}
        case list() | tuple() | set() | frozenset() if depth < _DEPTH_MAX:
            fitted = [_fit("", one, depth + 1) for one in itertools.islice(value, _ITEMS_MAX)]
    return fitted


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("process.uncaught", exc_info=(kind, error, trace))
