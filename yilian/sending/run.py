"""Send what a survey found, over several associations or requests at once, and sum it up."""

import queue
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from gateway.dimse.outgoing import Answered, Outgoing, Peer, PeerUnavailable, context_groups
from gateway.dimse.scu import send
from kernel.dicom.dataset import BrokenDataset, FileSource
from kernel.dicom.part10 import file_meta_bytes
from kernel.identifiers import new_id
from yilian.sending.greeting import Greeting, NotReached, greet
from yilian.sending.ledger import Ledger
from yilian.sending.presence import held_by
from yilian.sending.survey import Found

_RETRY_S: Final = (1.0, 5.0, 15.0)
_BATCH: Final = 200


@dataclass(slots=True)
class Summary:
    """What became of a run; ``complete`` decides the exit code.

    ``found`` is the sum of what was sent, was there already, was refused and was not sent.
    """

    found: int = 0
    sent: int = 0
    sent_bytes: int = 0
    already_there: int = 0
    refused: list[tuple[Path, str]] = field(default_factory=list)
    not_sent: list[tuple[Path, str]] = field(default_factory=list)
    warned: list[tuple[Path, str]] = field(default_factory=list)
    """Of those sent, what the destination took with a warning, and which."""
    skipped: Counter[str] = field(default_factory=Counter)
    again: bool = True
    """Whether the same command may do better later with nothing changed here."""

    @property
    def complete(self) -> bool:
        """Whether every DICOM file found is at the destination."""
        return not self.refused and not self.not_sent


_WARNINGS: Final = {
    0xB000: "elements were changed there",
    0xB006: "elements were left out there",
    0xB007: "kept, but not as what answers for its UID: somebody there has to look",
}
"""PS3.4 B.2.3 and PS3.18 Table I.2-1, in words of what a sender may have to do."""


def warning(status: int) -> str:
    """Return a status that is no failure, with what it means where that is known."""
    return f"0x{status:04X} {_WARNINGS.get(status, 'taken with a warning')}"


STOP: Final = NotReached("stopped", again=True)

Progress: TypeAlias = Callable[[Found, str], object]
"""Is told of every object done with: ``sent``, ``there``, ``refused`` or ``not-sent``."""


class StoreRun:
    """Send files to a DIMSE peer over parallel associations, each object reported once.

    What the peer really has is left out (``_there``). A broken association is opened again with
    growing pauses; only what was not acknowledged is sent again. An object the peer refuses is not
    sent twice, and a peer that is gone for all those pauses is not called once more for the rest.
    """

    def __init__(
        self, peer: Peer, ledger: Ledger, progress: Progress, *, associations: int
    ) -> None:
        self._peer = peer
        self._ledger = ledger
        self._progress = progress
        self._associations = associations
        self._lock = threading.Lock()
        self._gone: NotReached | None = None
        self.summary = Summary()

    def run(self, files: Sequence[Found], *, stop: threading.Event) -> Summary:
        """Send *files* and say what became of them; *stop* ends it after the object at hand."""
        self.summary.found += len(files)
        if not files:
            return self.summary
        try:
            waiting = self._missing(files, self._greeted(files, stop))
        except NotReached as exc:
            self._give_up(files, exc)
            return self.summary
        todo: queue.SimpleQueue[list[Found]] = queue.SimpleQueue()
        step = max(1, min(_BATCH, -(-len(waiting) // self._associations)))
        for start in range(0, len(waiting), step):
            todo.put(waiting[start : start + step])
        # An impatient second Ctrl-C does not wait for them: what was answered is in the ledger.
        threads = [
            threading.Thread(
                target=self._work, args=(todo, stop), name=f"association-{n}", daemon=True
            )
            for n in range(min(self._associations, todo.qsize()))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
        return self.summary

    def _greeted(self, files: Sequence[Found], stop: threading.Event) -> Greeting:
        kinds = {(found.sop_class_uid, found.transfer_syntax_uid) for found in files}
        for pause_s in (*_RETRY_S, None):
            if stop.is_set():
                break
            try:
                return greet(self._peer, kinds)
            except NotReached as exc:
                if pause_s is None or not exc.soon:
                    raise
                stop.wait(pause_s)
        raise STOP

    def _missing(self, files: Sequence[Found], greeting: Greeting) -> list[Found]:
        """Return what the peer does not have yet, the rest reported as there.

        A node that is known again still has what it acknowledged. Another peer is asked, and a
        listed image counts only where the ledger knows this very file: the same UID may stand for
        other content. Where neither is possible everything is sent.
        """
        if greeting.node_id:
            self._ledger.bind(f"node {greeting.node_id}")
            there = {found for found in files if self._ledger.has(found)}
        elif greeting.answers_queries:
            peer = self._peer
            self._ledger.bind(f"dicom {peer.called_ae_title}@{peer.host}:{peer.port}")
            sent_before = [found for found in files if self._ledger.has(found)]
            listed = held_by(peer, sent_before)
            there = {found for found in sent_before if found.sop_instance_uid in listed}
        else:
            there = set()
        for found in there:
            self.summary.already_there += 1
            self._progress(found, "there")
        return [found for found in files if found not in there]

    def _work(self, todo: "queue.SimpleQueue[list[Found]]", stop: threading.Event) -> None:
        while True:
            try:
                batch = todo.get_nowait()
            except queue.Empty:
                return
            self._send_batch(batch, stop)

    def _send_batch(self, batch: Sequence[Found], stop: threading.Event) -> None:
        left = {str(found.path): found for found in batch}
        why = STOP
        with tempfile.TemporaryDirectory(prefix="yilian-send-") as scratch:
            paths = self._prepared(left, Path(scratch))
            for pause_s in (0.0, *_RETRY_S):
                again = [outgoing for outgoing, found in paths if str(found.path) in left]
                if not again or self._gone or stop.is_set() or stop.wait(pause_s):
                    break
                taker = self._taker({o.path: found for o, found in paths}, left, stop)
                why = self._attempt(again, taker)
        if not left:
            return
        if stop.is_set():
            why = STOP
        elif why.code == PeerUnavailable.code:
            why = self._gone = self._gone or self._why(why.detail)
        self._give_up(list(left.values()), self._gone or why)

    def _prepared(self, left: dict[str, Found], scratch: Path) -> list[tuple[Outgoing, Found]]:
        """Return what to send for each file of *left*; one that cannot be read leaves it."""
        made = []
        for path, found in list(left.items()):
            try:
                made.append((_outgoing(found, scratch), found))
            except (OSError, BrokenDataset) as exc:
                del left[path]
                with self._lock:
                    self.summary.refused.append((found.path, f"unreadable: {exc}"))
                    self._progress(found, "refused")
        return made

    def _attempt(self, files: Sequence[Outgoing], take: Callable[[Answered], None]) -> NotReached:
        """Return what stands in the way of those not reported to *take*."""
        there = [file for file in files if file.path.exists()]
        try:
            for group in context_groups(there):
                send(self._peer, group, take)
        except PeerUnavailable as exc:
            return NotReached(exc.detail, again=True, code=exc.code)
        if len(there) < len(files):
            return NotReached("the file is gone", again=False)
        return NotReached("the peer has no room for it now", again=True)

    def _why(self, reason: str) -> NotReached:
        """Return why nothing goes any more, as exactly as the peer tells it now."""
        try:
            greet(self._peer, ())
        except NotReached as exc:
            return exc
        return NotReached(reason, again=True)

    def _give_up(self, files: Sequence[Found], why: NotReached) -> None:
        with self._lock:
            self.summary.again = self.summary.again and why.again
            for found in files:
                self.summary.not_sent.append((found.path, why.detail))
                self._progress(found, "not-sent")

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
        if answer.status:
            self.summary.warned.append((found.path, warning(answer.status)))
        self._progress(found, "sent")


def _outgoing(found: Found, scratch: Path) -> Outgoing:
    path = found.path
    if not found.whole_part10:
        # pynetdicom reads the file meta group of what it sends; odd files get a right one.
        path = scratch / f"{new_id()}.dcm"
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
