"""What a destination has already acknowledged, so that a second run goes on where one stopped."""

import hashlib
import json
import os
from pathlib import Path

from yilian.sending.survey import Found


class Ledger:
    """A file of acknowledged objects, one JSON line each, appended and flushed as answers come.

    It stands in the user's state folder and is named after the destination. A line is believed
    only for the same path, size and SOP instance; a torn last line is ignored.
    """

    def __init__(self, destination: str, *, folder: Path | None = None) -> None:
        state = folder or _state_folder()
        state.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(destination.encode()).hexdigest()[:24]
        self._path = state / f"{name}.jsonl"
        self._known = set(self._read())
        self._file = self._path.open("a", encoding="utf-8")

    def has(self, found: Found) -> bool:
        """Return whether the destination acknowledged this object in this or an earlier run."""
        return _key(found) in self._known

    def add(self, found: Found) -> None:
        """Remember that the destination has acknowledged *found*."""
        key = _key(found)
        self._known.add(key)
        self._file.write(json.dumps(key) + "\n")
        self._file.flush()

    def forget(self) -> None:
        """Believe nothing of earlier runs; the file is started anew."""
        self._known.clear()
        self._file.truncate(0)

    def close(self) -> None:
        """Flush to disk and close; idempotent."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _read(self) -> list[tuple[str, int, str]]:
        known: list[tuple[str, int, str]] = []
        if self._path.exists():
            for line in self._path.read_text("utf-8").splitlines():
                try:
                    path, size, uid = json.loads(line)
                except ValueError:
                    continue
                known.append((path, size, uid))
        return known


def _key(found: Found) -> tuple[str, int, str]:
    return (str(found.path.resolve()), found.size_bytes, found.sop_instance_uid)


def _state_folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "yilian" / "sent"
