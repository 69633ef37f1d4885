"""Send what a survey found, over several associations or requests at once, and sum it up."""

import queue
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from gateway.dimse.scu import Answered, Outgoing, Peer, PeerUnavailable, context_groups, send
from kernel.dicom.dataset import FileSource
from kernel.dicom.part10 import file_meta_bytes
from yilian.sending.ledger import Ledger
from yilian.sending.survey import Found

_TRIES: Final = 4
_RETRY_S: Final = (1.0, 5.0, 15.0)
_BATCH: Final = 200


@dataclass(slots=True)
class Summary:
    """What became of a run; ``complete`` decides the exit code."""

    found: int = 0
    sent: int = 0
    sent_bytes: int = 0
    already_there: int = 0
    warned: int = 0
    refused: list[tuple[Path, str]] = field(default_factory=list)
    not_sent: list[tuple[Path, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether every DICOM file found is at the destination."""
        return not self.refused and not self.not_sent


Progress: TypeAlias = Callable[[Found, str], object]
"""Is told of every object done with: ``sent``, ``there``, ``refused`` or ``not-sent``."""


class StoreRun:
    """Send files to a DIMSE peer over parallel associations, each object reported once.

    A broken association is opened again with growing pauses; only what was not acknowledged is
    sent again. An object the peer refuses is not sent twice.
    """

    def __init__(
        self, peer: Peer, ledger: Ledger, progress: Progress, *, associations: int
    ) -> None:
        self._peer = peer
        self._ledger = ledger
        self._progress = progress
        self._associations = associations
        self._lock = threading.Lock()
        self.summary = Summary()

    def run(self, files: Sequence[Found], *, stop: threading.Event) -> Summary:
        """Send *files* and say what became of them; *stop* ends it after the object at hand."""
        self.summary.found += len(files)
        todo: queue.SimpleQueue[list[Found]] = queue.SimpleQueue()
        waiting = [f for f in files if not self._there(f)]
        step = max(1, min(_BATCH, -(-len(waiting) // self._associations)))
        for start in range(0, len(waiting), step):
            todo.put(waiting[start : start + step])
        threads = [
            threading.Thread(target=self._work, args=(todo, stop), name=f"association-{n}")
            for n in range(min(self._associations, todo.qsize()))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
        return self.summary

    def _there(self, found: Found) -> bool:
        if not self._ledger.has(found):
            return False
        self.summary.already_there += 1
        self._progress(found, "there")
        return True

    def _work(self, todo: "queue.SimpleQueue[list[Found]]", stop: threading.Event) -> None:
        while True:
            try:
                batch = todo.get_nowait()
            except queue.Empty:
                return
            self._send_batch(batch, stop)

    def _send_batch(self, batch: Sequence[Found], stop: threading.Event) -> None:
        left = {str(found.path): found for found in batch}
        reason = ""
        with tempfile.TemporaryDirectory(prefix="yilian-send-") as scratch:
            outgoing = [_outgoing(found, Path(scratch)) for found in batch]
            paths = {sent.path: found for sent, found in zip(outgoing, batch, strict=True)}
            for attempt in range(_TRIES):
                if stop.is_set() or (attempt and stop.wait(_RETRY_S[attempt - 1])):
                    break
                again = [o for o in outgoing if str(paths[o.path].path) in left]
                if not again:
                    break
                reason = self._attempt(again, self._taker(paths, left, stop))
        with self._lock:
            for found in left.values():
                self.summary.not_sent.append((found.path, reason or "stopped"))
                self._progress(found, "not-sent")

    def _attempt(self, files: Sequence[Outgoing], take: Callable[[Answered], None]) -> str:
        try:
            for group in context_groups(files):
                send(self._peer, group, take)
        except PeerUnavailable as exc:
            return exc.detail
        return "the peer has no room"

    def _taker(
        self, paths: dict[Path, Found], left: dict[str, Found], stop: threading.Event
    ) -> Callable[[Answered], None]:
        def take(answer: Answered) -> None:
            found = paths[answer.outgoing.path]
            if not answer.accepted and answer.worth_retrying:
                return
            del left[str(found.path)]
            with self._lock:
                self._note(found, answer)
            if stop.is_set():
                raise PeerUnavailable("stopped by the user")

        return take

    def _note(self, found: Found, answer: Answered) -> None:
        if not answer.accepted:
            text = answer.comment or "refused"
            self.summary.refused.append((found.path, f"0x{answer.status or 0:04X} {text}"))
            self._progress(found, "refused")
            return
        self._ledger.add(found)
        self.summary.sent += 1
        self.summary.sent_bytes += found.size_bytes
        self.summary.warned += answer.status != 0
        self._progress(found, "sent")


def _outgoing(found: Found, scratch: Path) -> Outgoing:
    path = found.path
    if not found.whole_part10:
        # pynetdicom reads the file meta group of what it sends; odd files get a right one.
        path = scratch / f"{len(list(scratch.iterdir()))}.dcm"
        with FileSource(found.path) as source, path.open("wb") as out:
            out.write(
                file_meta_bytes(
                    sop_class_uid=found.sop_class_uid,
                    sop_instance_uid=found.sop_instance_uid,
                    transfer_syntax_uid=found.transfer_syntax_uid,
                )
            )
            position = found.dataset_offset
            while block := source.read(position, 1 << 20):
                out.write(block)
                position += len(block)
    return Outgoing(path, found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid)
