"""What a receiver has already acknowledged, so that a second run goes on where one stopped."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from yilian.sending.survey import Found


class Ledger:
    """A file of acknowledged objects, one JSON line each, appended and flushed as answers come.

    It stands in the user's state folder and belongs to one receiver (``bind``): a node that can be
    known again, not an address somebody else may have by now. A line is believed only for the same
    path, size, time of change and SOP instance; a torn last line is ignored. Until it is bound it
    knows nothing and remembers nothing.
    """

    def __init__(self, *, folder: Path | None = None, afresh: bool = False) -> None:
        """Begin unbound.

        Args:
            folder: where ledgers are; the user's state folder unless another is given.
            afresh: believe nothing of earlier runs, and start the receiver's file anew.
        """
        self._folder = folder or _state_folder()
        self._afresh = afresh
        self._known: set[_Key] = set()
        self._file: TextIO | None = None

    def bind(self, receiver: str) -> None:
        """Read what *receiver* acknowledged, and remember what it will."""
        self.close()
        name = hashlib.sha256(f"receiver\n{receiver}".encode()).hexdigest()[:24]
        path = self._folder / f"{name}.jsonl"
        # Without a folder to write to, or room in it, a run only sends what it need not.
        with suppress(OSError):
            self._known = set() if self._afresh else _read(path)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w" if self._afresh else "a", encoding="utf-8")

    def has(self, found: Found) -> bool:
        """Return whether the receiver acknowledged this very file in this or an earlier run."""
        return _key(found) in self._known

    def add(self, found: Found) -> None:
        """Remember that the receiver has acknowledged *found*."""
        if self._file is None:
            return
        key = _key(found)
        self._known.add(key)
        # A line begins with its end, so that one torn by a crash does not spoil the next.
        with suppress(OSError):
            self._file.write("\n" + json.dumps(key) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Flush to disk and close; idempotent."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError), file:
                file.flush()
                os.fsync(file.fileno())


_Key = tuple[str, int, int, str]


def _key(found: Found) -> _Key:
    return (
        str(found.path.resolve()),
        found.size_bytes,
        found.modified_ns,
        found.sop_instance_uid,
    )


def _read(path: Path) -> set[_Key]:
    known: set[_Key] = set()
    if path.exists():
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                name, size, modified, uid = json.loads(line)
            except (ValueError, TypeError):
                continue
            known.add((name, size, modified, uid))
    return known


def _state_folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "yilian" / "sent"
